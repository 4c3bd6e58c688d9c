"""Who may see what. Every object that a page or the API shows is fetched here, so no view can forget to ask.

What a user may not see does not exist for them (404, never 403): nobody learns of a study that is not theirs.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone

from diagnosis import texts
from diagnosis.models import (
    ApiToken,
    Batch,
    Case,
    Draft,
    Event,
    FindingTerm,
    IdentityConflict,
    Instance,
    Notice,
    Prediction,
    Read,
    ReadingSession,
    Reply,
    ReviewRequest,
    SavedFilter,
    Study,
    Team,
    Upload,
    User,
)
from diagnosis.states import CaseStatus, ReadStatus, ReviewStatus, StudyStatus

Viewer = User | AnonymousUser


def sees_all_studies(user: Viewer) -> bool:
    return isinstance(user, User) and (user.is_radiologist or user.is_administrator)


def studies_of(user: Viewer) -> QuerySet[Study]:
    """A clinician sees those of their teams, radiologists and administrators see all; nobody those withdrawn (A9)."""
    if not isinstance(user, User):
        return Study.objects.none()
    active = Study.objects.filter(status=StudyStatus.ACTIVE)
    return active if sees_all_studies(user) else active.filter(team__membership__user=user)


def study_for(user: Viewer, pk: uuid.UUID) -> Study:
    return get_object_or_404(studies_of(user).select_related("patient", "team"), pk=pk)


def instance_for(user: Viewer, pk: uuid.UUID) -> Instance:
    return get_object_or_404(Instance, pk=pk, series__study__in=studies_of(user))


def prediction_for(user: Viewer, pk: uuid.UUID) -> Prediction:
    found = Prediction.objects.select_related("analysis__instance")
    return get_object_or_404(found, pk=pk, analysis__instance__series__study__in=studies_of(user))


def batches_of(user: Viewer) -> QuerySet[Batch]:
    """The uploader's own; administrators see all."""
    if not isinstance(user, User):
        return Batch.objects.none()
    return Batch.objects.all() if user.is_administrator else Batch.objects.filter(by=user)


def batch_for(user: Viewer, pk: uuid.UUID) -> Batch:
    return get_object_or_404(batches_of(user), pk=pk)


def own_batch_for(user: Viewer, pk: uuid.UUID) -> Batch:
    """A batch that more films may be added to: nobody adds to another's."""
    return get_object_or_404(Batch, pk=pk, by=user.pk)


def upload_for(user: Viewer, pk: uuid.UUID) -> Upload:
    return get_object_or_404(Upload.objects.select_related("batch"), pk=pk, batch__in=batches_of(user))


def teams_of(user: Viewer) -> QuerySet[Team]:
    """The teams that a user may upload to: their own, in order of name."""
    return Team.objects.filter(membership__user=user.pk).order_by("name")


def tokens_of(user: Viewer) -> QuerySet[ApiToken]:
    """A user's own; administrators see all, so that they can revoke them."""
    if not isinstance(user, User):
        return ApiToken.objects.none()
    return ApiToken.objects.all() if user.is_administrator else ApiToken.objects.filter(user=user)


def token_for(user: Viewer, pk: uuid.UUID) -> ApiToken:
    return get_object_or_404(tokens_of(user), pk=pk)


def require_administrator(user: Viewer) -> None:
    if not (isinstance(user, User) and user.is_administrator):
        raise PermissionDenied("This page is for administrators.")


def may_clear_text(user: Viewer) -> bool:
    """Who decides that the text in a film names nobody: those who see all studies."""
    return sees_all_studies(user)


def clearable_instance_for(user: Viewer, pk: uuid.UUID) -> Instance:
    instance = instance_for(user, pk)
    if not may_clear_text(user):
        raise PermissionDenied("Text in a film is cleared by radiologists and administrators.")
    return instance


def may_assess_anyway(user: Viewer) -> bool:
    """Who has a film analysed that the AI does not look at: who reads films and can tell what the score is worth."""
    return isinstance(user, User) and user.is_radiologist


def overridable_instance_for(user: Viewer, pk: uuid.UUID) -> Instance:
    instance = instance_for(user, pk)
    if not may_assess_anyway(user):
        raise PermissionDenied(texts.ONLY_RADIOLOGISTS)
    return instance


def user_for(viewer: Viewer, pk: int) -> User:
    """Any account, for administrators alone."""
    require_administrator(viewer)
    return get_object_or_404(User, pk=pk)


def team_for(viewer: Viewer, pk: int) -> Team:
    """Any team, for administrators alone."""
    require_administrator(viewer)
    return get_object_or_404(Team, pk=pk)


def notices_of(user: Viewer) -> QuerySet[Notice]:
    """Everybody's own."""
    return Notice.objects.filter(user=user.pk)


def notice_for(user: Viewer, pk: uuid.UUID) -> Notice:
    return get_object_or_404(notices_of(user), pk=pk)


# --- correcting what a study says (rule A9): who may not see it learns nothing, who may only see it is told so ---


def may_correct(user: Viewer, study: Study) -> bool:
    """Withdraw it or change its patient."""
    return isinstance(user, User) and (user.is_administrator or study.uploaded_by_id == user.pk)


def study_to_correct_for(user: Viewer, pk: uuid.UUID) -> Study:
    study = study_for(user, pk)
    if not may_correct(user, study):
        raise PermissionDenied(texts.NOT_YOURS_TO_CORRECT)
    return study


def withdrawn_studies_of(user: Viewer) -> QuerySet[Study]:
    """Administrators see all that were withdrawn, others those that they sent themselves to a team they are in."""
    if not isinstance(user, User):
        return Study.objects.none()
    withdrawn = Study.objects.filter(status=StudyStatus.WITHDRAWN).select_related("patient", "team")
    if user.is_administrator:
        return withdrawn
    return withdrawn.filter(uploaded_by=user, team__in=teams_of(user))


def withdrawn_study_for(user: Viewer, pk: uuid.UUID) -> Study:
    return get_object_or_404(withdrawn_studies_of(user), pk=pk)


def may_restore(user: Viewer, study: Study) -> bool:
    """Administrators always; the uploader for a while, and only what they withdrew themselves."""
    if not isinstance(user, User) or user.is_administrator:
        return isinstance(user, User)
    ended = timezone.now() - timedelta(seconds=settings.UNDO_WITHDRAWAL_S)
    withdrawal = withdrawal_of(study)
    return bool(withdrawal and withdrawal.by_id == user.pk and withdrawal.at > ended)


def withdrawal_of(study: Study) -> Event | None:
    """Who withdrew it last, when and why."""
    events = Event.objects.filter(kind="study", object_id=study.pk, new=StudyStatus.WITHDRAWN)
    return events.select_related("by").order_by("-pk").first()


def study_to_restore_for(user: Viewer, pk: uuid.UUID) -> Study:
    study = withdrawn_study_for(user, pk)
    if not may_restore(user, study):
        raise PermissionDenied(texts.UNDO_IS_OVER)
    return study


def conflict_for(user: Viewer, pk: uuid.UUID) -> IdentityConflict:
    require_administrator(user)
    return get_object_or_404(IdentityConflict.objects.select_related("study", "patient"), pk=pk)


# --- the reading room ---


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
    """A reader's own read, such as one that is to be taken back."""
    require_reader(user)
    return get_object_or_404(Read.objects.select_related("study"), pk=pk, reader=user.pk)


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

    To readers only their own, unless they disagreed with the AI here: then they have asked for an answer.
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
    return reads.filter(Q(reader=user) | final)


def own_review_request_for(user: Viewer, pk: uuid.UUID) -> ReviewRequest:
    """Only who said it takes it back."""
    found = ReviewRequest.objects.filter(study__in=studies_of(user)).select_related("study")
    return get_object_or_404(found, pk=pk, by=user.pk)
