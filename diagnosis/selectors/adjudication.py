"""What adjudicators settled lately, with where each label comes from."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from diagnosis import access
from diagnosis.models import Case, Read, User
from diagnosis.states import LabelRule, LabelState, ReadKind

MOST_SETTLED = 20


@dataclass(frozen=True)
class Settled:
    """A case, the reads that differed, and the verdict on them."""

    case: Case
    reads: list[Read]
    verdict: Read | None


def settled_lately(user: access.Viewer) -> list[Settled]:
    """Newest first, for administrators: labels that rest on a verdict, with the reads that they rest on."""
    if not (isinstance(user, User) and user.is_administrator):
        return []
    settled = access.cases_of(user).filter(
        derived__rule=LabelRule.ADJUDICATED, derived__state=LabelState.DECIDED
    )
    related = settled.select_related("study", "derived__protocol__cohort")
    cases = [case for case in related.order_by("-derived__at", "pk")[: 2 * MOST_SETTLED] if case.derived]
    keys = {key for case in cases for key in _keys(case)}
    reads = Read.objects.filter(pk__in=keys).select_related("reader").in_bulk()
    found = [_settled(case, [reads[key] for key in _keys(case) if key in reads]) for case in cases]
    # Readers may agree under this rule without anybody's verdict.
    return [one for one in found if one.verdict][:MOST_SETTLED]


def _keys(case: Case) -> list[UUID]:
    return [UUID(key) for key in case.derived.reads] if case.derived else []


def _settled(case: Case, reads: list[Read]) -> Settled:
    verdict = next((read for read in reads if read.kind == ReadKind.VERDICT), None)
    return Settled(case, [read for read in reads if read is not verdict], verdict)
