"""A study leaves the reading room, and may come back (rule A9). Nothing is deleted: meanwhile `access` hides it."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.urls import reverse
from django.utils import timezone

from diagnosis import access, dispatch, texts
from diagnosis.models import Analysis, Instance, Study, User
from diagnosis.services import analysis, notices, worklist
from diagnosis.states import JobStatus, NoticeKind, StudyStatus


class NotRestoredError(Exception):
    """The study stays withdrawn; the sentence says why."""


@transaction.atomic
def withdraw(study: Study, *, by: User, reason: str) -> bool:
    """Take a study out of lists, priors, datasets and counts at once. False: somebody else has done it before.

    Its films may be sent again, under their right patient. What waits is not analysed, a result on its way is dropped.
    """
    # Analyses before the study, as a worker does that stores a result: the other order could wait for it for ever.
    _cancel_analyses(study, by=by)
    now = timezone.now()
    if not study.move(StudyStatus.ACTIVE, StudyStatus.WITHDRAWN, by=by, reason=reason, withdrawn_at=now):
        transaction.set_rollback(True)
        return False
    # A film may have joined the study until now.
    _cancel_analyses(study, by=by)
    _films(study).update(pixels_once=None)
    worklist.withdraw(study, by=by)
    _tell(study, texts.WITHDRAWN_NOTICE, by=by)
    return True


@transaction.atomic
def restore(study: Study, *, by: User, reason: str = "") -> bool:
    """Bring a study back. False: somebody else has done it before. Raises NotRestoredError with its sentence.

    What its withdrawal cancelled is asked for again.
    """
    _require_not_sent_again(study, by)
    try:
        with transaction.atomic():
            is_back = study.move(
                StudyStatus.WITHDRAWN, StudyStatus.ACTIVE, by=by, reason=reason, withdrawn_at=None
            )
            if is_back and not study.is_demo:
                _films(study).update(pixels_once=F("pixel_sha256"))
    except IntegrityError:
        # The film came in between the look and the move.
        study.refresh_from_db()
        _require_not_sent_again(study, by)
        raise
    if is_back:
        worklist.restore(study, by=by)
        _ask_again(study, by=by)
        _tell(study, texts.RESTORED_NOTICE, by=by)
    return is_back


def _films(study: Study) -> QuerySet[Instance]:
    return Instance.objects.filter(series__study=study)


def _cancel_analyses(study: Study, *, by: User) -> None:
    analysis.cancel(Analysis.objects.filter(instance__series__study=study), by=by)


def _ask_again(study: Study, *, by: User) -> None:
    latest = {
        row.instance_id: row
        for row in Analysis.objects.filter(instance__series__study=study)
        .select_related("instance")
        .order_by("requested_at")
    }
    cancelled = [
        row for row in latest.values() if row.status == JobStatus.CANCELLED and not row.instance.is_left_out
    ]
    for row in cancelled:
        Analysis.objects.create(instance=row.instance, requested_by=by)
    if cancelled:
        dispatch.analyse_waiting()


def _require_not_sent_again(study: Study, by: User) -> None:
    active = Study.objects.filter(status=StudyStatus.ACTIVE).exclude(pk=study.pk)
    films = _films(study).values("pixel_sha256")
    if study.is_demo:
        films = films.none()
    again = active.filter(series__instances__pixels_once__in=films).first()
    if again:
        raise NotRestoredError(texts.SENT_AGAIN.format(where=_named(again, by)))
    more = active.filter(team=study.team, uid_hash=study.uid_hash).exclude(uid_hash="").first()
    if more:
        raise NotRestoredError(texts.SENT_AGAIN_MORE.format(where=_named(more, by)))


def _named(study: Study, user: User) -> str:
    """By its number only to those who may open it."""
    is_seen = access.studies_of(user).filter(pk=study.pk).exists()
    return f"study {study.number}" if is_seen else "another study"


def _tell(study: Study, words: str, *, by: User) -> None:
    if study.uploaded_by != by:
        address = reverse("study-withdrawal", args=[study.pk])
        if study.status == StudyStatus.ACTIVE:
            address = reverse("study", args=[study.pk])
        notices.tell(
            [study.uploaded_by],
            NoticeKind.STUDY_CORRECTED,
            words.format(number=study.number),
            address=address,
        )
