"""Who settles cases on which readers differ: what they are told, and what is said where nobody can."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from diagnosis import access
from diagnosis.models import Case, Exposure, Notice, Protocol, Read, User
from diagnosis.services import notices, protocols
from diagnosis.states import CaseStatus, NoticeKind, ReadKind, ReadStatus
from diagnosis.texts import adjudication as words

# --- who is told ---


def announce() -> int:
    """Tell those who may settle something that it waits: one unread notice a person, with a number that is kept true.

    A dispute is told of once the reads that it rests on are final. Who has read a case is told nothing of it.
    """
    unread = Notice.objects.filter(kind=NoticeKind.CASES_TO_SETTLE, read_at=None)
    people = set(unread.values_list("user", flat=True))
    if Case.objects.filter(is_disputed=True, status=CaseStatus.OPEN).exists():
        people |= {one.pk for one in adjudicators()}
    return sum(_tell(person) for person in sorted(people))


def adjudicators() -> list[User]:
    """Radiologists who settle anything: marked, or named by a protocol that holds."""
    named = {
        person.pk
        for fit in protocols.in_force()
        if protocols.needs_adjudicator(fit.protocol)
        for person in fit.protocol.adjudicators.all()
    }
    return [one for one in protocols.active_readers() if one.is_adjudicator or one.pk in named]


@transaction.atomic
def _tell(pk: int) -> bool:
    """Whether they were told of something new. Of two that sweep at once, the second waits and finds the notice."""
    person = User.objects.select_for_update().get(pk=pk)
    told = Notice.objects.filter(user=person, kind=NoticeKind.CASES_TO_SETTLE).order_by("-created_at").first()
    ended = timezone.now() - timedelta(seconds=settings.UNDO_READ_S)
    waiting = access.cases_to_settle_of(person).filter(derived__at__lte=ended)
    n = waiting.count()
    if told is not None and told.read_at is None:
        _keep_true(told, n)
        return False
    # What began to wait in the last seconds before that notice was not in its number.
    new = waiting.filter(derived__at__gt=_counted_until(told)) if told else waiting
    if not new.exists():
        return False
    notices.tell([person], NoticeKind.CASES_TO_SETTLE, words.waiting(n), address=reverse("adjudications"))
    return True


def _counted_until(notice: Notice) -> datetime:
    return notice.created_at - timedelta(seconds=settings.UNDO_READ_S)


def _keep_true(notice: Notice, n: int) -> None:
    if not n:
        notices.mark_read(notice)
    elif notice.text != words.waiting(n):
        Notice.objects.filter(pk=notice.pk, read_at=None).update(text=words.waiting(n))


# --- who may settle what, in words ---


def able(protocol: Protocol) -> list[User]:
    """Radiologists whom a protocol names, else all who are marked."""
    named = {person.pk for person in protocol.adjudicators.all()}
    return [one for one in protocols.active_readers() if (one.pk in named if named else one.is_adjudicator)]


def who_settles() -> list[tuple[str, str]]:
    """By cohort, in the order in which cohorts are asked: who settles its cases, by their numbers."""
    asked = [fit for fit in protocols.in_force() if protocols.needs_adjudicator(fit.protocol)]
    return [(fit.cohort.name, _numbers(able(fit.protocol))) for fit in asked]


def standing_of(cases: Iterable[Case]) -> dict[UUID, tuple[int, str]]:
    """By case: how many can settle it, and the sentence that says so, or why nobody can and what to do."""
    cases = list(cases)
    people = {case.protocol_id: able(case.protocol) for case in cases if case.protocol}
    barred = _barred([case.study_id for case in cases])
    return {case.pk: _standing(case, people.get(case.protocol_id, []), barred) for case in cases}


def _standing(case: Case, people: list[User], barred: set[tuple[UUID, int, bool]]) -> tuple[int, str]:
    if not people:
        is_named = case.protocol is not None and case.protocol.adjudicators.exists()
        return 0, words.NAMED_CANNOT if is_named else words.NOBODY_IS_NAMED
    hides = case.protocol is None or case.protocol.hides_ai
    n = sum(
        (case.study_id, one.pk, False) not in barred
        and not (hides and (case.study_id, one.pk, True) in barred)
        for one in people
    )
    return (n, words.can_settle(n)) if n else (0, words.all_barred(len(people)))


def _barred(studies: list[UUID]) -> set[tuple[UUID, int, bool]]:
    """(study, person, whether by the AI's answer): who has read it, and who was shown what the AI said."""
    reads = Read.objects.filter(study__in=studies, reader__isnull=False).exclude(status=ReadStatus.TAKEN_BACK)
    read = reads.exclude(kind=ReadKind.VERDICT).values_list("study", "reader")
    shown = Exposure.objects.filter(study__in=studies).values_list("study", "user").distinct()
    return {(study, person, False) for study, person in read if person} | {
        (study, person, True) for study, person in shown
    }


def _numbers(people: list[User]) -> str:
    numbers = [one.reader_name for one in people if one.reader_number is not None]
    return words.adjudicators(sorted(numbers), len(people) - len(numbers))
