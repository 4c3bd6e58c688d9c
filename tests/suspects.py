"""Studies with decided labels and held-out scores, some of them wrong: for tests of suspected labels."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable
from typing import Any

from diagnosis.models import Case, Instance, OutOfFoldScore, Read, Series, Study, Team, User
from diagnosis.services import worklist
from diagnosis.states import Answer, Label, Role
from tests import factories

RECIPE = "recipe D3"
ANSWERS = {Label.COVID: Answer.TYPICAL, Label.NONCOVID: Answer.NORMAL}


def reader(name: str = "wilhelmine") -> User:
    """One of this name, made once."""
    return User.objects.filter(username=name).first() or factories.UserFactory(
        username=name, role=Role.RADIOLOGIST, reader_number=User.objects.count() + 1
    )


def labelled(label: str, probability: float | None, **more: Any) -> Study:
    """A study that was read with this label, and what a network that never saw it said of it."""
    return many([(label, probability)], **more)[0]


def many(films: Iterable[tuple[str, float | None]], *, by: User | None = None) -> list[Study]:
    """The same for many, with few questions to the database."""
    films, by, team = list(films), by or reader(), shared_team()
    studies = Study.objects.bulk_create(Study(team=team, uploaded_by=by) for _ in films)
    series = Series.objects.bulk_create(Series(study=study) for study in studies)
    instances = Instance.objects.bulk_create(factories.InstanceFactory.build(series=one) for one in series)
    Read.objects.bulk_create(
        factories.ReadFactory.build(study=study, reader=by, answer=ANSWERS[label])
        for study, (label, _) in zip(studies, films, strict=True)
    )
    OutOfFoldScore.objects.bulk_create(
        OutOfFoldScore(instance=instance, recipe=RECIPE, fold="C0", probability=probability)
        for instance, (_, probability) in zip(instances, films, strict=True)
        if probability is not None
    )
    worklist.enter_all(studies)
    worklist.refresh_all(study.pk for study in studies)
    return studies


def score(film: Any, probability: float, *, fold: str = "C0", recipe: str = RECIPE) -> OutOfFoldScore:
    return OutOfFoldScore.objects.create(instance=film, recipe=recipe, fold=fold, probability=probability)


def shared_team() -> Any:
    return Team.objects.filter(name="Suspects").first() or factories.TeamFactory(name="Suspects")


def collection(n: int = 24, *, wrong: int = 3, seed: int = 0) -> set[uuid.UUID]:
    """So many films of each class, and so many more of each with the other class's label; the wrong ones."""
    draw = random.Random(seed)
    films: list[tuple[str, float]] = []
    for label, low, sure in ((Label.COVID, 0.75, 0.97), (Label.NONCOVID, 0.05, 0.03)):
        other = Label.NONCOVID if label == Label.COVID else Label.COVID
        # What is wrong looks like the class that it is of, more than most.
        films += [(other, sure)] * wrong + [(label, low + draw.random() / 5) for _ in range(n)]
    studies = many(films)
    return {study.pk for study, (_, p) in zip(studies, films, strict=True) if p in (0.97, 0.03)}


def case_of(study: uuid.UUID) -> Case:
    return Case.objects.get(study=study)
