"""How cases are read: protocols of cohorts, and what they lead to: labels, second readings, rechecks."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from diagnosis.models.base import Stateful
from diagnosis.models.imaging import Source, Study
from diagnosis.models.people import Team
from diagnosis.states import Label, LabelRule, LabelState, RecheckStatus, RepeatStatus, choices


class WrittenOnceError(Exception):
    """Evidence is added to and never edited: a programming error."""


class Cohort(models.Model):
    """A rule that selects studies. The first one in order that fits holds; the last one, the rest, fits all."""

    name = models.CharField(max_length=80, unique=True)
    position = models.PositiveSmallIntegerField(
        default=0, help_text="smaller is asked first; the rest is last"
    )
    sources = models.ManyToManyField(Source, blank=True, related_name="+", help_text="none: any")
    teams = models.ManyToManyField(Team, blank=True, related_name="+", help_text="none: any")
    since = models.DateTimeField(null=True, blank=True, help_text="received from then on")
    until = models.DateTimeField(null=True, blank=True, help_text="received before")
    lead = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+",
        help_text="the study lead, who alone knows readers by name (rule D14)",
    )  # fmt: skip
    is_rest = models.BooleanField(default=False)

    class Meta:
        ordering = ("is_rest", "position", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=["is_rest"], condition=models.Q(is_rest=True), name="cohort_one_rest"
            )
        ]

    def __str__(self) -> str:
        return self.name


class WrittenOnce(models.Model):
    """A row that is never changed."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise WrittenOnceError(f"{self} stays as it is")
        super().save(*args, **kwargs)


class Protocol(WrittenOnce):
    """One version of how a cohort is read; the newest holds."""

    cohort = models.ForeignKey(Cohort, on_delete=models.PROTECT, related_name="protocols")
    version = models.PositiveSmallIntegerField(default=1)
    n_readers = models.PositiveSmallIntegerField(default=1, help_text="independent reads that a case wants")
    hides_ai = models.BooleanField(default=True, help_text="readers are blind to the AI (rule D1)")
    hides_peers = models.BooleanField(default=True, help_text="readers are blind to each other")
    reveals = models.BooleanField(default=True, help_text="the AI's answer may be seen after one's own read")
    repeat_share = models.FloatField(default=0, help_text="of a reader's films that come once more (rule D5)")
    random_share = models.FloatField(default=0.2, help_text="of cases drawn at random (rule D4)")
    rule = models.CharField(max_length=12, choices=choices(LabelRule), default=LabelRule.SINGLE)
    adjudicators = models.ManyToManyField(
        settings.AUTH_USER_MODEL, blank=True, related_name="+", help_text="none: all who are marked as such"
    )
    made_at = models.DateTimeField(default=timezone.now)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    reason = models.TextField(blank=True)

    class Meta:
        ordering = ("cohort", "-version")
        constraints = [
            models.UniqueConstraint(fields=["cohort", "version"], name="protocol_once_a_version"),
            models.CheckConstraint(
                condition=models.Q(n_readers__gte=1) & models.Q(n_readers__lte=3),
                name="protocol_1_to_3_readers",
            ),
            models.CheckConstraint(
                condition=models.Q(repeat_share__gte=0)
                & models.Q(repeat_share__lte=0.5)
                & models.Q(random_share__gte=0)
                & models.Q(random_share__lte=1),
                name="protocol_shares",
            ),
            models.CheckConstraint(
                condition=~models.Q(rule=LabelRule.SINGLE) | models.Q(n_readers=1),
                name="protocol_single_is_one",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cohort} version {self.version}"


class DerivedLabel(WrittenOnce):
    """What was held true of a study from then on, and why: which reads, by which rule of which protocol."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="derived_labels")
    label = models.CharField(max_length=12, choices=choices(Label), blank=True)
    state = models.CharField(max_length=12, choices=choices(LabelState))
    rule = models.CharField(max_length=12, choices=choices(LabelRule))
    protocol = models.ForeignKey(Protocol, on_delete=models.PROTECT, related_name="+")
    reads = models.JSONField(default=list, help_text="ids of the reads that it rests on, sorted")
    function = models.PositiveSmallIntegerField(help_text="version of the derivation")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["study", "-at"], name="derived_label_of_study")]

    def __str__(self) -> str:
        return f"{self.label or self.state} of {self.study_id}"


class Repeat(Stateful):
    """A case that comes once more to the reader who has read it, and who is not told (rule D5)."""

    TRANSITIONS = RepeatStatus.TRANSITIONS

    status = models.CharField(max_length=12, choices=choices(RepeatStatus), default=RepeatStatus.OPEN)
    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="repeats")
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="repeats")
    first = models.OneToOneField("diagnosis.Read", on_delete=models.CASCADE, related_name="repeat")
    read = models.OneToOneField(
        "diagnosis.Read", null=True, blank=True, on_delete=models.SET_NULL, related_name="repeat_of"
    )
    due_at = models.DateTimeField()
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["study", "reader"],
                condition=models.Q(status=RepeatStatus.OPEN),
                name="repeat_one_at_a_time",
            )
        ]
        indexes = [models.Index(fields=["reader", "status", "due_at"], name="repeat_of_reader")]

    def __str__(self) -> str:
        return f"repeat of {self.first_id} ({self.status})"


class Recheck(Stateful):
    """A case that goes back to the list: its label is suspected, or it was drawn at random beside those (rule D5)."""

    TRANSITIONS = RecheckStatus.TRANSITIONS

    status = models.CharField(max_length=12, choices=choices(RecheckStatus), default=RecheckStatus.OPEN)
    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="rechecks")
    batch = models.UUIDField(help_text="those that went back together")
    is_suspected = models.BooleanField()
    facts = models.JSONField(default=dict, blank=True, help_text="why it is suspected, in numbers")
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["study"], condition=models.Q(status=RecheckStatus.OPEN), name="recheck_one_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"recheck of {self.study_id} ({self.status})"
