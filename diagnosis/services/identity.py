"""What may be done to the identity of a study that is in the house."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from diagnosis.models import Study, User
from diagnosis.states import StudyStatus


@transaction.atomic
def withdraw(study: Study, *, by: User, reason: str) -> bool:
    """The study leaves lists, priors and datasets at once (rule A9). False: it was withdrawn before.

    Raises PermissionDenied for whoever neither uploaded it nor is an administrator.
    """
    if not (by.is_administrator or study.uploaded_by_id == by.pk):
        raise PermissionDenied("Only whoever uploaded a study, or an administrator, may withdraw it.")
    return study.move(
        StudyStatus.ACTIVE, StudyStatus.WITHDRAWN, by=by, reason=reason, withdrawn_at=timezone.now()
    )
