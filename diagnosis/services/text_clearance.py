"""Text in the pixels of a film: suspected at intake, cleared by somebody who has read it, and back."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from diagnosis.models import Event, Instance, User

SUSPECTED, CLEARED = "suspected", "cleared"


@transaction.atomic
def clear(instance: Instance, *, by: User) -> bool:
    """The text names nobody: the film may enter datasets. False: there was nothing to clear."""
    barred = Instance.objects.filter(pk=instance.pk, text_cleared_at=None).exclude(text_suspected="")
    changed = barred.update(text_cleared_at=timezone.now(), text_cleared_by=by)
    if changed:
        Event.record(instance, SUSPECTED, CLEARED, by=by)
    return bool(changed)


@transaction.atomic
def undo(instance: Instance, *, by: User) -> bool:
    """Take a clearance back. False: there was none."""
    cleared = Instance.objects.filter(pk=instance.pk).exclude(text_cleared_at=None)
    changed = cleared.update(text_cleared_at=None, text_cleared_by=None)
    if changed:
        Event.record(instance, CLEARED, SUSPECTED, by=by)
    return bool(changed)
