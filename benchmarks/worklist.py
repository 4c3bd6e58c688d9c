"""The worklist over 100,000 studies on a PostgreSQL server of its own: each page and filter, as a browser asks for it.

python -m benchmarks.worklist [--studies 100000] [--times 40]

Prints JSON: for each request p50 and p95 in ms of the whole answer (session, queries, template; without the network),
how many queries it asked, and how long the database took for them. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

READS = 0.3  # share of the studies that somebody has read
CLAIMS, DRAFTS, OFF, DISAGREED = 12, 40, 500, 60
AT_ONCE = 2000
DIGEST = "md5(random()::text) || md5(random()::text)"
NINE = "upper(lpad(to_hex(g::bigint * 2654435761 % 68719476736), 9, '0'))"
PSEUDONYM = f"substr({NINE}, 1, 4) || '-' || substr({NINE}, 5, 4) || '-' || substr({NINE}, 9, 1)"
LEAD = """
UPDATE diagnosis_study SET leading_id = made.id
FROM diagnosis_prediction made
JOIN diagnosis_analysis job ON job.id = made.analysis_id
JOIN diagnosis_instance film ON film.id = job.instance_id
JOIN diagnosis_series series ON series.id = film.series_id
WHERE series.study_id = diagnosis_study.id
"""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=40)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="covidweb-worklist-") as var, postgres() as url:
        prepare(url, Path(var))
        fill(options.studies)
        sys.stdout.write(json.dumps(measure(options.times), indent=1) + "\n")
    return 0


@contextmanager
def postgres() -> Iterator[str]:
    """A server with its usual settings; it refuses to run as root, so root runs it as the user postgres."""
    from tests.sites import free_port, wait_for
    from tests.test_postgres import binaries

    programs = binaries()
    if programs is None:
        raise SystemExit("needs PostgreSQL (apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="covidweb-postgres-"))
    is_root = os.geteuid() == 0
    user: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if is_root else {}
    if is_root:
        shutil.chown(folder, "postgres", "postgres")
    made = [programs / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust"]
    subprocess.run(made, check=True, capture_output=True, **user)
    port = str(free_port())
    command = [programs / "postgres", "-D", folder / "data", "-p", port, "-c", "listen_addresses=127.0.0.1"]
    server = subprocess.Popen(
        [*command, "-c", f"unix_socket_directories={folder}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **user,
    )  # fmt: skip
    ready = [programs / "pg_isready", "-h", "127.0.0.1", "-p", port]
    try:
        wait_for(
            lambda: subprocess.run(ready, capture_output=True).returncode == 0, what="PostgreSQL answers"
        )
        yield f"postgres://postgres@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGINT)  # does not wait for connections that are still open
        server.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


def prepare(url: str, var: Path) -> None:
    (var / "static").mkdir()
    os.environ |= {
        "DATABASE_URL": url, "COVIDWEB_VAR": str(var), "SECRET_KEY": "benchmark", "PSEUDONYM_KEY": "benchmark",
        "DJANGO_SETTINGS_MODULE": "tests.settings",
    }  # fmt: skip
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


# --- 100,000 studies ---


def fill(n: int) -> None:
    """As a site is after a year: all films analysed, a third read, some open, some doubted."""
    from diagnosis.models import Case, Study
    from diagnosis.services import worklist
    from tests import factories

    readers = [factories.UserFactory(role="radiologist", reader_number=k + 1) for k in range(12)]
    factories.UserFactory(role="administrator", username="administrator")
    make_studies(n)
    make_analyses()
    make_reads(readers)
    for start in range(0, n, AT_ONCE):
        rows = Study.objects.order_by("pk").select_related("leading")
        worklist.enter_all(list(rows[start : start + AT_ONCE]))
    Case.objects.filter(n_reads__gt=0).update(status="done")
    make_states(readers, random.Random(7))
    run("VACUUM ANALYZE")


def make_studies(n: int) -> None:
    from tests import factories

    study = factories.StudyFactory.build(
        team=factories.TeamFactory(), uploaded_by=factories.UserFactory(), source=None
    )
    sources = [factories.SourceFactory().pk for _ in range(5)]
    copies(
        factories.PatientFactory.build(),
        f"generate_series(1, {n * 2 // 3}) AS g",
        key=DIGEST,
        pseudonym=PSEUDONYM,
    )
    copies(
        study, f"generate_series(1, {n}) AS g",
        patient_id=f"(SELECT min(id) FROM diagnosis_patient) + floor(random() * {n * 2 // 3})::int",
        source_id=one_of(sources), sex="(ARRAY['F', 'M'])[1 + floor(random() * 2)::int]",
        age_years="18 + floor(random() * 75)::int", accession_hash=DIGEST, record_hash=DIGEST,
        received_at="now() - random() * interval '365 days'",
    )  # fmt: skip
    copies(factories.SeriesFactory.build(study=study), "diagnosis_study AS s", study_id="s.id")
    film = factories.InstanceFactory.build(
        series=factories.SeriesFactory.build(study=study), source_format="dicom",
        attributes={"Manufacturer": "A maker", "PatientOrientation": ["L", "F"]},
    )  # fmt: skip
    views = "(ARRAY['PA', 'AP'])[1 + floor(random() * 2)::int]"
    copies(
        film, "diagnosis_series AS s", series_id="s.id", sha256=DIGEST, pixel_sha256=DIGEST, view=views,
        cluster="gen_random_uuid()",
    )  # fmt: skip


def make_analyses() -> None:
    from tests import factories

    made = [factories.CheckpointFactory(status=status) for status in ("retired", "promoted")]
    film = factories.InstanceFactory.build(series=factories.SeriesFactory.build(study=None))
    analysis = factories.AnalysisFactory.build(instance=film, status="succeeded")
    copies(analysis, "diagnosis_instance AS i", instance_id="i.id")
    low, high = made[0].band_low, made[0].band_high
    copies(
        factories.PredictionFactory.build(analysis=analysis, checkpoint=made[0]),
        "(SELECT id, random() AS score FROM diagnosis_analysis OFFSET 0) AS a",
        analysis_id="a.id", checkpoint_id=one_of([f"'{one.pk}'::uuid" for one in made]), probability="a.score",
        finding=f"CASE WHEN score < {low} THEN 'below' WHEN score > {high} THEN 'above' ELSE 'uncertain' END",
    )  # fmt: skip
    run(LEAD)


def make_reads(readers: list[Any]) -> None:
    from tests import factories

    read = factories.ReadFactory.build(
        study=factories.StudyFactory.build(team=None, uploaded_by=None), reader=readers[0]
    )
    copies(
        read, f"(SELECT id FROM diagnosis_study WHERE random() < {READS}) AS s",
        study_id="s.id", reader_id=one_of([reader.pk for reader in readers]),
        label="(ARRAY['covid', 'noncovid', 'unknown'])[1 + floor(random() * 3)::int]",
    )  # fmt: skip


def one_of(values: list[Any]) -> str:
    return f"(ARRAY[{', '.join(str(value) for value in values)}])[1 + floor(random() * {len(values)})::int]"


def copies(row: Any, source: str, **columns: str) -> None:
    """One row like `row` for each row of `source`; `columns` are SQL expressions for what differs."""
    from django.db import connection
    from django.utils import timezone

    fields = [field for field in row._meta.concrete_fields if field.get_internal_type() != "BigAutoField"]
    shown, values = [], []
    for field in fields:
        made = columns.get(field.column) or ("gen_random_uuid()" if field.primary_key else None)
        value = getattr(row, field.attname)
        if value is None and not field.null:
            value = timezone.now()  # what is set when a row is saved
        shown.append(made.replace("%", "%%") if made else "%s")
        values += [] if made else [field.get_db_prep_save(value, connection)]
    names = ", ".join(field.column for field in fields)
    run(f"INSERT INTO {row._meta.db_table} ({names}) SELECT {', '.join(shown)} FROM {source}", values)


def run(sql: str, values: list[Any] | None = None) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)


def make_states(readers: list[Any], chance: random.Random) -> None:
    """Claims, drafts, what is off the list, and what clinicians disagree with."""
    from diagnosis.models import Case, Draft, ReviewRequest
    from diagnosis.services import claims, worklist
    from diagnosis.states import CaseStatus

    waiting = list(Case.objects.filter(status=CaseStatus.OPEN).order_by("tier", "-priority", "pk")[:300])
    for case, reader in zip(waiting[:CLAIMS], readers, strict=False):
        claims.claim(case, by=reader)
    Draft.objects.bulk_create(
        Draft(study=case.study, reader=chance.choice(readers)) for case in waiting[:DRAFTS]
    )
    for case in Case.objects.order_by("pk")[:OFF]:
        worklist.leave(case.study, by=None, reason="benchmark")
    doubted = Case.objects.filter(status=CaseStatus.OPEN).order_by("-pk")[:DISAGREED]
    ReviewRequest.objects.bulk_create(
        ReviewRequest(study_id=case.study_id, by=readers[0], text="looks denser than that")
        for case in doubted
    )
    worklist.refresh_all([case.study_id for case in doubted])


# --- asking ---


def measure(times: int) -> dict[str, Any]:
    from diagnosis.models import Case, Checkpoint, Source, Study, User

    reader = User.objects.filter(role="radiologist").order_by("pk")[1]
    chief = User.objects.get(username="administrator")
    by_reader, by_chief = (ask_as(user) for user in (reader, chief))
    patient = Study.objects.select_related("patient").first().patient
    some = {"source": Source.objects.first().pk, "checkpoint": Checkpoint.objects.first().pk}
    asked: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
        "first page": (by_reader, {}),
        "a third down": (by_reader, {"after": deep(reader, 1 / 3)}),
        "near the end": (by_reader, {"after": deep(reader, 0.95)}),
        "mine": (by_reader, {"show": "mine"}),
        "read": (by_reader, {"show": "done"}),
        "unread by me": (by_reader, {"unread": "on"}),
        "tier": (by_reader, {"tier": 0}),
        "one day": (by_reader, {"since": day(40), "until": day(40)}),
        "half a year": (by_reader, {"until": day(180)}),
        "study number": (by_reader, {"search": Study.objects.order_by("-pk").first().number}),
        "its first digit": (by_reader, {"search": "A"}),
        "pseudonym": (by_reader, {"search": patient.pseudonym}),
        "nothing fits": (by_reader, {"search": "ZZZZ-ZZZZ"}),
        "first page, administrator": (by_chief, {}),
        "source": (by_chief, {"source": some["source"]}),
        "label": (by_chief, {"label": "covid", "show": "done"}),
        "no label yet": (by_chief, {"label": "none"}),
        "checkpoint": (by_chief, {"checkpoint": some["checkpoint"]}),
        "source, checkpoint, half a year": (by_chief, {**some, "until": day(180)}),
        "taken off": (by_chief, {"show": "off"}),
    }
    found = {name: timed(ask, query, times) for name, (ask, query) in asked.items()}
    return {"cases": Case.objects.count(), "times": times, **found}


def ask_as(user: Any) -> Callable[[dict[str, Any]], Any]:
    from django.test import Client
    from django.urls import reverse

    from tests.factories import AcknowledgementFactory

    AcknowledgementFactory(user=user)
    client = Client(HTTP_HOST="localhost")
    client.force_login(user)
    return lambda query: client.get(reverse("worklist"), query)


def deep(user: Any, share: float) -> str:
    """The cursor after this share of the list."""
    from diagnosis import selectors
    from diagnosis.selectors import worklist

    cases = selectors.cases_on_shelf(user, selectors.CaseFilters()).order_by(*worklist.ORDER)
    return worklist.closed(cases[int(share * cases.count())])


def day(ago: int) -> str:
    from django.utils import timezone

    return f"{timezone.localdate() - timedelta(days=ago)}"


def slow(captured: Any) -> None:
    """With SLOW_MS in the environment: the queries that took longer, and how the database went about them."""
    from django.db import connection

    for one in list(captured) if "SLOW_MS" in os.environ else ():
        if 1000 * float(one["time"]) > float(os.environ["SLOW_MS"]):
            with connection.cursor() as cursor:
                cursor.execute("EXPLAIN (ANALYZE, BUFFERS) " + one["sql"].replace("%", "%%"))
                plan = "\n".join(line for (line,) in cursor.fetchall())
            sys.stderr.write(f"{one['time']} s: {one['sql']}\n{plan}\n\n")


def timed(ask: Callable[[dict[str, Any]], Any], query: dict[str, Any], times: int) -> dict[str, float]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    ask(query)
    took = []
    for _ in range(times):
        began = time.perf_counter()
        assert ask(query).status_code == 200
        took.append(1000 * (time.perf_counter() - began))
    with CaptureQueriesContext(connection) as captured:
        ask(query)
    slow(captured)
    database = 1000 * sum(float(one["time"]) for one in captured)
    cut = statistics.quantiles(took, n=20)
    return {
        "p50_ms": round(statistics.median(took), 1), "p95_ms": round(cut[18], 1),
        "queries": len(captured), "database_ms": round(database, 1),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
