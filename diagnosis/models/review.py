"""What passes between clinicians and the reading room: AI answers that were shown, doubts about them, replies."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from diagnosis.models.analysis import Prediction
from diagnosis.models.base import Stateful
from diagnosis.models.imaging import Study
from diagnosis.models.reading import Read
from diagnosis.states import ReviewStatus, choices


class Exposure(models.Model):
    """AI output of a study was sent to a user (rule D1), for the first time; a read's blindness follows from it."""

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="exposures")
    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="exposures")
    prediction = models.ForeignKey(Prediction, on_delete=models.CASCADE, related_name="exposures")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "prediction"], name="exposure_once")]
        indexes = [models.Index(fields=["study", "user"], name="exposure_of_study")]

    def __str__(self) -> str:
        return f"{self.user} saw {self.study}"


class ReviewRequest(Stateful):
    """'I disagree' with what the AI said of a study, in a sentence. Puts the case at the top of the worklist."""

    TRANSITIONS = ReviewStatus.TRANSITIONS

    status = models.CharField(max_length=12, choices=choices(ReviewStatus), default=ReviewStatus.OPEN)
    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="review_requests")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="review_requests")
    prediction = models.ForeignKey(
        Prediction, null=True, blank=True, on_delete=models.SET_NULL, related_name="+",
        help_text="what was shown",
    )  # fmt: skip
    text = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["study", "by"],
                condition=models.Q(status=ReviewStatus.OPEN),
                name="review_once_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return f"{self.by} disagrees with {self.study}"


class Reply(models.Model):
    """A final read that its study's team should see (rule D13): unopened until one of its members opens it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    read = models.OneToOneField(Read, on_delete=models.CASCADE, related_name="reply")
    request = models.ForeignKey(
        ReviewRequest, null=True, blank=True, on_delete=models.SET_NULL, related_name="replies",
        help_text="none: the read differs from what a clinician was shown",
    )  # fmt: skip
    created_at = models.DateTimeField(auto_now_add=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    opened_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        verbose_name_plural = "replies"
        indexes = [
            models.Index(
                fields=["created_at"], condition=models.Q(opened_at__isnull=True), name="reply_unopened"
            )
        ]

    def __str__(self) -> str:
        return f"reply to the team of {self.read.study}"
