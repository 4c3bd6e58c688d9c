"""What was worked out of readers' agreement, kept so that the same data are not worked out twice."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from diagnosis.models.protocols import Cohort


class AgreementReport(models.Model):
    """Numbers of one cohort and period. Nothing else is known by it: it may be deleted at any time."""

    fingerprint = models.CharField(
        max_length=64,
        unique=True,
        help_text="sha256 of the reads, of all else that the numbers rest on, and of which numbers",
    )
    cohort = models.ForeignKey(
        Cohort,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="none: all cohorts",
    )
    made_at = models.DateTimeField(default=timezone.now)
    numbers = models.JSONField()

    def __str__(self) -> str:
        return f"agreement {self.fingerprint[:12]}"
