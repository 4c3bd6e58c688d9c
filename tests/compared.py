"""A cohort whose cases were read by several people who differ, as a site has it after some months."""

from __future__ import annotations

import random
from datetime import timedelta

from django.utils import timezone

from diagnosis import models, renditions
from diagnosis.states import Answer, CaseStatus, Finding, LabelRule, ReadKind, RepeatStatus, Role
from tests import factories, xrays

NAMES = ("Ada Lovelace", "Grace Hopper", "Lise Meitner", "Emmy Noether")
SKILL = (0.9, 0.8, 0.72, 0.55)  # how often each of them, in turn, says what the film shows
ANSWERS = (Answer.TYPICAL, Answer.INDETERMINATE, Answer.ATYPICAL, Answer.NORMAL, Answer.CANNOT)
THUMBNAIL = xrays.jpeg(xrays.film(1, width=64, height=64))
FINDINGS = {Answer.TYPICAL: Finding.ABOVE, Answer.INDETERMINATE: Finding.UNCERTAIN}


def compared(
    name: str, *, n_cases: int = 60, n_readers: int = 4, seed: int = 1, **protocol: object
) -> models.Cohort:
    """Each case by two readers (three where there are many), a quarter once more; half of them drawn at random."""
    rng = random.Random(seed)
    cohort = models.Cohort.objects.create(name=name, position=models.Cohort.objects.count())
    source = factories.SourceFactory()
    cohort.sources.add(source)
    how = {"n_readers": 2, "rule": LabelRule.UNANIMOUS, "repeat_share": 0.1, **protocol}
    rules = models.Protocol.objects.create(cohort=cohort, version=1, **how)
    readers = [_reader(name, n) for n in range(n_readers)]
    patients = [factories.PatientFactory() for _ in range(max(1, n_cases * 2 // 3))]
    for n in range(n_cases):
        at = timezone.now() - timedelta(days=200 * (n_cases - n) / n_cases)
        _case(rules, readers, rng, patient=rng.choice(patients), source=source, at=at)
    return cohort


def _reader(name: str, n: int) -> models.User:
    first, last = NAMES[n % len(NAMES)].split()
    taken = models.User.objects.exclude(reader_number=None).count()
    return factories.UserFactory(
        username=f"{name} {n}",
        role=Role.RADIOLOGIST,
        reader_number=100 + taken,
        first_name=first,
        last_name=last,
    )


def _case(
    rules: models.Protocol,
    readers: list[models.User],
    rng: random.Random,
    *,
    patient: object,
    source: object,
    at: object,
) -> None:
    shows = rng.choices(ANSWERS, (3, 2, 2, 4, 0.4))[0]
    finding = FINDINGS.get(shows, Finding.BELOW) if rng.random() < 0.85 else Finding.ABOVE
    study = factories.StudyFactory(patient=patient, source=source)
    study.leading = factories.PredictionFactory(analysis__instance__series__study=study, finding=finding)
    study.save(update_fields=["leading"])
    # Lists show it: a small picture is enough.
    folder = study.leading.analysis.instance.folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / renditions.THUMBNAIL).write_bytes(THUMBNAIL)
    how = {"status": CaseStatus.DONE, "is_random": rng.random() < 0.5}
    factories.CaseFactory(study=study, protocol=rules, **how)
    for n in rng.sample(range(len(readers)), min(len(readers), 2 if len(readers) < 6 else 3)):
        said = {"study": study, "reader": readers[n], "confidence": rng.choice((None, 1, 2, 3))}
        answer = shows if rng.random() < SKILL[n % len(SKILL)] else rng.choice(ANSWERS)
        first = factories.ReadFactory(
            **said, answer=answer, active_ms=rng.randint(15_000, 90_000), created_at=at
        )
        if rng.random() < 0.25:
            again = answer if rng.random() < 0.8 else rng.choice(ANSWERS)
            later = at + timedelta(days=1)
            read = factories.ReadFactory(**said, answer=again, kind=ReadKind.REPEAT, created_at=later)
            models.Repeat.objects.create(
                study=study, reader=readers[n], first=first, read=read, status=RepeatStatus.DONE, due_at=at
            )
