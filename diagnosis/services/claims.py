"""Who has which case open, so that two readers never open the same one unknowingly. A claim ends by itself."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, Max, OuterRef, Q, QuerySet
from django.utils import timezone

from diagnosis import access
from diagnosis.models import Case, Event, Exposure, Read, Recheck, ReviewRequest, User
from diagnosis.services import worklist
from diagnosis.states import CaseStatus, ReadChange, ReadKind, ReadStatus, RecheckStatus, ReviewStatus

# In this order cases are read (rule D3); an index holds it.
ORDER = ("tier", "-priority", "pk")
# Of so many at the top one is taken before they are looked up again.
CANDIDATES = 10


class ClaimedError(Exception):
    """Another reader has the case open, until then at least."""

    def __init__(self, holder: User, until: datetime) -> None:
        super().__init__(f"{holder.reader_name} has it open until {until:%H:%M} UTC")
        self.holder = holder
        self.until = until


def claim(case: Case, *, by: User) -> Case:
    """Open a case for a reader, or hold on to it. Raises ClaimedError while another has it open."""
    number_of(by)
    taken = _take(Case.objects.filter(pk=case.pk), by=by)
    case.refresh_from_db()
    if not taken:
        if case.claimed_by and case.claim_until and case.is_claimed:
            raise ClaimedError(case.claimed_by, case.claim_until)
        return claim(case, by=by)  # it has just become free
    return case


def renew(case: Case, *, by: User) -> bool:
    """Hold on to a case for another while. False: it is not one's own any more."""
    held = Case.objects.filter(pk=case.pk, claimed_by=by)
    return bool(held.update(claim_until=_until()))


def release(case: Case, *, by: User) -> bool:
    """Let others have it. False: it was not one's own."""
    return bool(_let_go(Case.objects.filter(pk=case.pk, claimed_by=by)))


def release_all(*, by: User) -> int:
    """Let others have all that a reader has open."""
    return _let_go(Case.objects.filter(claimed_by=by))


def next_case(*, by: User, cases: QuerySet[Case] | None = None, skip: Iterable[UUID] = ()) -> Case | None:
    """Claim the first case of `cases` (else of all) that wants this reader; None if there is none.

    `skip` holds studies. Each is taken by one guarded UPDATE: of readers that ask at once, each gets another one.
    """
    worklist.age()
    number_of(by)
    wanted = _wanted(by=by, cases=cases, skip=skip)
    while found := list(wanted.values_list("pk", flat=True)[:CANDIDATES]):
        for pk in found:
            if _take(Case.objects.filter(pk=pk, status=CaseStatus.OPEN), by=by):
                return Case.objects.select_related("study__patient", "study__team").get(pk=pk)
    return None


def peek(*, by: User, cases: QuerySet[Case] | None = None, skip: Iterable[UUID] = ()) -> Case | None:
    """What `next_case` would give, without a claim: its film may be fetched before it is wanted."""
    return _wanted(by=by, cases=cases, skip=skip).select_related("study").first()


def number_of(user: User) -> int:
    """The reader's number, R-nn, by which others know them (rule D14); given at their first claim."""
    while user.reader_number is None:
        last = User.objects.aggregate(last=Max("reader_number"))["last"] or 0
        try:
            with transaction.atomic():
                User.objects.filter(pk=user.pk, reader_number=None).update(reader_number=last + 1)
        except IntegrityError:
            continue  # another reader was faster
        user.refresh_from_db(fields=["reader_number"])
    return user.reader_number


def _wanted(*, by: User, cases: QuerySet[Case] | None, skip: Iterable[UUID]) -> QuerySet[Case]:
    """Open, free or one's own, and waiting for a read of this reader, in order. What is disputed is adjudicated."""
    some = access.cases_of(by) if cases is None else cases
    wanted = some.filter(free_for(by), _waits_for(by), status=CaseStatus.OPEN, is_disputed=False)
    return wanted.exclude(study__in=list(skip)).order_by(*ORDER)


def _waits_for(by: User) -> Q:
    """Not read by them since somebody asked for another look, and not by somebody who is to be blind and is not."""
    study = OuterRef("study")
    doubted = ReviewRequest.objects.filter(
        study=study, status=ReviewStatus.OPEN, created_at__gt=OuterRef("created_at")
    )
    exposed = Exposure.objects.filter(study=study, user=by)
    rechecked = Recheck.objects.filter(
        ~Exists(exposed), study=study, status=RecheckStatus.OPEN, at__gt=OuterRef("created_at")
    )
    # Who was shown others' reads, to settle a dispute, is no independent reader of it.
    shown = Event.objects.filter(object_id=OuterRef("pk"), new=ReadChange.SHOWN, by=by)
    own = Read.objects.filter(study=study, reader=by, status=ReadStatus.SUBMITTED).exclude(
        kind__in=[ReadKind.REPEAT, ReadKind.VERDICT]
    )
    # A case that was never placed stands under a protocol that hides the AI, as all do at first.
    is_open_to_all = Q(protocol__hides_ai=False)
    return (
        ~Q(Exists(shown))
        & ~Q(Exists(own.filter(~Exists(doubted), ~Exists(rechecked))))
        & (is_open_to_all | ~Q(Exists(exposed)) | Q(Exists(own)))
    )


def free_for(by: User) -> Q:
    """Cases that nobody else has open."""
    return Q(claimed_by=None) | Q(claimed_by=by) | Q(claim_until=None) | Q(claim_until__lte=timezone.now())


def _take(cases: QuerySet[Case], *, by: User) -> bool:
    now = timezone.now()
    if cases.filter(claimed_by=by, claim_until__gt=now).update(claim_until=_until()):
        return True
    return bool(cases.filter(free_for(by)).update(claimed_by=by, claimed_at=now, claim_until=_until()))


def _let_go(cases: QuerySet[Case]) -> int:
    return cases.update(claimed_by=None, claimed_at=None, claim_until=None)


def _until() -> datetime:
    return timezone.now() + timedelta(seconds=settings.CLAIM_S)
