"""What administrators do with many cases of the worklist at once. Each case tells the audit who did it, and why."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from diagnosis.models import Case, Event, User
from diagnosis.services import claims, worklist
from diagnosis.states import CaseStatus, StudyStatus

MOST = 500
FREED = "freed"


def take_off(cases: Sequence[Case], *, by: User, reason: str) -> list[Case]:
    """Who has one open loses the claim, not the draft. Returns those it took off: others had changed meanwhile."""
    return [case for case in cases if worklist.leave(case.study, by=by, reason=reason)]


def put_back(cases: Sequence[Case], *, by: User, reason: str) -> list[Case]:
    """Where they stand then follows from their reads, as ever. Returns those it put back."""
    return [case for case in cases if _put_back(case, by=by, reason=reason)]


@transaction.atomic
def _put_back(case: Case, *, by: User, reason: str) -> bool:
    is_here = case.study.status == StudyStatus.ACTIVE
    moved = is_here and case.move(CaseStatus.OFF, CaseStatus.OPEN, by=by, reason=reason)
    if moved:
        worklist.refresh(case.study)
    return moved


def free(cases: Sequence[Case], *, by: User, reason: str) -> list[Case]:
    """Let others open what a reader has open; drafts are kept. Returns those it freed."""
    return [case for case in cases if _free(case, by=by, reason=reason)]


@transaction.atomic
def _free(case: Case, *, by: User, reason: str) -> bool:
    holder = case.claimed_by
    if holder is None or not case.is_claimed or not claims.release(case, by=holder):
        return False
    Event.record(case, holder.reader_name, FREED, by=by, reason=reason)
    return True
