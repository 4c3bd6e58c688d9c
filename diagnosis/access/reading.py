"""The reading room: cases, drafts, reads and what is answered to them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone

from diagnosis import texts
from diagnosis.access.blinding import is_hidden, sees_peers
from diagnosis.access.studies import Viewer, require_administrator, sees_all_studies, studies_of, teams_of
from diagnosis.models import (
    Case,
    Draft,
    FindingTerm,
    Read,
    ReadingSession,
    Reply,
    ReviewRequest,
    SavedFilter,
    Study,
    User,
)
from diagnosis.states import CaseStatus, ReadKind, ReadStatus, ReviewStatus, StudyStatus


def start_of(user: Viewer) -> str:
    """The name of the page that somebody begins at. Readers see no AI result on theirs (rule D1)."""
    return "worklist" if is_reader(user) else "studies"


def is_reader(user: Viewer) -> bool:
    return isinstance(user, User) and user.is_active and user.is_radiologist


def require_reader(user: Viewer) -> None:
    if not is_reader(user):
        raise PermissionDenied(texts.ONLY_READERS)


def cases_of(user: Viewer) -> QuerySet[Case]:
    """The worklist is for those who see all studies; what was withdrawn is not on it (rule A9)."""
    if not sees_all_studies(user):
        return Case.objects.none()
    return Case.objects.filter(study__status=StudyStatus.ACTIVE)


def listed_cases_of(user: Viewer) -> QuerySet[Case]:
    """Those that stand on the worklist, open or done: a withdrawal takes its case off, so no study is asked."""
    if not sees_all_studies(user):
        return Case.objects.none()
    return Case.objects.filter(status__in=[CaseStatus.OPEN, CaseStatus.DONE])


def require_worklist(user: Viewer) -> None:
    if not sees_all_studies(user):
        raise PermissionDenied(texts.ONLY_READERS)


def case_for(user: Viewer, study: uuid.UUID) -> Case:
    """The case of a study, for those who may look at the worklist."""
    require_worklist(user)
    return get_object_or_404(cases_of(user).select_related("study__patient", "study__team"), study=study)


def cases_to_keep_for(user: Viewer, studies: Iterable[uuid.UUID]) -> list[Case]:
    """The cases of these studies, for those who keep the worklist."""
    require_administrator(user)
    return list(cases_of(user).filter(study__in=studies).select_related("study", "claimed_by").order_by("pk"))


def case_to_read_for(user: Viewer, study: uuid.UUID) -> Case:
    """The case of a study, for a reader."""
    require_reader(user)
    return case_for(user, study)


def case_to_write_for(user: Viewer, study: uuid.UUID) -> Case:
    """The same for what a reader began before the study was withdrawn: they are told so, and nothing is lost."""
    require_reader(user)
    begun = Draft.objects.filter(reader=user.pk).values("study")
    found = Case.objects.filter(Q(study__status=StudyStatus.ACTIVE) | Q(study__in=begun))
    return get_object_or_404(found.select_related("study__patient", "study__team"), study=study)


def drafts_of(user: Viewer) -> QuerySet[Draft]:
    """A reader's own, of studies that are still there."""
    return Draft.objects.filter(reader=user.pk, study__in=studies_of(user))


def sessions_of(user: Viewer) -> QuerySet[ReadingSession]:
    return ReadingSession.objects.filter(reader=user.pk)


def session_for(user: Viewer, pk: uuid.UUID) -> ReadingSession:
    require_reader(user)
    return get_object_or_404(sessions_of(user), pk=pk)


def saved_filter_for(user: Viewer, pk: uuid.UUID) -> SavedFilter:
    return get_object_or_404(SavedFilter, pk=pk, user=user.pk)


def reads_of(user: Viewer) -> QuerySet[Read]:
    """Administrators see all, readers their own, clinicians those of their teams' studies once they are final."""
    if not isinstance(user, User):
        return Read.objects.none()
    reads = Read.objects.filter(reader__isnull=False, study__in=studies_of(user)).exclude(
        status=ReadStatus.TAKEN_BACK
    )
    if user.is_administrator:
        return reads
    if user.is_radiologist:
        return reads.filter(reader=user)
    ended = timezone.now() - timedelta(seconds=settings.UNDO_READ_S)
    return reads.filter(status=ReadStatus.SUBMITTED, created_at__lte=ended)


def read_for(user: Viewer, pk: uuid.UUID) -> Read:
    """One that the user may look at."""
    related = ("reader", "session", "study__patient", "study__team", "study__source")
    return get_object_or_404(reads_of(user).select_related(*related), pk=pk)


def term_for(user: Viewer, pk: int) -> FindingTerm:
    """A finding of the list that administrators keep."""
    require_administrator(user)
    return get_object_or_404(FindingTerm, pk=pk)


def own_read_for(user: Viewer, pk: uuid.UUID) -> Read:
    """A reader's own read, such as one that is to be taken back; a verdict is another thing."""
    require_reader(user)
    own = Read.objects.exclude(kind=ReadKind.VERDICT).select_related("study")
    return get_object_or_404(own, pk=pk, reader=user.pk)


def replies_of(user: Viewer) -> QuerySet[Reply]:
    """What readers answered to the user's teams (rule D13); administrators see those of all teams.

    Readers see none: what another reader said of a study is not for them, in a team or not.
    """
    if not isinstance(user, User) or user.is_radiologist:
        return Reply.objects.none()
    replies = Reply.objects.filter(read__status=ReadStatus.SUBMITTED, read__study__status=StudyStatus.ACTIVE)
    if user.is_administrator:
        return replies
    return replies.filter(read__study__team__in=teams_of(user))


def reply_for(user: Viewer, pk: uuid.UUID) -> Reply:
    return get_object_or_404(replies_of(user).select_related("read__study"), pk=pk)


def answers_of(user: Viewer, study: Study) -> QuerySet[Read]:
    """The reads that a study page shows: the current ones that are final, and one's own at once.

    To readers only their own, unless they disagreed with the AI here: then they have asked for an answer, and get it
    once they are blind to nothing here.
    """
    if not isinstance(user, User):
        return Read.objects.none()
    reads = Read.objects.filter(
        study__in=studies_of(user).filter(pk=study.pk), reader__isnull=False, status=ReadStatus.SUBMITTED
    )
    ended = timezone.now() - timedelta(seconds=settings.UNDO_READ_S)
    final = Q(created_at__lte=ended)
    if user.is_radiologist:
        answered = ReviewRequest.objects.filter(by=user, study=study, status=ReviewStatus.ANSWERED)
        final &= Q(study__in=answered.values("study"))
        if is_hidden(user, study.pk) or not sees_peers(user, study.pk):
            final = Q(pk=None)
    return reads.filter(Q(reader=user) | final)


def own_review_request_for(user: Viewer, pk: uuid.UUID) -> ReviewRequest:
    """Only who said it takes it back."""
    found = ReviewRequest.objects.filter(study__in=studies_of(user)).select_related("study")
    return get_object_or_404(found, pk=pk, by=user.pk)
