"""A reader's round: open a case, leave it, go on to the next one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from diagnosis import access
from diagnosis.models import Case, Draft, User
from diagnosis.services import claims, drafts, filters, repeats, sessions
from diagnosis.states import SessionStatus


@dataclass(frozen=True)
class Opened:
    """A case as its reader finds it: with a draft, or in the hands of another reader (`held`)."""

    case: Case
    draft: Draft | None
    held: claims.ClaimedError | None = None


def open_case(case: Case, *, by: User) -> Opened:
    """Claim a case, or keep it, and begin a draft. Where another has it open, an own earlier draft is still there."""
    try:
        claims.claim(case, by=by)
    except claims.ClaimedError as held:
        return Opened(case, drafts.own(case, by=by), held)
    return Opened(case, drafts.open_for(case, by=by))


def leave(study: UUID, *, by: User) -> None:
    """Let others have a case. A draft in which nothing was said yet goes; any other stays."""
    case = Case.objects.filter(study=study).first()
    if case is not None:
        claims.release(case, by=by)
        drafts.forget_empty(case, by=by)


def next_case(*, by: User, skipped: Collection[UUID] = (), leaving: UUID | None = None) -> Case | None:
    """Claim what comes next. What was skipped comes again once nothing else is left; the one left just now does not."""
    if leaving is not None:
        leave(leaving, by=by)
    for skip in _turns(skipped, leaving):
        case = _claimed_repeat(by, skip, leaving) or claims.next_case(by=by, cases=_cases(by), skip=skip)
        if case is not None:
            return case
    return None


def peek(*, by: User, skipped: Collection[UUID] = (), leaving: UUID | None = None) -> Case | None:
    """What `next_case` would give, without a claim."""
    for skip in _turns(skipped, leaving):
        case = _repeat(by, skip, leaving) or claims.peek(by=by, cases=_cases(by), skip=skip)
        if case is not None:
            return case
    return None


def opened_last(*, by: User, leaving: UUID) -> Case | None:
    """The case that a reader left open when they looked back at one before it: of those they hold, the last renewed."""
    held = access.cases_of(by).filter(claimed_by=by, claim_until__gt=timezone.now())
    return held.exclude(study=leaving).order_by("-claim_until").first()


def _claimed_repeat(by: User, skip: Collection[UUID], leaving: UUID | None) -> Case | None:
    case = _repeat(by, skip, leaving)
    if case is None:
        return None
    try:
        return claims.claim(case, by=by)
    except claims.ClaimedError:
        return None  # another reader was faster; what is new comes instead


def _repeat(by: User, skip: Collection[UUID], leaving: UUID | None) -> Case | None:
    """A repeat that is due and has its turn (rule D5). Never where nothing new is left: it would stand out."""
    if not repeats.has_turn(by, leaving=leaving):
        return None
    due = repeats.due_for(by).filter(pk__in=_cases(by).values("pk")).exclude(study__in=list(skip))
    case = due.select_related("study__patient", "study__team").first()
    if case is None or claims.peek(by=by, cases=_cases(by), skip=[*skip, case.study_id]) is None:
        return None
    return case


def _turns(skipped: Collection[UUID], leaving: UUID | None) -> list[set[UUID]]:
    left = {leaving} if leaving else set()
    return [left | set(skipped), left]


def _cases(by: User) -> QuerySet[Case]:
    """Those that the running session was started with, else all."""
    session = sessions.current(by)
    query = session.query if session and session.status == SessionStatus.RUNNING else ""
    return filters.cases_of(query, by=by) if query else access.cases_of(by)
