"""The worklist: studies that want a read, in what order, who has which open; and sessions of reading."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

from diagnosis.models.base import Stateful
from diagnosis.models.imaging import Source, Study
from diagnosis.models.protocols import DerivedLabel, Protocol
from diagnosis.models.training import Checkpoint
from diagnosis.states import CaseStatus, Label, SessionStatus, Tier, choices


class Case(Stateful):
    """A study on the worklist. What the list sorts and filters by is stored here, so that one index answers it.

    `priority` holds its waiting time as a moment, not as an age: all cases age alike, so their order is stable.
    """

    TRANSITIONS = CaseStatus.TRANSITIONS

    status = models.CharField(max_length=12, choices=choices(CaseStatus), default=CaseStatus.OPEN)
    study = models.OneToOneField(Study, on_delete=models.CASCADE, related_name="case")
    tier = models.PositiveSmallIntegerField(default=Tier.REST)
    priority = models.FloatField(default=0, help_text="larger is read first, within a tier (rule D3)")
    entered_at = models.DateTimeField(default=timezone.now, help_text="since when it waits for a read")
    is_random = models.BooleanField(
        default=False, help_text="drawn at random, independent of the score (rule D4)"
    )
    draw = models.FloatField(
        default=0, help_text="0…1: stands in for the score's terms where drawn at random"
    )
    uncertainty = models.FloatField(default=0, help_text="0…1, of the AI's answer")
    disagreement = models.FloatField(default=0, help_text="0…1, among reads and the AI")
    n_reads = models.PositiveSmallIntegerField(default=0, help_text="reads that count under its protocol")
    label = models.CharField(max_length=12, choices=choices(Label), blank=True, help_text="held true now")
    derived = models.ForeignKey(
        DerivedLabel, null=True, blank=True, on_delete=models.SET_NULL, related_name="+",
        help_text="where that comes from",
    )  # fmt: skip
    protocol = models.ForeignKey(
        Protocol, null=True, blank=True, on_delete=models.PROTECT, related_name="cases"
    )
    is_disputed = models.BooleanField(default=False, help_text="its reads differ: an adjudicator is wanted")
    source = models.ForeignKey(Source, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    checkpoint = models.ForeignKey(
        Checkpoint, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    received_at = models.DateTimeField()
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="claims"
    )
    claimed_at = models.DateTimeField(null=True, blank=True)
    claim_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["status", "tier", "-priority", "id"], name="case_in_order"),
            models.Index(fields=["status", "source", "tier", "-priority", "id"], name="case_of_source"),
            models.Index(fields=["status", "label", "tier", "-priority", "id"], name="case_of_label"),
            models.Index(
                fields=["status", "checkpoint", "tier", "-priority", "id"], name="case_of_checkpoint"
            ),
            models.Index(fields=["status", "received_at"], name="case_by_date"),
            # Few values, so it is small, and the counts of a page are read from it alone.
            models.Index(fields=["status", "tier", "is_disputed"], name="case_counted"),
            models.Index(fields=["status", "tier", "entered_at"], name="case_that_waits"),
            models.Index(fields=["entered_at"], condition=models.Q(is_disputed=True), name="case_disputed"),
        ]

    def __str__(self) -> str:
        return f"case {self.study.number} ({self.status})"

    @property
    def is_claimed(self) -> bool:
        """Whether somebody has it open: a claim ends by itself."""
        return bool(self.claimed_by_id and self.claim_until and self.claim_until > timezone.now())


class ReadingSession(Stateful):
    """*Read 20* (rule D12): so many films in a row, which may be paused and resumed."""

    TRANSITIONS = SessionStatus.TRANSITIONS

    status = models.CharField(max_length=12, choices=choices(SessionStatus), default=SessionStatus.RUNNING)
    reader = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="reading_sessions"
    )
    n_wanted = models.PositiveSmallIntegerField(default=20)
    query = models.CharField(max_length=400, blank=True, help_text="the filters it was started with")
    started_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["reader"],
                condition=~models.Q(status=SessionStatus.ENDED),
                name="session_one_open_a_reader",
            )
        ]

    def __str__(self) -> str:
        return f"session of {self.reader} ({self.status})"


class SavedFilter(models.Model):
    """Filters of the worklist under a name of one's own."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_filters")
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=400)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="filter_once_a_name")]

    def __str__(self) -> str:
        return self.name
