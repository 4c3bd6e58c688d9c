"""Who was sent AI output of which study, and when first (rule D1). Whether a read is blinded follows from it.

Every page and every answer of the API that holds a score, a finding or a heatmap calls `note` before it is sent. What
is hidden from a reader is not sent and not noted.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from diagnosis import access
from diagnosis.models import Case, Exposure, Prediction, Study, User
from diagnosis.selectors import FilmState, StudyState, UploadState


def note(user: access.Viewer, predictions: Iterable[Prediction | UUID | None]) -> int:
    """Record that `user` is sent these; returns how many were new to them. One query if none was."""
    sent = {one.pk if isinstance(one, Prediction) else one for one in predictions if one}
    return _note(user, Prediction.objects.filter(pk__in=sent)) if sent else 0


def note_study(user: access.Viewer, study: Study) -> int:
    """The same for all that was ever predicted of a study, as the API lists it."""
    return _note(user, Prediction.objects.filter(analysis__instance__series__study=study))


def of_list(states: Iterable[StudyState]) -> list[Prediction | None]:
    """What a line of the study list shows: the study's own answer."""
    return [state.leading.prediction if state.leading else None for state in states]


def of_uploads(rows: Iterable[UploadState]) -> list[Prediction | None]:
    """What a line of a batch shows."""
    return [row.film.prediction if row.film else None for row in rows]


def of_page(films: Iterable[FilmState], chosen: FilmState | None) -> list[Prediction | None]:
    """What a study page shows: each film's score, and all that the history of the chosen film has."""
    analyses = chosen.instance.analyses.all() if chosen else ()
    past = [analysis.prediction for analysis in analyses if hasattr(analysis, "prediction")]
    return [*(film.prediction for film in films), *past]


def _note(user: access.Viewer, sent: QuerySet[Prediction]) -> int:
    if not isinstance(user, User):
        return 0
    new = sent.exclude(Exists(Exposure.objects.filter(user=user, prediction=OuterRef("pk"))))
    found = list(new.values_list("pk", "analysis__instance__series__study"))
    if found:
        _store(user, found)
    return len(found)


@transaction.atomic
def _store(user: User, found: list[tuple[UUID, UUID]]) -> None:
    """In turn with whoever submits a read of these: it comes before these rows, or is stored as not blinded."""
    cases = Case.objects.select_for_update().filter(study__in={study for _, study in found})
    list(cases.order_by("pk").values_list("pk"))
    rows = [Exposure(user=user, study_id=study, prediction_id=pk) for pk, study in found]
    # Another tab may have been sent the same meanwhile: the first one counts.
    Exposure.objects.bulk_create(rows, ignore_conflicts=True)
