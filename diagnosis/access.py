"""Who may see what. Every object that a page or the API shows is fetched here, so no view can forget to ask.

What a user may not see does not exist for them (404, never 403): nobody learns of a study that is not theirs.
"""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404

from diagnosis.models import Batch, Instance, Notice, Prediction, Study, Team, Upload, User
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


def require_administrator(user: Viewer) -> None:
    if not (isinstance(user, User) and user.is_administrator):
        raise PermissionDenied("This page is for administrators.")


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
