"""How far readers agree: for administrators, and for the study lead of a cohort about that cohort."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet

from diagnosis import texts
from diagnosis.access.studies import Viewer
from diagnosis.models import Cohort, User


def compared_cohorts_of(user: Viewer) -> QuerySet[Cohort]:
    """Those whose agreement the user may look at."""
    if not isinstance(user, User):
        return Cohort.objects.none()
    return Cohort.objects.all() if user.is_administrator else Cohort.objects.filter(lead=user)


def require_agreement(user: Viewer) -> None:
    is_administrator = isinstance(user, User) and user.is_administrator
    if not (is_administrator or compared_cohorts_of(user).exists()):
        raise PermissionDenied(texts.agreement.ONLY_LEADS)


def sees_names(user: Viewer, cohort: Cohort | None) -> bool:
    """Readers are R-nn to all but the study lead, also to administrators (rule D14); and nobody leads all cohorts."""
    return cohort is not None and cohort.lead_id is not None and cohort.lead_id == user.pk
