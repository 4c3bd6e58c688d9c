"""Films by which labels are judged: one a study, with the label held true of it, and what was said of it."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Avg, Max, QuerySet

from diagnosis.models import (
    Case,
    Checkpoint,
    Exposure,
    Instance,
    OutOfFoldScore,
    Prediction,
    Read,
    Recheck,
    Study,
    User,
)
from diagnosis.states import (
    CaseStatus,
    Label,
    LabelState,
    ReadKind,
    ReadStatus,
    RecheckStatus,
    Role,
    StudyStatus,
)

# Databases limit how many values one question may carry.
AT_ONCE = 500


@dataclass(frozen=True)
class ScoredFilm:
    """The film that stands for its study: the one whose probability of COVID-19 is the highest."""

    study: uuid.UUID
    instance: uuid.UUID
    label: str
    status: str
    probability: float


@dataclass(frozen=True)
class LabelledStudy:
    """A study with where its label comes from: the row that says so, and the reads that this names."""

    study: Study
    reads: list[Read] = field(default_factory=list)


def labelled(to_study: str = "") -> dict[str, Any]:
    """What a study must be to have its label judged, as filters behind a path to it.

    Decided for one of the two classes, on the worklist or read, neither withdrawn (A9) nor synthetic (E6).
    """
    return {
        f"{to_study}status": StudyStatus.ACTIVE,
        f"{to_study}is_demo": False,
        f"{to_study}case__status__in": [CaseStatus.OPEN, CaseStatus.DONE],
        f"{to_study}case__derived__state": LabelState.DECIDED,
        f"{to_study}case__label__in": [Label.COVID, Label.NONCOVID],
    }


def labels_now() -> dict[uuid.UUID, str]:
    """The label of each study whose label may be judged."""
    found = Study.objects.filter(**labelled()).values_list("pk", "case__label")
    return dict(found)


def recipes() -> list[tuple[str, datetime]]:
    """The tables of out-of-fold scores that were imported, the newest first."""
    found = OutOfFoldScore.objects.values("recipe").annotate(at=Max("imported_at")).order_by("-at", "recipe")
    return [(row["recipe"], row["at"]) for row in found]


def held_out_films(recipe: str) -> list[ScoredFilm]:
    """By the mean of the folds that held a film out."""
    study = "instance__series__study__"
    scores = OutOfFoldScore.objects.filter(recipe=recipe, instance__not_assessed="", **labelled(study))
    rows = scores.values_list(f"{study}pk", "instance", f"{study}case__label", f"{study}case__status")
    return _one_a_study(rows.annotate(p=Avg("probability")))


def checkpoints_with_predictions() -> list[Checkpoint]:
    """The newest first."""
    return list(Checkpoint.objects.filter(predictions__isnull=False).distinct().order_by("-registered_at"))


def predicted_films(checkpoint: Checkpoint) -> list[ScoredFilm]:
    """By the newest prediction of each film. What was scored on request counts for nothing."""
    study = "analysis__instance__series__study__"
    made = Prediction.objects.filter(
        checkpoint=checkpoint, although="", analysis__instance__not_assessed="", **labelled(study)
    )
    place = (f"{study}pk", "analysis__instance", f"{study}case__label", f"{study}case__status", "probability")
    newest = {row[1]: row for row in made.order_by("created_at", "pk").values_list(*place)}
    return _one_a_study(newest.values())


def _one_a_study(rows: Iterable[tuple[Any, ...]]) -> list[ScoredFilm]:
    leading: dict[uuid.UUID, ScoredFilm] = {}
    for row in rows:
        film = ScoredFilm(*row)
        if film.study not in leading or leading[film.study].probability < film.probability:
            leading[film.study] = film
    return [leading[study] for study in sorted(leading)]


def marks_of_films() -> QuerySet[Instance, tuple[Any, ...]]:
    """Of every film of the site, the withdrawn and synthetic too: itself, its hashes, its cluster, its patient."""
    return Instance.objects.values_list(
        "pk", "pixel_sha256", "appearance", "cluster", "series__study__patient"
    )


# --- rechecks ---


def waiting_rechecks() -> set[uuid.UUID]:
    """Studies that wait to be looked at again."""
    return set(Recheck.objects.filter(status=RecheckStatus.OPEN).values_list("study", flat=True))


def readers() -> list[int]:
    """Who reads here."""
    return list(User.objects.filter(role=Role.RADIOLOGIST, is_active=True).values_list("pk", flat=True))


def who_has_read(studies: Iterable[uuid.UUID]) -> dict[uuid.UUID, set[int]]:
    """Of each study, the readers who have read it, in whatever they read since."""
    reads = Read.objects.filter(reader__isnull=False).exclude(status=ReadStatus.TAKEN_BACK)
    return _by_study(reads.exclude(kind=ReadKind.VERDICT), "reader", studies)


def who_saw_the_ai(studies: Iterable[uuid.UUID]) -> dict[uuid.UUID, set[int]]:
    """Of each study, the people who were sent AI output of it."""
    return _by_study(Exposure.objects.all(), "user", studies)


def open_to_the_exposed(studies: Iterable[uuid.UUID]) -> set[uuid.UUID]:
    """Studies whose protocol lets readers see the AI."""
    found: set[uuid.UUID] = set()
    for part in _parts(studies):
        cases = Case.objects.filter(study__in=part, protocol__hides_ai=False)
        found |= set(cases.values_list("study", flat=True))
    return found


def _by_study(rows: QuerySet[Any], person: str, studies: Iterable[uuid.UUID]) -> dict[uuid.UUID, set[int]]:
    found: dict[uuid.UUID, set[int]] = defaultdict(set)
    for part in _parts(studies):
        for study, user in rows.filter(study__in=part).values_list("study", person):
            found[study].add(user)
    return found


def _parts(studies: Iterable[uuid.UUID]) -> Iterable[list[uuid.UUID]]:
    some = list(studies)
    return (some[at : at + AT_ONCE] for at in range(0, len(some), AT_ONCE))


def batches_of_rechecks(most: int) -> list[list[Recheck]]:
    """The rows of each batch, the newest batch first."""
    newest = Recheck.objects.values("batch").annotate(last=Max("at")).order_by("-last", "batch")[:most]
    rows: dict[uuid.UUID, list[Recheck]] = {row["batch"]: [] for row in newest}
    found = Recheck.objects.filter(batch__in=list(rows)).select_related("study__case__derived", "asked_by")
    for recheck in found:
        rows[recheck.batch].append(recheck)
    return list(rows.values())


def batch_of_rechecks(batch: uuid.UUID) -> list[Recheck]:
    return list(Recheck.objects.filter(batch=batch).select_related("study__case"))


# --- what the page shows of a study ---


def labelled_studies(studies: Iterable[uuid.UUID]) -> dict[uuid.UUID, LabelledStudy]:
    """With the reads that their labels rest on: three queries."""
    found = Study.objects.filter(pk__in=list(studies))
    rows = list(found.select_related("case__derived__protocol__cohort", "patient", "source", "leading"))
    wanted = [read for study in rows if study.case.derived for read in study.case.derived.reads]
    reads: dict[uuid.UUID, list[Read]] = defaultdict(list)
    for read in Read.objects.filter(pk__in=wanted).select_related("reader", "source").order_by("created_at"):
        reads[read.study_id].append(read)
    return {study.pk: LabelledStudy(study, reads[study.pk]) for study in rows}
