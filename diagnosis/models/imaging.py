"""Patient, study, series, instance: as in DICOM (PS3.3, A.1.2). An uploaded PNG is one study, series and instance."""

from __future__ import annotations

import uuid
from pathlib import Path

from django.conf import settings
from django.db import models


class Patient(models.Model):
    """A pseudonym: the keyed hash of issuer and patient ID (rule A5). No name, no number is stored."""

    key = models.CharField(max_length=64, unique=True)
    pseudonym = models.CharField(max_length=12, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.pseudonym


class Study(models.Model):
    """Films taken on one occasion, in one team. Same StudyInstanceUID and team = same study."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey("diagnosis.Team", on_delete=models.PROTECT, related_name="studies")
    patient = models.ForeignKey(
        Patient, null=True, blank=True, on_delete=models.PROTECT, related_name="studies"
    )
    uid_hash = models.CharField(max_length=64, blank=True)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="studies"
    )
    sex = models.CharField(max_length=1, blank=True)
    age_years = models.PositiveSmallIntegerField(null=True, blank=True)
    # Wall clock as the film says it, never shifted (rule A12): 20261123 and 001500.
    acquired_date = models.CharField(max_length=8, blank=True)
    acquired_time = models.CharField(max_length=16, blank=True)
    # The prediction that the study shows: the highest among the latest of each instance. Kept by services.analysis.
    leading = models.ForeignKey(
        "diagnosis.Prediction", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    is_demo = models.BooleanField(default=False)
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "studies"
        constraints = [
            models.UniqueConstraint(
                fields=["team", "uid_hash"], condition=~models.Q(uid_hash=""), name="study_once_a_team"
            )
        ]
        indexes = [models.Index(fields=["-received_at", "id"], name="study_newest_first")]

    def __str__(self) -> str:
        return f"study {self.number}"

    @property
    def number(self) -> str:
        """The short name of a study on pages: the first eight digits of its id."""
        return self.pk.hex[:8].upper()


class Series(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="series")
    uid_hash = models.CharField(max_length=64, blank=True)
    modality = models.CharField(max_length=4, blank=True)

    class Meta:
        verbose_name_plural = "series"

    def __str__(self) -> str:
        return f"series of {self.study}"


class Instance(models.Model):
    """One film. Its folder holds only what the worker wrote: pixels without any text of the file they came in."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    series = models.ForeignKey(Series, on_delete=models.CASCADE, related_name="instances")
    uid_hash = models.CharField(max_length=64, blank=True)
    source_format = models.CharField(max_length=8)
    sha256 = models.CharField(max_length=64, help_text="of the file as received; recognises duplicates")
    pixel_sha256 = models.CharField(max_length=64, help_text="of the grey levels, whatever file they came in")
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    bits = models.PositiveSmallIntegerField()
    window_low = models.FloatField(help_text="grey level shown black")
    window_high = models.FloatField(help_text="grey level shown white")
    view = models.CharField(max_length=16, blank=True, help_text="View Position as sent")
    laterality = models.CharField(max_length=16, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(fields=["sha256"], name="instance_by_bytes"),
            models.Index(fields=["pixel_sha256"], name="instance_by_pixels"),
        ]

    def __str__(self) -> str:
        return f"instance {self.pk}"

    @property
    def folder(self) -> Path:
        return Path(settings.MEDIA_ROOT) / self.pk.hex[:2] / self.pk.hex
