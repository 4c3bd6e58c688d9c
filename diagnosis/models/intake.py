"""What was handed in: one Upload a file, one Batch a drop."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from diagnosis.models.base import Stateful
from diagnosis.states import PatientOrigin, UploadStatus, choices


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
    # A file of a ZIP is an upload of its own; it came with this one.
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="members"
    )
    # The patient that whoever sent it named beside the film, or that its header names: keyed hashes, never the number.
    patient_key = models.CharField(max_length=64, blank=True)
    record_hash = models.CharField(max_length=64, blank=True)
    patient_origin = models.CharField(max_length=8, choices=choices(PatientOrigin), blank=True)
    is_demo = models.BooleanField(default=False)
    received_at = models.DateTimeField(auto_now_add=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    sentence = models.TextField(blank=True)
    code = models.CharField(max_length=24, blank=True, help_text="the outcome for programs")
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


class IdempotencyKey(models.Model):
    """A program that sends the same request again, with the same key, gets the same answer and stores nothing twice."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    key = models.CharField(max_length=255)
    body_sha256 = models.CharField(max_length=64)
    batch = models.ForeignKey(Batch, null=True, blank=True, on_delete=models.CASCADE)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_key_once_a_user")]

    def __str__(self) -> str:
        return f"{self.key} of {self.user}"
