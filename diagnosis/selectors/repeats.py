"""Hidden repeats (rule D5): which of them their reader may meet, so that no page tells one from a new case."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from diagnosis import access
from diagnosis.models import Draft, Exposure, Recheck, Repeat, ReviewRequest
from diagnosis.states import ReadStatus, RecheckStatus, RepeatStatus, ReviewStatus, Role, StudyStatus


def open_repeats() -> QuerySet[Repeat]:
    """Those that can still tell something: their reader reads, is blind to the AI, and the first read stands."""
    exposed = Exposure.objects.filter(study=OuterRef("study"), user=OuterRef("reader"))
    return Repeat.objects.filter(
        ~Exists(exposed),
        status=RepeatStatus.OPEN,
        first__status=ReadStatus.SUBMITTED,
        study__status=StudyStatus.ACTIVE,
        reader__role=Role.RADIOLOGIST,
        reader__is_active=True,
    )


def void_repeats() -> QuerySet[Repeat]:
    return Repeat.objects.filter(status=RepeatStatus.OPEN).exclude(pk__in=open_repeats().values("pk"))


def due_repeats(user: access.Viewer) -> QuerySet[Repeat]:
    """From these on, the case is a new one to its reader.

    Before its time it stands where every other case does: what vanished seconds after it was read would give itself
    away. A draft that was begun before belongs to a read that its reader wants; so does a case that somebody doubts.
    """
    study = OuterRef("study")
    begun = Draft.objects.filter(study=study, reader=OuterRef("reader"), opened_at__lt=OuterRef("due_at"))
    doubted = ReviewRequest.objects.filter(study=study, status=ReviewStatus.OPEN)
    rechecked = Recheck.objects.filter(study=study, status=RecheckStatus.OPEN)
    return open_repeats().filter(
        ~Exists(begun), ~Exists(doubted), ~Exists(rechecked), reader=user.pk, due_at__lte=timezone.now()
    )
