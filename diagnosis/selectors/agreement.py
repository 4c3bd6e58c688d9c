"""What agreement rests on: reads and hidden repeats, as plain values, in a fixed number of queries."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Count, Q, QuerySet

from diagnosis import access
from diagnosis.models import Checkpoint, Cohort, Protocol, Read, Repeat, User
from diagnosis.states import ReadKind, ReadStatus, RepeatStatus, StudyStatus


@dataclass(frozen=True)
class Extent:
    """Agreement on what: a cohort (none: all of them), and the moments between which reads were submitted.

    `reader` is somebody who looks and reads films: what they may not be told of one (rule D1) is in no number either,
    as a period of one day can hold a single case.
    """

    cohort: Cohort | None = None
    since: datetime | None = None
    until: datetime | None = None
    reader: User | None = None

    @property
    def is_whole(self) -> bool:
        return not (self.cohort or self.since or self.until or self.reader)

    def holds(self, at: datetime) -> bool:
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)


class RatedRead(NamedTuple):
    """A read, and what is known of its case. `hides_ai` is that of the protocol that the case stands under now.

    A case without one counts as every case does until somebody changes its protocol: its readers are blind to the AI.
    """

    pk: uuid.UUID
    study: uuid.UUID
    reader_id: int
    kind: str
    status: str
    is_blinded: bool
    created_at: datetime
    answer: str
    confidence: int | None
    label: str
    active_ms: int
    patient: int | None
    is_random: bool
    hides_ai: bool
    finding: str
    checkpoint: int | None


class ReadTwice(NamedTuple):
    """A first read and its hidden repeat."""

    reader: int
    study: uuid.UUID
    patient: int | None
    at: datetime
    is_blinded: bool
    hides_ai: bool
    answers: tuple[str, str]
    labels: tuple[str, str]


@dataclass(frozen=True)
class Involved:
    """How much there is, before it is known what of it counts."""

    n_readers: int
    n_cases: int


def rated_reads(extent: Extent) -> list[RatedRead]:
    """All by which a reader may count, of studies that are there. What counts of them, services.agreement says."""
    fields = (
        "pk", "study", "reader", "kind", "status", "is_blinded", "created_at", "answer", "confidence", "label",
        "active_ms", "study__patient", "study__case__is_random", "study__case__protocol__hides_ai",
        "study__leading__finding", "study__leading__checkpoint",
    )  # fmt: skip
    rows: Any = _reads(extent).order_by("pk").values_list(*fields)
    return [
        RatedRead._make((*row[:12], bool(row[12]), row[13] is not False, row[14] or "", row[15]))
        for row in rows.iterator(chunk_size=5000)
    ]


def done_repeats(extent: Extent) -> list[ReadTwice]:
    """The cases that a reader has read once more without being told (rule D5)."""
    gone = Q(first__status=ReadStatus.TAKEN_BACK) | Q(read__status=ReadStatus.TAKEN_BACK)
    done = Repeat.objects.filter(status=RepeatStatus.DONE, read__isnull=False).exclude(gone)
    fields = (
        "reader", "study", "study__patient", "read__created_at", "first__is_blinded", "read__is_blinded",
        "study__case__protocol__hides_ai", "first__answer", "read__answer", "first__label", "read__label",
    )  # fmt: skip
    rows: Any = done.filter(_of(extent)).order_by("pk").values_list(*fields)
    found = [
        ReadTwice._make(
            (*row[:4], row[4] and row[5], row[6] is not False, (row[7], row[8]), (row[9], row[10]))
        )
        for row in rows
    ]
    return [row for row in found if extent.holds(row.at)]


def involved(extent: Extent) -> Involved:
    found = _reads(extent)
    if extent.since:
        found = found.filter(created_at__gte=extent.since)
    if extent.until:
        found = found.filter(created_at__lt=extent.until)
    numbers = found.aggregate(readers=Count("reader", distinct=True), cases=Count("study", distinct=True))
    return Involved(numbers["readers"], numbers["cases"])


def readers_by_pk(pks: list[int]) -> dict[int, User]:
    return User.objects.in_bulk(pks)


def checkpoints_by_pk(pks: list[int]) -> dict[int, Checkpoint]:
    return Checkpoint.objects.in_bulk(pks)


def repeat_shares(cohort: Cohort | None) -> list[float]:
    """Of the protocols that hold now."""
    found = Protocol.objects.order_by("cohort", "-version")
    if cohort:
        found = found.filter(cohort=cohort)
    newest: dict[int, float] = {}
    for pk, share in found.values_list("cohort", "repeat_share"):
        newest.setdefault(pk, share)
    return list(newest.values())


def _reads(extent: Extent) -> QuerySet[Read]:
    kinds = [ReadKind.FIRST, ReadKind.REVISION]
    stand = Read.objects.filter(reader__isnull=False, kind__in=kinds).exclude(status=ReadStatus.TAKEN_BACK)
    return stand.filter(_of(extent))


def _of(extent: Extent) -> Q:
    """Synthetic studies and withdrawn ones are in no number (rules A9 and E6)."""
    asked = Q(study__status=StudyStatus.ACTIVE, study__is_demo=False)
    if extent.cohort:
        asked &= _in(extent.cohort)
    if extent.reader:
        for hidden in (access.hidden_from, access.peers_hidden_from):
            asked &= ~Q(hidden(extent.reader, study="study"))
    return asked


def _in(cohort: Cohort) -> Q:
    """A case that was not given a protocol yet stands with the rest."""
    own = Q(study__case__protocol__cohort=cohort)
    return own | Q(study__case__protocol__isnull=True) if cohort.is_rest else own
