"""An analysis is the job that runs one checkpoint on one instance; a prediction is what came of it."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from diagnosis.models.base import Job
from diagnosis.models.imaging import Instance
from diagnosis.models.training import Checkpoint
from diagnosis.states import Finding, JobStatus, choices


class Analysis(Job):
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="analyses")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT
    )

    gate = models.JSONField(
        default=dict, blank=True, help_text="what the checkpoint's input gate measured; empty: it has none"
    )

    # Films that somebody waits for go before thousands that were imported.
    priority = models.PositiveSmallIntegerField(default=0, help_text="0 is analysed first")

    class Meta:
        verbose_name_plural = "analyses"
        constraints = [
            models.UniqueConstraint(
                fields=["instance"],
                condition=models.Q(status__in=JobStatus.WAITING),
                name="analysis_one_waiting",
            )
        ]
        indexes = [models.Index(fields=["status", "priority", "requested_at"], name="analysis_waiting")]

    @classmethod
    def waiting(cls) -> models.QuerySet[Analysis]:
        return super().waiting().order_by("priority", "requested_at", "pk")

    def __str__(self) -> str:
        return f"analysis {self.pk} ({self.status})"


class Prediction(models.Model):
    """Which checkpoint said what, and how it looked at the film. Never changed, never overwritten."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    analysis = models.OneToOneField(Analysis, on_delete=models.CASCADE, related_name="prediction")
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="predictions")
    probability = models.FloatField(help_text="of COVID-19, at the prevalence of the reference set")
    finding = models.CharField(max_length=12, choices=choices(Finding), blank=True)
    although = models.CharField(
        max_length=80,
        blank=True,
        help_text="why the film was not assessed before it was asked for; no finding then",
    )
    operating_point = models.FloatField()
    band_low = models.FloatField()
    band_high = models.FloatField()
    preprocessing = models.CharField(max_length=12)
    precision = models.CharField(max_length=8)
    duration_ms = models.FloatField(help_text="of the network's share in its batch")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(probability__gte=0) & models.Q(probability__lte=1),
                name="prediction_probability",
            ),
            models.CheckConstraint(
                condition=models.Q(finding="", although__gt="") | models.Q(finding__gt="", although=""),
                name="prediction_finding_or_although",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.finding or 'on request'} {self.probability:.2f}"

    @property
    def rank(self) -> tuple[bool, float]:
        """The highest of a study leads, one with a finding before one that was asked for without."""
        return bool(self.finding), self.probability

    def is_shown_of(self, instance: Instance) -> bool:
        """Whether it still holds: a film that is not assessed shows none, unless it was asked for."""
        return bool(self.although) == bool(instance.overridden_at) and not instance.is_left_out

    @property
    def given_finding(self) -> str | None:
        """For programs: None where a score was given without one."""
        return self.finding or None


def whole_film() -> list[float]:
    return [0.0, 0.0, 1.0, 1.0]


class Heatmap(models.Model):
    """The raw map and the scale it is shown at (rule A4). Absent below the band."""

    prediction = models.OneToOneField(Prediction, on_delete=models.CASCADE, related_name="heatmap")
    rows = models.PositiveSmallIntegerField()
    columns = models.PositiveSmallIntegerField()
    values = models.JSONField(help_text="rows × columns numbers, row by row, not below 0")
    scale = models.FloatField(help_text="the value shown at full strength; one for each checkpoint")
    box = models.JSONField(
        default=whole_film,
        help_text="what of the film the map covers: left, top, right, bottom as shares of its width and height",
    )

    def __str__(self) -> str:
        return f"{self.rows} × {self.columns} map"

    @property
    def of_width(self) -> float:
        """The share of the film's width that the map covers."""
        left, _, right, _ = self.box
        return float(right - left)
