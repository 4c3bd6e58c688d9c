"""What happened to which row, when and by whom. Written by `move()`, and by services for what is no move."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models

if TYPE_CHECKING:
    from django.db.models import Model

    from diagnosis.models.people import User


class Event(models.Model):
    at = models.DateTimeField(auto_now_add=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT)
    kind = models.CharField(max_length=40)
    object_id = models.UUIDField(db_index=True)
    old = models.CharField(max_length=24)
    new = models.CharField(max_length=24)
    reason = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"{self.kind} {self.object_id}: {self.old} → {self.new}"

    @classmethod
    def record(cls, row: Model, old: str, new: str, *, by: User | None, reason: str = "") -> Event:
        return cls.objects.create(
            kind=row._meta.model_name or "", object_id=cls.key_of(row), old=old, new=new, by=by, reason=reason
        )

    @staticmethod
    def key_of(row: Model) -> uuid.UUID:
        """A row's own key; for users and teams, whose keys are numbers, one that is made of kind and number."""
        if isinstance(row.pk, uuid.UUID):
            return row.pk
        return uuid.uuid5(uuid.NAMESPACE_OID, f"{row._meta.model_name} {row.pk}")
