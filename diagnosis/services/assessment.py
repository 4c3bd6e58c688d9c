"""A radiologist has a film analysed that the AI does not look at, for a score without a finding; and takes it back."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from diagnosis.models import Analysis, Event, Instance, User
from diagnosis.services import analysis

NOT_ASSESSED, ON_REQUEST = "not assessed", "on request"


@transaction.atomic
def assess_anyway(instance: Instance, *, by: User) -> Analysis | None:
    """The analysis that was asked for; a second press gives the first one's. None: the film is assessed anyhow."""
    instance.refresh_from_db()
    if not instance.not_assessed:
        return None
    if instance.overridden_at is not None:
        return instance.analyses.order_by("-requested_at").first()
    # The analysis before the film, as a worker does that stores a result: the other order could wait for it for ever.
    asked = analysis.request_again(instance, by=by)
    left_out = Instance.objects.filter(pk=instance.pk, overridden_at=None).exclude(not_assessed="")
    if left_out.update(overridden_at=timezone.now(), overridden_by=by):
        Event.record(instance, NOT_ASSESSED, ON_REQUEST, by=by, reason=instance.not_assessed)
    return asked


@transaction.atomic
def undo(instance: Instance, *, by: User) -> bool:
    """Not assessed again: what waits is cancelled, the score stays in the history. False: there was nothing to undo."""
    analysis.cancel(instance.analyses.all(), by=by)
    overridden = Instance.objects.filter(pk=instance.pk).exclude(overridden_at=None)
    changed = overridden.update(overridden_at=None, overridden_by=None)
    if not changed:
        transaction.set_rollback(True)
        return False
    Event.record(instance, ON_REQUEST, NOT_ASSESSED, by=by, reason=instance.not_assessed)
    analysis.lead(instance.series.study)
    return True
