"""Which studies want a read, and which first (rules D3 and D4). Everybody calls `refresh` after anything changed.

A case's place is its tier, then its priority: a weighted sum of how unsure the AI is, how much reads and AI disagree,
and how long it has waited. Waiting enters as the moment it began, so that all age alike and the order stays as it is
(docs/decisions/0011).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import combinations, islice
from typing import TypeVar
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from diagnosis.models import (
    Case,
    DerivedLabel,
    Event,
    Prediction,
    Protocol,
    Read,
    Recheck,
    ReviewRequest,
    Study,
    User,
)
from diagnosis.services import labels, protocols
from diagnosis.services.labels import Derived
from diagnosis.states import (
    LABEL_OF_FINDING,
    CaseStatus,
    Finding,
    Label,
    LabelState,
    ReadKind,
    ReadStatus,
    RecheckStatus,
    ReviewStatus,
    StudyStatus,
    Tier,
)

# Databases limit how many values one question, and one INSERT, may carry.
AT_ONCE = 500
NO_ANSWER = 0.5
WITHDRAWN = "study withdrawn"

# What `refresh` may change, beside the status.
COPIED = (
    "tier", "priority", "entered_at", "uncertainty", "disagreement", "n_reads", "label", "source_id",
    "checkpoint_id", "received_at", "protocol_id", "is_disputed", "derived_id",
)  # fmt: skip

# What the derivation and the place need of a read.
READ = ("study", "reader", "source", "kind", "status", "label", "is_blinded", "created_at")

T = TypeVar("T")

_chance = random.SystemRandom()


@dataclass
class Facts:
    """What is known of a study that its place depends on; `doubts`: since when clinicians disagree; `rechecks`: since
    when its label is to be looked at again.
    """

    protocol: Protocol
    leading: Prediction | None = None
    reads: list[Read] = field(default_factory=list)
    doubts: list[datetime] = field(default_factory=list)
    rechecks: list[Recheck] = field(default_factory=list)

    @cached_property
    def derived(self) -> Derived:
        return labels.derive(self.reads, self.protocol)

    @property
    def read_at(self) -> list[datetime]:
        """When readers of this site read it; what an import states is no read of ours, a repeat tells nobody else."""
        standing = [read for read in self.reads if read.reader_id and read.status == ReadStatus.SUBMITTED]
        return [read.created_at for read in standing if read.kind != ReadKind.REPEAT]

    @property
    def compared(self) -> list[Read]:
        """What is held against each other and against the AI: what counts, and what imports state."""
        return [*labels.counted(self.reads, self.protocol), *(read for read in self.reads if read.source_id)]

    @property
    def asked_at(self) -> datetime | None:
        """Since when it waits for an answer to a doubt; None: nobody doubts, or somebody has read it since.

        Such a read is not final for some seconds, and the doubt is open until then: nobody else needs to read the film.
        """
        last = max(self.read_at, default=None)
        return min((asked for asked in self.doubts if last is None or asked > last), default=None)

    @property
    def recheck_at(self) -> datetime | None:
        """Since when it is to be read again and nobody has."""
        last = max(self.read_at, default=None)
        waiting = [row.at for row in self.rechecks if last is None or row.at > last]
        return min(waiting, default=None)

    @property
    def wanted_at(self) -> datetime | None:
        """Since when somebody wants another read than the protocol does."""
        return min(filter(None, (self.asked_at, self.recheck_at)), default=None)

    @property
    def is_read(self) -> bool:
        """Whether the protocol wants no more."""
        derived = self.derived
        return derived.n_counted >= self.protocol.n_readers and derived.state != LabelState.DISPUTED


# --- on the list, and off it ---


def enter(study: Study, *, by: User | None = None) -> Case | None:
    """Put a study on the worklist, or back on it. Demo studies never are (rule E6). In a transaction."""
    enter_all([study])
    case = Case.objects.filter(study=study).first()
    if case is None:
        return None
    if case.move(CaseStatus.OFF, CaseStatus.OPEN, by=by):
        refresh(study)
        case.refresh_from_db()
    return case


def enter_all(studies: Sequence[Study]) -> int:
    """Make the cases of studies that have none, in a constant number of queries for each few hundred."""
    made = 0
    for part in _parts(study for study in studies if not study.is_demo):
        known = set(
            Case.objects.filter(study__in=[study.pk for study in part]).values_list("study", flat=True)
        )
        new = [study for study in part if study.pk not in known]
        derived: list[DerivedLabel] = []
        cases = list(_new_cases(new, derived))
        DerivedLabel.objects.bulk_create(derived, batch_size=AT_ONCE)
        made += len(Case.objects.bulk_create(cases, batch_size=AT_ONCE))
    return made


@transaction.atomic
def leave(study: Study, *, by: User | None, reason: str) -> bool:
    """Take a study off the worklist; whoever has it open loses the claim, not the draft. False: it is not on it."""
    case = Case.objects.select_for_update().filter(study=study).exclude(status=CaseStatus.OFF).first()
    free = {"claimed_by": None, "claimed_at": None, "claim_until": None}
    return case is not None and case.move(case.status, CaseStatus.OFF, by=by, reason=reason, **free)


def withdraw(study: Study, *, by: User) -> bool:
    return leave(study, by=by, reason=WITHDRAWN)


def restore(study: Study, *, by: User) -> None:
    """Put back what its withdrawal took off; what an administrator took off before stays off."""
    case = Case.objects.filter(study=study).first()
    if case is None or _why_off(case) == WITHDRAWN:
        enter(study, by=by)


def _why_off(case: Case) -> str:
    taken_off = Event.objects.filter(kind="case", object_id=case.pk, new=CaseStatus.OFF).order_by("-pk")
    return taken_off.values_list("reason", flat=True).first() or ""


# --- its place ---


def refresh(study: Study) -> None:
    """Work out anew where the case of a study stands and whether it is done. As often as you like."""
    refresh_all([study.pk])


def refresh_all(studies: Iterable[UUID]) -> int:
    """The same for many, in a constant number of queries for each few hundred; returns how many cases changed."""
    return sum(_refresh(part) for part in _parts(sorted(set(studies))))


def age() -> int:
    """Let what waits over the limit go before the rest: one UPDATE. Returns how many cases that were."""
    # Named one by one, so that the index leads to those alone that have waited too long.
    waiting = Case.objects.filter(status=CaseStatus.OPEN, tier__in=[Tier.ADJUDICATION, Tier.REST])
    return waiting.filter(entered_at__lte=_overdue_since()).update(tier=Tier.OVERDUE)


def recount() -> tuple[int, int]:
    """Give every study its case and every case its place; returns how many cases were made, and how many changed."""
    studies = Study.objects.filter(status=StudyStatus.ACTIVE, is_demo=False).select_related("leading")
    missing = studies.filter(case=None).order_by("pk")
    made = sum(enter_all(part) for part in _parts(missing.iterator(AT_ONCE)))
    return made, refresh_all(Case.objects.values_list("study", flat=True).iterator())


@transaction.atomic
def _refresh(studies: list[UUID]) -> int:
    # Locked before anything is read: of two that refresh at once, the second one sees what the first one saw.
    locked = Case.objects.select_for_update().filter(study__in=studies).order_by("pk")
    pks = list(locked.values_list("pk", flat=True))
    cases = list(Case.objects.filter(pk__in=pks).select_related("study__leading", "derived"))
    facts = _facts_of([case.study for case in cases])
    _end_rechecks(facts.values())
    derived: list[DerivedLabel] = []
    changed = [case for case in cases if _place(case, facts[case.study_id], derived)]
    DerivedLabel.objects.bulk_create(derived, batch_size=AT_ONCE)
    _write(changed)
    moved = [case for case in cases if _move(case, facts[case.study_id])]
    return len({case.pk for case in [*changed, *moved]})


def _write(cases: list[Case]) -> None:
    """The rows are there and locked, so that each conflicts: for hundreds a tenth of the time of `bulk_update`."""
    fields = [name.removesuffix("_id") for name in COPIED]
    Case.objects.bulk_create(
        cases, AT_ONCE, update_conflicts=True, unique_fields=["id"], update_fields=fields
    )


def _new_cases(studies: list[Study], derived: list[DerivedLabel]) -> Iterator[Case]:
    facts = _facts_of(studies)
    for study in studies:
        protocol = facts[study.pk].protocol
        case = Case(
            study=study,
            entered_at=study.received_at,
            received_at=study.received_at,
            is_random=_chance.random() < protocol.random_share,
            draw=_chance.random(),
        )
        _place(case, facts[study.pk], derived)
        yield case


def _facts_of(studies: list[Study]) -> dict[UUID, Facts]:
    """Leading predictions as they hang at the studies; protocols, reads, doubts and rechecks as they are now."""
    fits = protocols.in_force()
    facts = {study.pk: Facts(protocols.chosen(fits, study), study.leading) for study in studies}
    # What was superseded may count all the same: a revision stands in its place, and counts nowhere.
    reads = Read.objects.filter(study__in=list(facts)).exclude(status=ReadStatus.TAKEN_BACK)
    for read in reads.only(*READ):
        facts[read.study_id].reads.append(read)
    doubts = ReviewRequest.objects.filter(study__in=list(facts), status=ReviewStatus.OPEN)
    for study_id, created_at in doubts.values_list("study", "created_at"):
        facts[study_id].doubts.append(created_at)
    for recheck in Recheck.objects.filter(study__in=list(facts), status=RecheckStatus.OPEN):
        facts[recheck.study_id].rechecks.append(recheck)
    return facts


def _end_rechecks(facts: Iterable[Facts]) -> None:
    """A recheck is over once somebody has read the case since."""
    for one in facts:
        last = max(one.read_at, default=None)
        for recheck in one.rechecks:
            if last is not None and recheck.at <= last:
                recheck.move(RecheckStatus.OPEN, RecheckStatus.DONE)


def _place(case: Case, facts: Facts, rows: list[DerivedLabel]) -> bool:
    """Set what follows from the facts; returns whether anything is new. A label that is new joins `rows`, unwritten."""
    before = [getattr(case, name) for name in COPIED]
    case.source_id = case.study.source_id
    case.received_at = case.study.received_at
    case.checkpoint_id = facts.leading.checkpoint_id if facts.leading else None
    _label(case, facts, rows)
    case.uncertainty = uncertainty(facts.leading)
    case.disagreement = disagreement(facts.compared, facts.leading)
    if facts.wanted_at and facts.is_read:
        # It was read; since then it waits for an answer.
        case.entered_at = max(case.entered_at, facts.wanted_at)
    case.tier = _tier(case, facts)
    case.priority = priority(case, is_drawn=facts.recheck_at is not None)
    return before != [getattr(case, name) for name in COPIED]


def _label(case: Case, facts: Facts, rows: list[DerivedLabel]) -> None:
    """What its reads lead to under its protocol; why is kept in a row of its own."""
    derived, protocol = facts.derived, facts.protocol
    case.protocol_id = protocol.pk
    case.n_reads = derived.n_counted
    case.label = derived.label
    case.is_disputed = derived.state == LabelState.DISPUTED
    kept = case.derived if case.derived_id else None
    if not derived.is_same(kept, protocol):
        row = labels.row_of(derived, case.study, protocol)
        rows.append(row)
        case.derived_id = row.pk


def _move(case: Case, facts: Facts) -> bool:
    """Done once it is read and nobody wants another look, open else; what is off the list stays off."""
    status = CaseStatus.DONE if facts.is_read and facts.wanted_at is None else CaseStatus.OPEN
    return case.status not in (CaseStatus.OFF, status) and case.move(case.status, status)


def _tier(case: Case, facts: Facts) -> int:
    if facts.asked_at:
        return Tier.DISAGREED
    if (not facts.is_read or facts.recheck_at) and case.entered_at <= _overdue_since():
        return Tier.OVERDUE
    return Tier.ADJUDICATION if case.is_disputed else Tier.REST


def _overdue_since() -> datetime:
    return timezone.now() - timedelta(seconds=settings.READING_LIMIT_S)


# --- the formula ---


def priority(case: Case, *, is_drawn: bool = False) -> float:
    """Larger is read first, within a tier. A longer wait began at an earlier moment: the moment is taken off.

    `is_drawn`: its draw stands for the score's terms although it was not drawn at random, because it is to be looked at
    again. Of those that are, the suspected ones contradict the AI and would stand first (rule D5).
    """
    waiting = case.entered_at.timestamp() / settings.READING_LIMIT_S
    return _terms(case, is_drawn=is_drawn or case.is_random) - settings.WEIGHT_WAITING * waiting


def priority_at(case: Case, now: datetime) -> float:
    """The stored priority with the present moment added: what the terms and the wait so far are worth."""
    return case.priority + settings.WEIGHT_WAITING * now.timestamp() / settings.READING_LIMIT_S


def _terms(case: Case, *, is_drawn: bool) -> float:
    """What the score has a say in. Of a random case its draw stands there instead (rule D4).

    Nobody can tell it by its place: until the AI has looked all stand alike, and then it moves as others do.
    """
    if is_drawn:
        return settings.WEIGHT_UNCERTAINTY * (case.draw if case.checkpoint_id else NO_ANSWER)
    return settings.WEIGHT_UNCERTAINTY * case.uncertainty + settings.WEIGHT_DISAGREEMENT * case.disagreement


def uncertainty(leading: Prediction | None) -> float:
    """1 inside the uncertain band, falling to 0 where the score is 0 or 1; in the middle if there is no finding."""
    if leading is None or not leading.finding:
        return NO_ANSWER
    if leading.finding == Finding.BELOW:
        return leading.probability / leading.band_low
    if leading.finding == Finding.ABOVE:
        return (1 - leading.probability) / (1 - leading.band_high)
    return 1.0


def disagreement(reads: Sequence[Read], leading: Prediction | None) -> float:
    """0…1: the share of pairs of reads that differ, or of reads that contradict the AI, whichever is larger."""
    labels = [read.label for read in reads]
    pairs = list(combinations(labels, 2))
    among = sum(one != other for one, other in pairs) / len(pairs) if pairs else 0.0
    said = LABEL_OF_FINDING.get(leading.finding) if leading else None
    sure = [label for label in labels if label != Label.UNKNOWN] if said else []
    against = sum(label != said for label in sure) / len(sure) if sure else 0.0
    return max(among, against)


def _parts(rows: Iterable[T]) -> Iterator[list[T]]:
    left = iter(rows)
    while part := list(islice(left, AT_ONCE)):
        yield part
