"""From reads to a label. One pure function, whatever the order of the reads; its result is kept with its reasons.

Nothing that the AI said comes in here: a label copied from it does not exist.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol as Shape
from typing import TypeVar
from uuid import UUID

from diagnosis.models import DerivedLabel, Protocol, Read, Study
from diagnosis.states import Label, LabelRule, LabelState, ReadKind, ReadStatus

# Raised whenever `derive` changes: a label says by which one it was derived.
FUNCTION = 1
# What differs under these is settled by somebody else; under the others it is unknown.
SETTLED = (LabelRule.ADJUDICATED, LabelRule.MAJORITY)


class Countable(Shape):
    """What is asked of a read to tell whether it counts: a row, or as much of one as statistics load."""

    @property
    def pk(self) -> UUID: ...
    @property
    def reader_id(self) -> int | None: ...
    @property
    def kind(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def is_blinded(self) -> bool: ...
    @property
    def created_at(self) -> datetime: ...


class Hiding(Shape):
    """What is asked of a protocol for it."""

    @property
    def hides_ai(self) -> bool: ...


Counted = TypeVar("Counted", bound=Countable)


@dataclass(frozen=True)
class Derived:
    """The label of a study, how far it is, by which rule, and from which reads. `n_counted` reads of readers count."""

    state: str
    label: str
    rule: str
    reads: tuple[UUID, ...]
    n_counted: int

    def is_same(self, kept: DerivedLabel | None, protocol: Protocol) -> bool:
        """Whether a row says just this."""
        if kept is None:
            return not self.reads
        said = (kept.state, kept.label, kept.rule, kept.reads, kept.protocol_id, kept.function)
        return said == (
            self.state,
            self.label,
            self.rule,
            [str(pk) for pk in self.reads],
            protocol.pk,
            FUNCTION,
        )


def counted(reads: Iterable[Counted], protocol: Hiding) -> list[Counted]:
    """The read by which each reader counts, in a fixed order.

    Where readers are blind to the AI, the newest blinded one: what they said after they were shown its answer is kept
    and counts nowhere. Repeats and verdicts are other things.
    """
    kinds = [ReadKind.FIRST] if protocol.hides_ai else [ReadKind.FIRST, ReadKind.REVISION]
    newest: dict[int, Counted] = {}
    for read in sorted(reads, key=_when):
        stands = read.kind in kinds and read.status != ReadStatus.TAKEN_BACK
        if read.reader_id and stands and (read.is_blinded or not protocol.hides_ai):
            newest[read.reader_id] = read
    return [newest[reader] for reader in sorted(newest)]


def derive(reads: Sequence[Read], protocol: Protocol) -> Derived:
    """What holds of a study by all its reads.

    An import's label holds until the readers have spoken, and beyond where the protocol takes it for the reference.
    A verdict settles what differs; reads that came after it and contradict it open the dispute again.
    """
    ours, stated = counted(reads, protocol), _stated(reads)
    verdict = _verdict(reads, protocol)
    is_complete = len(ours) >= protocol.n_readers
    if protocol.rule == LabelRule.IMPORTED or (stated and not is_complete and verdict is None):
        return _imported(stated, ours)
    if verdict is not None and not _is_contradicted(verdict, ours):
        return _derived(LabelState.DECIDED, verdict.label, LabelRule.ADJUDICATED, [*ours, verdict], ours)
    if not is_complete:
        return _derived(LabelState.WAITING, "", protocol.rule, ours, ours)
    return _agreed(ours, protocol.rule)


def history(study: Study) -> list[DerivedLabel]:
    """Newest first."""
    return list(study.derived_labels.select_related("protocol__cohort").order_by("-at", "-pk"))


def row_of(derived: Derived, study: Study, protocol: Protocol) -> DerivedLabel:
    """What is kept of it, unwritten."""
    return DerivedLabel(
        study=study,
        label=derived.label,
        state=derived.state,
        rule=derived.rule,
        protocol=protocol,
        reads=[str(pk) for pk in derived.reads],
        function=FUNCTION,
    )


# --- rules ---


def _agreed(ours: Sequence[Read], rule: str) -> Derived:
    labels = Counter(read.label for read in ours)
    (most, n), *_ = labels.most_common(1)
    if n == len(ours) or (rule == LabelRule.MAJORITY and 2 * n > len(ours)):
        return _derived(LabelState.DECIDED, most, rule, ours, ours)
    if rule in SETTLED:
        return _derived(LabelState.DISPUTED, "", rule, ours, ours)
    return _derived(LabelState.DECIDED, Label.UNKNOWN, rule, ours, ours)


def _imported(stated: Sequence[Read], ours: Sequence[Read]) -> Derived:
    """What sources state; unknown where they contradict each other."""
    labels = {read.label for read in stated}
    if not labels:
        return _derived(LabelState.WAITING, "", LabelRule.IMPORTED, [], ours)
    label = labels.pop() if len(labels) == 1 else Label.UNKNOWN
    return _derived(LabelState.DECIDED, label, LabelRule.IMPORTED, stated, ours)


def _stated(reads: Iterable[Read]) -> list[Read]:
    return [read for read in reads if read.source_id]


def _verdict(reads: Iterable[Read], protocol: Protocol) -> Read | None:
    """The newest one that stands; an adjudicator is as blind as readers are."""
    standing = [
        read for read in reads if read.kind == ReadKind.VERDICT and read.status == ReadStatus.SUBMITTED
    ]
    verdicts = [read for read in standing if read.is_blinded or not protocol.hides_ai]
    return max(verdicts, key=_when, default=None)


def _is_contradicted(verdict: Read, ours: Iterable[Read]) -> bool:
    return any(_when(read) > _when(verdict) and read.label != verdict.label for read in ours)


def _when(read: Countable) -> tuple[object, ...]:
    return read.created_at, read.pk


def _derived(state: str, label: str, rule: str, reads: Iterable[Read], ours: Sequence[Read]) -> Derived:
    return Derived(state, label, rule, tuple(sorted(read.pk for read in reads)), len(ours))
