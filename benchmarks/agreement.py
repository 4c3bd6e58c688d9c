"""Agreement of many readers over many cases: how long the numbers take, and how much of it the intervals are.

python -m benchmarks.agreement [--cases 10000] [--readers 10]

Prints JSON: seconds of one summary (five answers, every reader read every case) without intervals and with 1,000
resamples; of all that the page needs; and of the second time, when only the reads are loaded and their fingerprint is
looked up. SQLite in memory, one thread; seconds are those of the processor.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

AT_ONCE = 5000
ANSWERS = ("typical", "indeterminate", "atypical", "normal", "cannot")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--readers", type=int, default=10)
    options = parser.parse_args(arguments)
    prepare()
    fill(options.cases, options.readers)
    sys.stdout.write(json.dumps(measure(options.cases, options.readers), indent=1) + "\n")
    return 0


def prepare() -> None:
    os.environ |= {
        "DATABASE_URL": "sqlite://:memory:", "SECRET_KEY": "benchmark", "PSEUDONYM_KEY": "benchmark",
        "DJANGO_SETTINGS_MODULE": "tests.settings",
    }  # fmt: skip
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def fill(n_cases: int, n_readers: int) -> None:
    """Each case of one of two thirds as many patients, read by everybody within half a year; half are random."""
    from django.utils import timezone

    from diagnosis.models import Case, Patient, Read, Study
    from tests import factories

    rng = random.Random(0)
    readers = [factories.UserFactory(role="radiologist", reader_number=n + 1) for n in range(n_readers)]
    own = {"team": factories.TeamFactory(), "uploaded_by": factories.UserFactory()}
    leading = factories.PredictionFactory()
    patients = Patient.objects.bulk_create(
        Patient(key=f"{n:064d}", pseudonym=f"{n:012d}") for n in range(n_cases * 2 // 3)
    )
    studies = Study.objects.bulk_create(
        [Study(patient=rng.choice(patients), leading=leading, **own) for _ in range(n_cases)],
        batch_size=AT_ONCE,
    )
    now = timezone.now()
    Case.objects.bulk_create(
        [Case(study=study, received_at=now, is_random=rng.random() < 0.5) for study in studies],
        batch_size=AT_ONCE,
    )
    Read.objects.bulk_create(reads_of(studies, readers, rng), batch_size=AT_ONCE)
    moments = [now - timedelta(days=180 * n / n_cases) for n in range(n_cases)]
    for part in range(6):
        some = studies[part * n_cases // 6 : (part + 1) * n_cases // 6]
        Read.objects.filter(study__in=some).update(created_at=moments[part * n_cases // 6])


def reads_of(studies: list[Any], readers: list[Any], rng: random.Random) -> list[Any]:
    """Seven of ten say what the film shows, the others anything."""
    from diagnosis.models import Read
    from diagnosis.states import ANSWER_TABLES

    found = []
    for study in studies:
        shows = rng.choice(ANSWERS)
        for reader in readers:
            answer = shows if rng.random() < 0.7 else rng.choice(ANSWERS)
            found.append(
                Read(
                    study=study, reader=reader, answer=answer, label=ANSWER_TABLES[1][answer], is_blinded=True,
                    confidence=rng.choice((None, 1, 2, 3)), active_ms=rng.randint(10_000, 90_000),
                )
            )  # fmt: skip
    return found


def measure(n_cases: int, n_readers: int) -> dict[str, Any]:
    from diagnosis import engine
    from diagnosis.selectors import Extent
    from diagnosis.services import agreement

    engine.agreement(
        [[0, 0]], 2, names=["a", "b"], clusters=["c"], seed=0
    )  # numpy is imported once a process
    rng = random.Random(0)
    codes = [[rng.randrange(5) for _ in range(n_readers)] for _ in range(n_cases)]
    names, clusters = [str(n) for n in range(n_readers)], [str(n * 2 // 3) for n in range(n_cases)]

    def once(n_resamples: int) -> None:
        engine.agreement(codes, 5, names=names, clusters=clusters, seed=1, n_resamples=n_resamples)

    points, intervals = seconds(lambda: once(0)), seconds(lambda: once(1000))
    basis = agreement.basis_of(Extent())
    return {
        "cases": n_cases,
        "readers": n_readers,
        "one summary, no intervals (s)": points,
        "one summary, 1,000 resamples (s)": intervals,
        "ratio": round(intervals / max(points, 0.01), 1),
        "reads loaded and counted (s)": seconds(lambda: agreement.basis_of(Extent())),
        "all numbers of the page, no intervals (s)": seconds(
            lambda: agreement.work_out(basis, seed=1, n_resamples=0)
        ),
        "all numbers of the page, 1,000 resamples (s)": seconds(lambda: agreement.work_out(basis, seed=1)),
        "first view, one scale (s)": seconds(lambda: agreement.numbers_of(Extent(), ["answers"])),
        "another scale (s)": seconds(lambda: agreement.numbers_of(Extent(), ["ordered"])),
        "second view (s)": seconds(lambda: agreement.numbers_of(Extent(), ["answers"])),
    }


def seconds(of: Callable[[], object]) -> float:
    """Of the processor, whatever else the machine does."""
    began = time.process_time()
    of()
    return round(time.process_time() - began, 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
