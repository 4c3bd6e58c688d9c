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
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

READS = 0.3  # share of the studies that somebody has read
CLAIMS, DRAFTS, OFF, DISAGREED = 12, 40, 500, 60
AT_ONCE = 2000
SPREAD = "UPDATE diagnosis_study SET received_at = now() - random() * interval '365 days'"
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
    """As a site is after a year: most films analysed, a third read, some open, some doubted."""
    from django.db import connection

    from diagnosis.models import Case, Study
    from diagnosis.services import worklist
    from tests import factories

    chance = random.Random(7)
    readers = [factories.UserFactory(role="radiologist", reader_number=k + 1) for k in range(12)]
    factories.UserFactory(role="administrator", username="administrator")
    team, sender = factories.TeamFactory(), factories.UserFactory()
    sources = [factories.SourceFactory() for _ in range(5)]
    checkpoints = [factories.CheckpointFactory(status=status) for status in ("retired", "promoted")]
    for start in range(0, n, AT_ONCE):
        size = min(AT_ONCE, n - start)
        studies = make_studies(size, team=team, sender=sender, sources=sources, chance=chance)
        make_analyses(studies, checkpoints, chance)
        make_reads(studies, readers, chance)
    with connection.cursor() as cursor:
        cursor.execute(SPREAD)
        cursor.execute(LEAD)
    for start in range(0, n, AT_ONCE):
        rows = Study.objects.order_by("pk").select_related("leading")
        worklist.enter_all(list(rows[start : start + AT_ONCE]))
    Case.objects.filter(n_reads__gt=0).update(status="done")
    make_states(readers, chance)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def make_studies(n: int, *, team: Any, sender: Any, sources: list[Any], chance: random.Random) -> list[Any]:
    from diagnosis import pseudonyms
    from diagnosis.models import Instance, Patient, Series, Study
    from tests.factories import digest

    keys = [digest(uuid.uuid4()) for _ in range(n * 2 // 3 + 1)]
    patients = Patient.objects.bulk_create(
        Patient(key=key, pseudonym=pseudonyms.pseudonym_of(key)) for key in keys
    )
    studies = [
        Study(
            team=team, uploaded_by=sender, patient=chance.choice(patients), source=chance.choice(sources),
            sex=chance.choice("FM"), age_years=chance.randint(18, 95), accession_hash=digest(uuid.uuid4()),
        )
        for _ in range(n)
    ]  # fmt: skip
    Study.objects.bulk_create(studies)
    series = Series.objects.bulk_create(Series(study=study, modality="DX") for study in studies)
    Instance.objects.bulk_create(
        Instance(
            series=one, source_format="dicom", sha256=digest(one.pk), pixel_sha256=digest(one.pk), width=2000,
            height=2000, bits=12, window_low=0, window_high=4095, view=chance.choice(["PA", "AP"]),
            attributes={"Manufacturer": "A maker", "PatientOrientation": ["L", "F"]},
        )
        for one in series
    )  # fmt: skip
    return studies


def make_analyses(studies: list[Any], checkpoints: list[Any], chance: random.Random) -> None:
    from diagnosis.models import Analysis, Instance, Prediction

    instances = Instance.objects.filter(series__study__in=[study.pk for study in studies]).select_related(
        "series"
    )
    analyses = Analysis.objects.bulk_create(Analysis(instance=one, status="succeeded") for one in instances)
    Prediction.objects.bulk_create(
        prediction_of(analysis, chance.choice(checkpoints), chance.random()) for analysis in analyses
    )


def prediction_of(analysis: Any, checkpoint: Any, score: float) -> Any:
    from diagnosis.models import Prediction

    low, high = checkpoint.band_low, checkpoint.band_high
    finding = "below" if score < low else "above" if score > high else "uncertain"
    return Prediction(
        analysis=analysis, checkpoint=checkpoint, probability=score, finding=finding, band_low=low,
        band_high=high, operating_point=checkpoint.operating_point, preprocessing="0123456789ab",
        precision="fp32", duration_ms=40,
    )  # fmt: skip


def make_reads(studies: list[Any], readers: list[Any], chance: random.Random) -> None:
    from diagnosis.models import Read

    answers = {"typical": "covid", "atypical": "noncovid", "normal": "noncovid", "indeterminate": "unknown"}
    read = [study for study in studies if chance.random() < READS]
    said = [chance.choice(list(answers)) for _ in read]
    Read.objects.bulk_create(
        Read(study=study, reader=chance.choice(readers), answer=answer, label=answers[answer])
        for study, answer in zip(read, said, strict=True)
    )


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
    """With SLOW_MS in the environment: the queries that took longer."""
    for one in captured if "SLOW_MS" in os.environ else ():
        if 1000 * float(one["time"]) > float(os.environ["SLOW_MS"]):
            sys.stderr.write(f"{one['time']} s: {one['sql']}\n\n")


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
