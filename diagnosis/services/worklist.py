"""Which studies want a read, and which first (rules D3 and D4). Everybody calls `refresh` after anything changed.

A case's place is its tier, then its priority: a weighted sum of how unsure the AI is, how much reads and AI disagree,
and how long it has waited. Waiting enters as the moment it began, so that all age alike and the order stays as it is
(docs/decisions/0011).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import combinations, islice
from typing import TypeVar
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from diagnosis import selectors
from diagnosis.models import Case, Event, Prediction, Read, ReviewRequest, Study, User
from diagnosis.states import (
    LABEL_OF_FINDING,
    CaseStatus,
    Finding,
    Label,
    ReadStatus,
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
    "checkpoint_id", "received_at",
)  # fmt: skip

T = TypeVar("T")

_chance = random.SystemRandom()


@dataclass
class Facts:
    """What is known of a study that its place depends on; `doubts`: since when clinicians disagree."""

    leading: Prediction | None = None
    reads: list[Read] = field(default_factory=list)
    doubts: list[datetime] = field(default_factory=list)

    @property
    def read_at(self) -> list[datetime]:
        """When readers of this site read it; what an import states is no read of ours."""
        return [read.created_at for read in self.reads if read.reader_id]

    @property
    def n_reads(self) -> int:
        return len(self.read_at)

    @property
    def asked_at(self) -> datetime | None:
        """Since when it waits for an answer to a doubt; None: nobody doubts, or somebody has read it since.

        Such a read is not final for some seconds, and the doubt is open until then: nobody else needs to read the film.
        """
        last = max(self.read_at, default=None)
        return min((asked for asked in self.doubts if last is None or asked > last), default=None)

    @property
    def is_read(self) -> bool:
        return self.n_reads >= settings.READS_PER_CASE


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
        made += len(Case.objects.bulk_create(_new_cases(new), batch_size=AT_ONCE))
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
    cases = list(Case.objects.filter(pk__in=pks).select_related("study__leading"))
    facts = _facts_of([case.study for case in cases])
    changed = [case for case in cases if _place(case, facts[case.study_id])]
    _write(changed)
    moved = [case for case in cases if _move(case, facts[case.study_id])]
    return len({case.pk for case in [*changed, *moved]})


def _write(cases: list[Case]) -> None:
    """The rows are there and locked, so that each conflicts: for hundreds a tenth of the time of `bulk_update`."""
    fields = [name.removesuffix("_id") for name in COPIED]
    Case.objects.bulk_create(
        cases, AT_ONCE, update_conflicts=True, unique_fields=["id"], update_fields=fields
    )


def _new_cases(studies: list[Study]) -> Iterator[Case]:
    facts = _facts_of(studies)
    for study in studies:
        case = Case(
            study=study,
            entered_at=study.received_at,
            received_at=study.received_at,
            is_random=_chance.random() < settings.RANDOM_SHARE,
            draw=_chance.random(),
        )
        _place(case, facts[study.pk])
        yield case


def _facts_of(studies: list[Study]) -> dict[UUID, Facts]:
    """Leading predictions as they hang at the studies; reads and doubts as they are now."""
    facts: dict[UUID, Facts] = defaultdict(Facts)
    for study in studies:
        facts[study.pk].leading = study.leading
    reads = Read.objects.filter(study__in=list(facts), status=ReadStatus.SUBMITTED)
    for read in reads.only("study", "reader", "label", "created_at"):
        facts[read.study_id].reads.append(read)
    doubts = ReviewRequest.objects.filter(study__in=list(facts), status=ReviewStatus.OPEN)
    for study_id, created_at in doubts.values_list("study", "created_at"):
        facts[study_id].doubts.append(created_at)
    return facts


def _place(case: Case, facts: Facts) -> bool:
    """Set what follows from the facts; returns whether anything is new."""
    before = [getattr(case, name) for name in COPIED]
    case.source_id = case.study.source_id
    case.received_at = case.study.received_at
    case.checkpoint_id = facts.leading.checkpoint_id if facts.leading else None
    case.n_reads = facts.n_reads
    case.label = label_of(facts.reads)
    case.uncertainty = uncertainty(facts.leading)
    case.disagreement = disagreement(facts.reads, facts.leading)
    if facts.asked_at and facts.is_read:
        # It was read; since then it waits for an answer.
        case.entered_at = max(case.entered_at, facts.asked_at)
    case.tier = _tier(case, facts)
    case.priority = priority(case)
    return before != [getattr(case, name) for name in COPIED]


def _move(case: Case, facts: Facts) -> bool:
    """Done once it is read and nobody disagrees, open else; what is off the list stays off."""
    status = CaseStatus.DONE if facts.is_read and facts.asked_at is None else CaseStatus.OPEN
    return case.status not in (CaseStatus.OFF, status) and case.move(case.status, status)


def _tier(case: Case, facts: Facts) -> int:
    if facts.asked_at:
        return Tier.DISAGREED
    return Tier.OVERDUE if not facts.is_read and case.entered_at <= _overdue_since() else Tier.REST


def _overdue_since() -> datetime:
    return timezone.now() - timedelta(seconds=settings.READING_LIMIT_S)


# --- the formula ---


def priority(case: Case) -> float:
    """Larger is read first, within a tier. A longer wait began at an earlier moment: the moment is taken off."""
    waiting = case.entered_at.timestamp() / settings.READING_LIMIT_S
    return _terms(case) - settings.WEIGHT_WAITING * waiting


def priority_at(case: Case, now: datetime) -> float:
    """The stored priority with the present moment added: what the terms and the wait so far are worth."""
    return case.priority + settings.WEIGHT_WAITING * now.timestamp() / settings.READING_LIMIT_S


def _terms(case: Case) -> float:
    """What the score has a say in. Of a random case its draw stands there instead (rule D4).

    Nobody can tell it by its place: until the AI has looked all stand alike, and then it moves as others do.
    """
    if case.is_random:
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


def label_of(reads: Iterable[Read]) -> str:
    """What current reads say together: unknown where they differ, nothing where there are none."""
    return selectors.held_true(read.label for read in reads)


def _parts(rows: Iterable[T]) -> Iterator[list[T]]:
    left = iter(rows)
    while part := list(islice(left, AT_ONCE)):
        yield part
