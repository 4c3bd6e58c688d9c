"""What all rows with a state share: one guarded UPDATE a move, and a record of it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, ClassVar, Self

from django.db import models, transaction

from diagnosis.states import JobStatus, Transitions, choices

if TYPE_CHECKING:
    from diagnosis.models.people import User

MAX_ATTEMPTS = 3


class IllegalTransitionError(Exception):
    """The table of moves does not know this one: a programming error, not a lost race."""


class Stateful(models.Model):
    TRANSITIONS: ClassVar[Transitions] = {}

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    status = models.CharField(max_length=12)
    attempt = models.PositiveSmallIntegerField(default=1)

    class Meta:
        abstract = True

    def move(self, old: str, new: str, *, by: User | None = None, reason: str = "", **fields: Any) -> bool:
        """Take the row from `old` to `new`. False: it is no longer in `old` (a lost race): stop quietly."""
        from diagnosis.models.audit import Event

        if new not in self.TRANSITIONS.get(old, ()):
            raise IllegalTransitionError(f"{type(self).__name__}: {old} → {new}")
        with transaction.atomic():
            rows = type(self)._default_manager.filter(pk=self.pk, status=old, attempt=self.attempt)
            moved = rows.update(status=new, **fields)
            if moved:
                for name, value in {"status": new, **fields}.items():
                    setattr(self, name, value)
                Event.record(self, old, new, by=by, reason=reason)
        return bool(moved)


class Job(Stateful):
    """Work that a worker does for one row. The row is the queue; a Celery message only rings the bell."""

    TRANSITIONS = JobStatus.TRANSITIONS

    status = models.CharField(max_length=12, choices=choices(JobStatus), default=JobStatus.QUEUED)
    requested_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        abstract = True

    @property
    def is_waiting(self) -> bool:
        return self.status in JobStatus.WAITING

    @classmethod
    def waiting(cls) -> models.QuerySet[Self]:
        return cls._default_manager.filter(status=JobStatus.QUEUED).order_by("requested_at", "pk")
