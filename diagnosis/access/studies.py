"""Studies, their films and uploads, accounts and teams: who may see and change which."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone

from diagnosis import texts
from diagnosis.models import (
    ApiToken,
    Batch,
    Event,
    IdentityConflict,
    Instance,
    Notice,
    Study,
    Team,
    Upload,
    User,
)
from diagnosis.states import StudyStatus

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
