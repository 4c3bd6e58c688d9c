"""Reads: one opinion of one study at one time, kept for ever; and the draft that each of them begins as."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from diagnosis.models.base import Stateful
from diagnosis.models.imaging import Instance, Source, Study
from diagnosis.states import (
    ANSWER_TABLE,
    Answer,
    CannotReason,
    Label,
    ReadKind,
    ReadStatus,
    RegionKind,
    choices,
)


class SubmittedReadError(Exception):
    """A read that was submitted is never edited: a programming error."""


class FindingTerm(models.Model):
    """One of the findings that a reader may tick. Never deleted, only taken off the list: reads name it."""

    code = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    position = models.PositiveSmallIntegerField(default=0)
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ("position", "name")

    def __str__(self) -> str:
        return self.name


class Opinion(models.Model):
    """What a reader says of a study: shared by drafts, which change, and reads, which do not."""

    answer = models.CharField(max_length=16, choices=choices(Answer), blank=True)
    confidence = models.PositiveSmallIntegerField(null=True, blank=True, help_text="1 low, 2 middle, 3 high")
    findings = models.JSONField(default=list, blank=True, help_text="codes of finding terms")
    reason = models.CharField(
        max_length=12, choices=choices(CannotReason), blank=True, help_text="why it cannot be assessed"
    )
    comment = models.TextField(blank=True)
    view = models.JSONField(
        default=dict, blank=True, help_text="how the film was turned when it was read (rule D8), by instance"
    )
    active_ms = models.PositiveIntegerField(default=0, help_text="reading time without idle time")
    opened_at = models.DateTimeField(default=timezone.now)
    session = models.ForeignKey(
        "diagnosis.ReadingSession", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        abstract = True


class Draft(Opinion):
    """A read that is being made. `version` grows with each save: who saves over another's is refused (409)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="drafts")
    reader = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="drafts")
    version = models.PositiveIntegerField(default=1)
    regions = models.JSONField(
        default=list, blank=True, help_text="id, instance, kind, points in source pixels, finding"
    )
    why = models.TextField(blank=True, help_text="an adjudicator's reason, as far as it is written")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["study", "reader"], name="draft_once_a_reader")]
        indexes = [models.Index(fields=["reader", "-updated_at"], name="draft_of_reader")]

    def __str__(self) -> str:
        return f"draft {self.version} by {self.reader} of {self.study}"


class Read(Stateful, Opinion):
    """By a reader of this site, or as an import source states it; never both. Written once; only its status moves."""

    TRANSITIONS = ReadStatus.TRANSITIONS

    status = models.CharField(max_length=12, choices=choices(ReadStatus), default=ReadStatus.SUBMITTED)
    kind = models.CharField(max_length=12, choices=choices(ReadKind), default=ReadKind.FIRST)
    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="reads")
    reader = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="reads"
    )
    source = models.ForeignKey(Source, null=True, blank=True, on_delete=models.PROTECT, related_name="reads")
    label = models.CharField(max_length=12, choices=choices(Label))
    answer_table = models.PositiveSmallIntegerField(default=ANSWER_TABLE)
    is_blinded = models.BooleanField(
        default=False, help_text="no AI output of this study had been sent to the reader (rule D1)"
    )
    supersedes = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="superseded_by"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    revealed_at = models.DateTimeField(
        null=True, blank=True, help_text="when its reader asked for the AI's answer; it is final from then on"
    )
    why = models.TextField(blank=True, help_text="an adjudicator's reason")
    announced_at = models.DateTimeField(
        null=True, blank=True, help_text="when others were told of it, once it was final"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(reader__isnull=True) ^ models.Q(source__isnull=True),
                name="read_by_reader_or_source",
            ),
            models.UniqueConstraint(fields=["study", "source"], name="read_once_a_source"),
            models.UniqueConstraint(
                fields=["study", "reader"],
                condition=models.Q(status=ReadStatus.SUBMITTED)
                & models.Q(kind__in=[ReadKind.FIRST, ReadKind.REVISION]),
                name="read_current_once_a_reader",
            ),
            models.UniqueConstraint(
                fields=["study", "reader"],
                condition=models.Q(status=ReadStatus.SUBMITTED, kind=ReadKind.VERDICT),
                name="read_one_verdict_a_reader",
            ),
            models.CheckConstraint(
                condition=models.Q(why="") ^ models.Q(kind=ReadKind.VERDICT), name="read_verdict_has_reason"
            ),
            models.CheckConstraint(
                condition=models.Q(reader__isnull=True) | models.Q(answer__gt=""),
                name="read_of_reader_has_answer",
            ),
        ]
        indexes = [
            models.Index(fields=["reader", "-created_at"], name="read_of_reader"),
            models.Index(fields=["-created_at", "-id"], name="read_newest_first"),
            models.Index(
                fields=["created_at"],
                condition=models.Q(announced_at__isnull=True, reader__isnull=False),
                name="read_to_announce",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.answer or self.label} by {self.reader or self.source}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise SubmittedReadError(f"{self} was submitted and stays as it is")
        super().save(*args, **kwargs)

    @property
    def is_final(self) -> bool:
        """Whether it can no longer be taken back by a key (rule D11)."""
        return (
            self.revealed_at is not None
            or self.created_at + timedelta(seconds=settings.UNDO_READ_S) <= timezone.now()
        )


class Region(models.Model):
    """What was drawn on a film for a read: a box (two corners), an outline (a closed line) or a length (two ends)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    read = models.ForeignKey(Read, on_delete=models.CASCADE, related_name="regions")
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="regions")
    kind = models.CharField(max_length=8, choices=choices(RegionKind))
    points = models.JSONField(help_text="x, y pairs in pixels of the source film, from its upper left corner")
    finding = models.CharField(max_length=40, blank=True, help_text="code of a finding term")

    def __str__(self) -> str:
        return f"{self.kind} of {self.read}"
