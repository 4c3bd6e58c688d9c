"""Where readers differ: somebody who has not read the case settles it, with a reason. The reads stay as they are.

A verdict is a read of its own kind; what follows from it is derived as every label is (`labels.derive`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.utils import timezone

from diagnosis import access
from diagnosis.models import Case, DerivedLabel, Draft, Event, Exposure, Read, User
from diagnosis.services import claims, drafts, opinions, protocols, reading, rounds, worklist
from diagnosis.states import (
    ANSWER_TABLE,
    ANSWER_TABLES,
    CaseStatus,
    LabelState,
    ReadChange,
    ReadKind,
    ReadStatus,
)
from diagnosis.texts import adjudication as words

# The bar counts no further.
MOST_COUNTED = 100


class NotAllowedError(Exception):
    """The sentence says why somebody may not settle this case."""


class NotDisputedError(Exception):
    """There is nothing to settle any more; `verdict` is what settled it, if one did, and perhaps one's own."""

    def __init__(self, verdict: Read | None, *, by: User) -> None:
        super().__init__(f"settled by {verdict.pk}" if verdict else "not disputed")
        self.verdict = verdict
        self.is_own = verdict is not None and verdict.reader_id == by.pk


# --- what waits ---


def waiting_for(user: access.Viewer) -> QuerySet[Case]:
    """The disputed cases that this user may settle, the one that waits longest first."""
    return _in_order(access.cases_to_settle_of(user))


def n_waiting(user: access.Viewer) -> int:
    """For the bar of every page: one query, and none for those who read no films."""
    return access.cases_to_settle_of(user)[:MOST_COUNTED].count() if access.is_reader(user) else 0


def disputed(user: access.Viewer) -> QuerySet[Case]:
    """What waits for anybody, for administrators."""
    return _in_order(access.disputed_cases_of(user))


def require_open(case: Case, *, by: User) -> None:
    """Raises NotAllowedError or NotDisputedError where a user has nothing to settle."""
    why = protocols.why_not_adjudicate(by, case)
    if why:
        raise NotAllowedError(why)
    if not case.is_disputed or case.status != CaseStatus.OPEN:
        raise NotDisputedError(verdict_of(case), by=by)


def note_shown(case: Case, *, by: User) -> None:
    """The audit keeps who was shown the reads of a case: what they say of it afterwards is no independent read."""
    if not Event.objects.filter(object_id=case.pk, new=ReadChange.SHOWN, by=by).exists():
        Event.record(case, "", ReadChange.SHOWN, by=by)


def verdict_of(case: Case) -> Read | None:
    """The newest one that stands."""
    verdicts = Read.objects.filter(study=case.study_id, kind=ReadKind.VERDICT, status=ReadStatus.SUBMITTED)
    return verdicts.select_related("reader").order_by("-created_at", "-pk").first()


def next_case(*, by: User, after: datetime | None = None, leaving: UUID | None = None) -> Case | None:
    """Claim the next one that waits, in turn: those that wait shorter than `after`, then from the oldest on again."""
    if leaving is not None:
        rounds.leave(leaving, by=by)
    for case in _in_turn(by, after=after, leaving=leaving):
        try:
            return claims.claim(case, by=by)
        except claims.ClaimedError:
            continue  # another adjudicator has it open
    return None


def peek(*, by: User, after: datetime | None = None, leaving: UUID | None = None) -> Case | None:
    """What `next_case` would give, without a claim."""
    free = (case for case in _in_turn(by, after=after, leaving=leaving) if not _is_anothers(case, by))
    return next(free, None)


def disputed_since(case: Case) -> datetime | None:
    """Since when its readers differ, whoever joined them since: its place among those that wait."""
    return _with_since(Case.objects.filter(pk=case.pk)).values_list("disputed_at", flat=True).first()


def _in_order(cases: QuerySet[Case]) -> QuerySet[Case]:
    related = ("study__patient", "study__team", "protocol__cohort", "claimed_by")
    return _with_since(cases).select_related(*related).order_by("disputed_at", "pk")


def _with_since(cases: QuerySet[Case]) -> QuerySet[Any]:
    rows = DerivedLabel.objects.filter(study=OuterRef("study"))
    before = DerivedLabel.objects.filter(study=OuterRef("study")).exclude(state=LabelState.DISPUTED)
    last = before.filter(at__gte=OuterRef("at"))
    since = rows.filter(~Exists(last), state=LabelState.DISPUTED).order_by("at")
    return cases.annotate(disputed_at=Subquery(since.values("at")[:1]))


def _in_turn(by: User, *, after: datetime | None, leaving: UUID | None) -> Iterator[Case]:
    rows: QuerySet[Any] = waiting_for(by).exclude(study=leaving) if leaving else waiting_for(by)
    if after is None:
        return rows.iterator()
    return chain(
        rows.filter(disputed_at__gt=after).iterator(), rows.filter(disputed_at__lte=after).iterator()
    )


def _is_anothers(case: Case, by: User) -> bool:
    return case.is_claimed and case.claimed_by_id != by.pk


# --- the verdict ---


def decide(
    case: Case,
    *,
    by: User,
    answer: str,
    why: str,
    version: int | None = None,
    displayed_ms: int | None = None,
    **fields: Any,
) -> Read:
    """Settle a case; `fields` are those of a draft (confidence, findings, reason, comment, regions, view, active_ms).

    Raises NotAllowedError, NotDisputedError, claims.ClaimedError and what drafts.save() raises. Where something stands
    in the way, what was entered is kept in the draft.
    """
    opinions.require_displayed(displayed_ms)
    with transaction.atomic():
        # Whoever settles or reads the same case meanwhile waits here.
        case = Case.objects.select_for_update().get(pk=case.pk)
        drafts.require_here(case)
        obstacle = _obstacle(case, by)
        draft = drafts.own(case, by=by)
        if draft is None and obstacle is not None:
            raise obstacle
        if draft is None:
            # Nobody can have seen a version of it.
            draft = drafts.open_for(case, by=by)
            version = draft.version
        draft = drafts.save(
            case,
            by=by,
            version=draft.version if version is None else version,
            changes={**fields, "answer": answer, "why": why},
        )
        if obstacle is None:
            _require_complete(draft)
            return _store(case, draft)
    raise obstacle


def take_back(verdict: Read, *, by: User) -> Draft:
    """Within seconds: it is a draft again, and the case is disputed. Raises reading.TooLateError."""
    return reading.take_back(verdict, by=by)


def undoable(adjudicator: User) -> Read | None:
    """The verdict that its adjudicator can still take back."""
    since = timezone.now() - timedelta(seconds=settings.UNDO_READ_S)
    own = Read.objects.filter(
        reader=adjudicator, kind=ReadKind.VERDICT, status=ReadStatus.SUBMITTED, created_at__gt=since
    )
    return own.select_related("study").order_by("-created_at").first()


def _obstacle(case: Case, by: User) -> Exception | None:
    """As things stand now: roles, marks, protocols and reads may have changed since the case was opened."""
    worklist.refresh(case.study)
    case.refresh_from_db()
    try:
        require_open(case, by=User.objects.get(pk=by.pk))
        drafts.require_free(case, by=by)
    except (NotAllowedError, NotDisputedError, claims.ClaimedError) as obstacle:
        return obstacle
    return None


def _require_complete(draft: Draft) -> None:
    errors: dict[str, str] = {}
    try:
        opinions.require_complete(draft)
    except opinions.InvalidDraftError as invalid:
        errors = dict(invalid.errors)
    if not draft.why.strip():
        errors["why"] = words.NO_WHY
    if errors:
        raise opinions.InvalidDraftError(errors)


def _store(case: Case, draft: Draft) -> Read:
    by = draft.reader
    own = Read.objects.filter(study=draft.study_id, reader=by, status=ReadStatus.SUBMITTED)
    earlier = own.filter(kind=ReadKind.VERDICT).first()
    if earlier:
        earlier.move(ReadStatus.SUBMITTED, ReadStatus.SUPERSEDED, by=by)
    verdict = Read.objects.create(
        study=draft.study,
        reader=by,
        kind=ReadKind.VERDICT,
        why=draft.why.strip(),
        supersedes=earlier,
        label=ANSWER_TABLES[ANSWER_TABLE][draft.answer],
        answer_table=ANSWER_TABLE,
        is_blinded=not Exposure.objects.filter(study=draft.study_id, user=by).exists(),
        **{name: getattr(draft, name) for name in reading.COPIED},
    )
    Event.record(verdict, "", ReadStatus.SUBMITTED, by=by, reason=verdict.why)
    reading.keep_regions(verdict, draft)
    draft.delete()
    claims.release(case, by=by)
    worklist.refresh(verdict.study)
    return verdict
