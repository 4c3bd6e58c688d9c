"""What was handed in: one Upload a file, one Batch a drop."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from diagnosis.models.base import Stateful
from diagnosis.states import UploadStatus, choices


class Batch(models.Model):
    """The files of one drop, paste or file dialog, and of one team."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="batches")
    team = models.ForeignKey("diagnosis.Team", on_delete=models.PROTECT)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"batch {self.pk}"


class Upload(Stateful):
    """One file's way in. Its bytes wait in quarantine; the file's name is never stored (rule A13)."""

    TRANSITIONS = UploadStatus.TRANSITIONS

    status = models.CharField(max_length=12, choices=choices(UploadStatus), default=UploadStatus.RECEIVED)
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="uploads")
    position = models.PositiveIntegerField(default=0)
    size_bytes = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    is_demo = models.BooleanField(default=False)
    received_at = models.DateTimeField(auto_now_add=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    sentence = models.TextField(blank=True)
    instance = models.ForeignKey(
        "diagnosis.Instance", null=True, blank=True, on_delete=models.SET_NULL, related_name="uploads"
    )

    class Meta:
        ordering = ["position", "received_at"]
        indexes = [models.Index(fields=["status", "received_at"], name="upload_waiting")]

    def __str__(self) -> str:
        return f"upload {self.pk} ({self.status})"

    @property
    def is_waiting(self) -> bool:
        return self.status == UploadStatus.RECEIVED
