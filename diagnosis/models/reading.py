"""Reads: one opinion of one study at one time, kept for ever. So far they come with imported films."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from diagnosis.models.imaging import Source, Study
from diagnosis.states import Label, choices


class Read(models.Model):
    """By a reader of this site, or as an import source states it; never both."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="reads")
    reader = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="reads"
    )
    source = models.ForeignKey(Source, null=True, blank=True, on_delete=models.PROTECT, related_name="reads")
    label = models.CharField(max_length=12, choices=choices(Label))
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(reader__isnull=True) ^ models.Q(source__isnull=True),
                name="read_by_reader_or_source",
            ),
            models.UniqueConstraint(fields=["study", "source"], name="read_once_a_source"),
        ]

    def __str__(self) -> str:
        return f"{self.label} by {self.reader or self.source}"
