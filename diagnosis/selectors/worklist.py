"""The worklist: narrowed, counted, in the order of reading. A reader gets nothing that the AI said (D1, D2).

Nor that reads differ: to readers a disputed case is one that has all its reads; adjudicators have their own list.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.core import signing
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from diagnosis import access
from diagnosis.models import Case, Draft, Instance, Read, Recheck, SavedFilter, Study, User
from diagnosis.selectors.repeats import due_repeats
from diagnosis.selectors.results import DamagedCursorError
from diagnosis.selectors.studies import number_range, pseudonym_start, search_word
from diagnosis.states import CaseStatus, ReadStatus, RecheckStatus, Shelf, Tier

CASES_A_PAGE = 30
ORDER = ("tier", "-priority", "pk")
# Of what readers have read: a priority would tell how reads and AI compare.
BY_DATE = ("-received_at", "pk")
# Stands for the tier in a place of a list by date.
DATED = 255
SALT = "worklist"
PLACE = ">Bd16s"
# What a row needs of its case, its study and its people.
SHOWN = (
    "status", "attempt", "tier", "priority", "entered_at", "received_at", "n_reads", "label", "uncertainty",
    "disagreement", "is_random", "is_disputed", "draw", "claim_until", "source__name", "claimed_by__reader_number",
    "study__sex", "study__age_years", "study__patient__pseudonym",
)  # fmt: skip
NO_LABEL = "none"
MOST_FOUND = 50
MOST_COUNTED = 1000
SHORTEST_PSEUDONYM = 4


@dataclass(frozen=True)
class CaseFilters:
    """What the worklist is narrowed to; empty means all. Source, label and checkpoint are for administrators."""

    shelf: str = Shelf.WAITING
    tier: int | None = None
    search: str = ""
    is_unread: bool = False
    since: datetime | None = None
    until: datetime | None = None
    source: int | None = None
    label: str = ""
    checkpoint: uuid.UUID | None = None

    @property
    def is_set(self) -> bool:
        """Whether it is narrowed within its shelf."""
        return self.tier is not None or self.is_narrowed

    @property
    def is_narrowed(self) -> bool:
        """By more than shelf and tier."""
        wanted = (self.search, self.is_unread, self.since, self.until)
        return any((*wanted, self.source, self.label, self.checkpoint))


@dataclass(frozen=True)
class CaseFilm:
    pk: uuid.UUID
    view: str


@dataclass(frozen=True)
class CaseRow:
    """A case as the list shows it to one user: its first film, and what that user has to do with it."""

    case: Case
    films: list[CaseFilm] = field(default_factory=list)
    is_veiled: bool = False

    @property
    def status(self) -> str:
        """Where it stands to whoever looks."""
        return CaseStatus.DONE if self.is_veiled and self.case.is_disputed else self.case.status

    @property
    def film(self) -> CaseFilm | None:
        """The first that came: which of several scores highest would say something of the score."""
        return next(iter(self.films), None)

    @property
    def views(self) -> list[str]:
        return list(dict.fromkeys(film.view for film in self.films if film.view))


@dataclass(frozen=True)
class CasePage:
    rows: list[CaseRow]
    following: str = ""


@dataclass(frozen=True)
class CaseCounts:
    """How many cases each shelf and each tier holds, under the other filters; what is above `limit` is just more."""

    waiting: int = 0
    mine: int = 0
    done: int = 0
    off: int = 0
    tiers: dict[int, int] = field(default_factory=dict)
    limit: int | None = None

    def in_words(self, n: int) -> str:
        """One of these numbers, as it is shown."""
        return f"{n:,}" if self.limit is None or n <= self.limit else f"{self.limit:,}+"


# --- which cases ---


def cases_sought(user: access.Viewer, filters: CaseFilters) -> QuerySet[Case]:
    """What the filters leave, on whatever shelf it stands."""
    return _sought(user, filters, access.cases_of(user))


def _sought(user: access.Viewer, filters: CaseFilters, cases: QuerySet[Case]) -> QuerySet[Case]:
    """What would unblind a reader is not asked for one (D1)."""
    asked: dict[str, Any] = {"received_at__gte": filters.since, "received_at__lt": filters.until}
    if _keeps(user):
        asked |= {"source": filters.source, "checkpoint": filters.checkpoint}
        asked |= {"label": "" if filters.label == NO_LABEL else filters.label or None}
    cases = cases.filter(**{name: value for name, value in asked.items() if value is not None})
    if filters.search:
        cases = cases.filter(_named(filters.search))
    return cases.filter(~_read_by(user)) if filters.is_unread else cases


def cases_on_shelf(user: access.Viewer, filters: CaseFilters) -> QuerySet[Case]:
    if filters.shelf == Shelf.MINE:
        return _mine(user, filters, _sought(user, filters, access.listed_cases_of(user)))
    cases = cases_sought(user, filters)
    if filters.shelf == Shelf.OFF and not _keeps(user):
        return cases.none()
    status = {Shelf.DONE: CaseStatus.DONE, Shelf.OFF: CaseStatus.OFF}.get(filters.shelf, CaseStatus.OPEN)
    cases = cases.filter(status=status)
    if not _keeps(user):
        # What is not open has no tier that a reader may know.
        if status == CaseStatus.DONE:
            return cases
        cases = cases.filter(is_disputed=False)
    return cases.filter(tier=filters.tier) if filters.tier is not None else cases


def _parts(user: access.Viewer, filters: CaseFilters) -> list[QuerySet[Case]]:
    """What stands on a shelf, in parts that are each one range of an index."""
    parts = [cases_on_shelf(user, filters)]
    if filters.shelf == Shelf.DONE and not _keeps(user):
        parts.append(_disputed(cases_sought(user, filters)))
    return parts


def _disputed(cases: QuerySet[Case]) -> QuerySet[Case]:
    return cases.filter(status=CaseStatus.OPEN, is_disputed=True)


def _is_dated(user: access.Viewer, filters: CaseFilters) -> bool:
    return filters.shelf in (Shelf.MINE, Shelf.DONE) and not _keeps(user)


def _keeps(user: access.Viewer) -> bool:
    return isinstance(user, User) and user.is_administrator


def _mine(user: access.Viewer, filters: CaseFilters, cases: QuerySet[Case]) -> QuerySet[Case]:
    """`cases` are listed ones: what was taken off is nobody's any more."""
    touched = _begun_by(user) if filters.is_unread else _touched_by(user)
    return cases.filter(study__in=touched)


def _named(search: str) -> Q:
    """Study number or pseudonym, or the beginning of one.

    A short beginning fits thousands and is taken for a number: one range of an index. A longer one asks two indexes.
    """
    if len(search_word(search)) < SHORTEST_PSEUDONYM:
        return number_range(search, key="study")
    by_number = Study.objects.filter(number_range(search)).values("pk")
    by_pseudonym = Study.objects.filter(pseudonym_start(search)).values("pk")
    return Q(study__in=by_number.union(by_pseudonym))


def _read_by(user: access.Viewer) -> Exists:
    reads = Read.objects.filter(study=OuterRef("study"), reader=user.pk, status=ReadStatus.SUBMITTED)
    return Exists(reads.exclude(study__in=_repeated_to(user)))


def _touched_by(user: access.Viewer) -> QuerySet[Any, Any]:
    """Studies that a reader has open, has a draft of, or has read."""
    read = Read.objects.filter(reader=user.pk, status=ReadStatus.SUBMITTED)
    return _begun_by(user).union(read.exclude(study__in=_repeated_to(user)).values("study"))


def _begun_by(user: access.Viewer) -> QuerySet[Any, Any]:
    """Studies that a reader has open or has a draft of."""
    held = Case.objects.filter(claimed_by=user.pk, claim_until__gt=timezone.now())
    begun = Draft.objects.filter(reader=user.pk)
    repeated = _repeated_to(user)
    parts = [rows.exclude(study__in=repeated).values("study") for rows in (held, begun)]
    return parts[0].union(parts[1])


def _repeated_to(user: access.Viewer) -> QuerySet[Any, Any]:
    """Studies that come to a reader as if they were new: neither theirs nor marked as read (rule D5)."""
    return due_repeats(user).values("study")


# --- a page of them ---


def worklist_page(user: access.Viewer, filters: CaseFilters, *, cursor: str = "") -> CasePage:
    """In the order of reading, after `cursor`; what was read by date, newest first. Raises DamagedCursorError."""
    is_dated = _is_dated(user, filters)
    after = opened(cursor) if cursor else None
    if after and is_dated != (after[0] == DATED):
        raise DamagedCursorError("of another shelf")
    # What a row needs is joined to a page of cases, not to all that are sorted for it.
    found = [pk for part in _parts(user, filters) for pk in _places(part, after, is_dated=is_dated)]
    order = BY_DATE if is_dated else ORDER
    cases = list(_for_rows(user, Case.objects.filter(pk__in=found)).order_by(*order)[: CASES_A_PAGE + 1])
    following = closed(cases[CASES_A_PAGE - 1], is_dated=is_dated) if len(cases) > CASES_A_PAGE else ""
    return CasePage(case_rows(user, cases[:CASES_A_PAGE]), following)


def _places(
    part: QuerySet[Case], after: tuple[int, float, uuid.UUID] | None, *, is_dated: bool
) -> list[uuid.UUID]:
    if is_dated:
        return _dated(part.order_by(*BY_DATE), after)
    places = part.order_by(*ORDER).values_list("pk", flat=True)
    return _after(places, after) if after else list(places[: CASES_A_PAGE + 1])


def _dated(cases: QuerySet[Case], after: tuple[int, float, uuid.UUID] | None) -> list[uuid.UUID]:
    if after:
        _, moment, pk = after
        at = datetime.fromtimestamp(moment, UTC)
        cases = cases.filter(received_at__lte=at).filter(Q(received_at__lt=at) | Q(pk__gt=pk))
    return list(cases.values_list("pk", flat=True)[: CASES_A_PAGE + 1])


def cases_by_study(user: access.Viewer, keys: Iterable[str]) -> list[CaseRow]:
    """The cases of these studies that the user may see, in the order of reading."""
    studies = [uuid.UUID(hex=key) for key in keys][:MOST_FOUND]
    return case_rows(user, list(_for_rows(user, access.cases_of(user).filter(study__in=studies))))


def _for_rows(user: access.Viewer, cases: QuerySet[Case]) -> QuerySet[Any]:
    drafts = Draft.objects.filter(study=OuterRef("study"), reader=user.pk)
    shown = cases.select_related("study__patient", "source", "claimed_by").only(*SHOWN)
    marks = {"has_draft": Exists(drafts), "is_read": _read_by(user)}
    if _keeps(user):
        # Their place does not follow from the score either (D5); readers are not told.
        again = Recheck.objects.filter(study=OuterRef("study"), status=RecheckStatus.OPEN)
        marks["is_looked_at_again"] = Exists(again)
    return shown.annotate(**marks).order_by(*ORDER)


def case_rows(user: access.Viewer, cases: Sequence[Case]) -> list[CaseRow]:
    """With the films of each, in one query."""
    films: dict[uuid.UUID, list[CaseFilm]] = {case.study_id: [] for case in cases}
    found = Instance.objects.filter(series__study__in=list(films)).order_by("created_at", "pk")
    for study, pk, view in found.values_list("series__study", "pk", "view"):
        films[study].append(CaseFilm(pk, view))
    return [CaseRow(case, films[case.study_id], is_veiled=not _keeps(user)) for case in cases]


def _after(cases: QuerySet[Case, uuid.UUID], place: tuple[int, float, uuid.UUID]) -> list[uuid.UUID]:
    """First the rest of the tier, then what is below it: each is one range of the index, however deep the page."""
    tier, priority, pk = place
    rest = cases.filter(tier=tier, priority__lte=priority).filter(Q(priority__lt=priority) | Q(pk__gt=pk))
    found = list(rest[: CASES_A_PAGE + 1])
    return found + list(cases.filter(tier__gt=tier)[: CASES_A_PAGE + 1 - len(found)])


def closed(case: Case, *, is_dated: bool = False) -> str:
    """Where the next page begins, signed, and so that nobody can read the priority in it (D2)."""
    tier, number = (DATED, case.received_at.timestamp()) if is_dated else (case.tier, case.priority)
    place = struct.pack(PLACE, tier, number, case.pk.bytes)
    nonce = salted_hmac(SALT, place, algorithm="sha256").digest()[:8]
    return signing.dumps([nonce.hex(), _masked(place, nonce).hex()], salt=SALT)


def opened(cursor: str) -> tuple[int, float, uuid.UUID]:
    try:
        nonce, masked = (bytes.fromhex(part) for part in signing.loads(cursor, salt=SALT))
    except (signing.BadSignature, ValueError) as error:
        raise DamagedCursorError(str(error)) from error
    tier, priority, pk = struct.unpack(PLACE, _masked(masked, nonce))
    return tier, priority, uuid.UUID(bytes=pk)


def _masked(place: bytes, nonce: bytes) -> bytes:
    """Each place has a mask of its own, as long as the hash that it comes from."""
    mask = salted_hmac(f"{SALT}.mask", nonce, algorithm="sha256").digest()
    return bytes(one ^ other for one, other in zip(place, mask, strict=False))


# --- how many ---


def worklist_counts(user: access.Viewer, filters: CaseFilters) -> CaseCounts:
    """Under all filters but shelf and tier, so that one sees where something is.

    Without other filters the numbers are exact: a small index holds them. With filters no index does, and to count
    tens of thousands costs more than their page; so they are counted up to `MOST_COUNTED`.
    """
    cases = _sought(user, filters, access.listed_cases_of(user)).order_by()
    off = cases_sought(user, filters).filter(status=CaseStatus.OFF) if _keeps(user) else Case.objects.none()
    hides_disputes = not _keeps(user)
    if filters.is_narrowed:
        mine = _mine(user, filters, cases)
        return _counted(mine, cases, off, limit=MOST_COUNTED, hides_disputes=hides_disputes)
    by_status: dict[str, dict[int, int]] = {}
    for stands, tier, is_disputed, n in cases.values_list("status", "tier", "is_disputed").annotate(
        n=Count("*")
    ):
        status = CaseStatus.DONE if hides_disputes and is_disputed else stands
        tiers = by_status.setdefault(status, {})
        tiers[tier] = tiers.get(tier, 0) + n
    return CaseCounts(
        waiting=sum(by_status.get(CaseStatus.OPEN, {}).values()),
        mine=_n_mine(user),
        done=sum(by_status.get(CaseStatus.DONE, {}).values()),
        off=off.count(),
        tiers=dict(sorted(by_status.get(CaseStatus.OPEN, {}).items())),
    )


def _counted(
    mine: QuerySet[Case], cases: QuerySet[Case], off: QuerySet[Case], *, limit: int, hides_disputes: bool
) -> CaseCounts:
    """No number is counted beyond the first one that is more than `limit`."""

    def n(found: QuerySet[Case]) -> int:
        return found[: limit + 1].count()

    # In the order of the list, a tier is one range of its index, even where the planner guesses its size wrongly.
    waiting = cases.filter(status=CaseStatus.OPEN).order_by(*ORDER)
    n_disputed = 0
    if hides_disputes:
        waiting = waiting.filter(is_disputed=False)
        n_disputed = n(_disputed(cases))
    tiers = {tier: n(waiting.filter(tier=tier)) for tier in Tier.ALL}
    return CaseCounts(
        waiting=min(sum(tiers.values()), limit + 1),
        mine=n(mine),
        done=min(n(cases.filter(status=CaseStatus.DONE)) + n_disputed, limit + 1),
        off=n(off.order_by()),
        tiers={tier: number for tier, number in tiers.items() if number},
        limit=limit,
    )


def _n_mine(user: access.Viewer) -> int:
    """From what the reader did alone: no case is asked but the few that were taken off."""
    off = Case.objects.filter(status=CaseStatus.OFF, study__in=_touched_by(user))
    return _touched_by(user).count() - off.count()


def n_read_today() -> int:
    """Studies that readers of this site have read since midnight."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    reads = Read.objects.filter(reader__isnull=False, created_at__gte=midnight)
    return reads.exclude(status=ReadStatus.TAKEN_BACK).values("study").distinct().count()


def has_cases(user: access.Viewer) -> bool:
    return access.cases_of(user).exists()


def saved_filters(user: User) -> list[SavedFilter]:
    return list(SavedFilter.objects.filter(user=user))
