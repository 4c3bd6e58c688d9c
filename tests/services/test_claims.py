"""Two readers never have one case open unknowingly. tests/test_postgres.py runs the same on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from diagnosis import access
from diagnosis.models import Case, Event, Read, User
from diagnosis.services import claims, rounds, worklist
from diagnosis.states import CaseStatus, LabelRule, ReadChange, ReadStatus, Role
from tests import factories
from tests.services.test_races import N_THREADS, each_at_once

# Threads see what is committed only.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def reader() -> User:
    return factories.UserFactory(role=Role.RADIOLOGIST)


@pytest.fixture
def other() -> User:
    return factories.UserFactory(role=Role.RADIOLOGIST)


def listed(n: int = 1) -> list[Case]:
    """Cases in the order in which they are read."""
    studies = [factories.StudyFactory() for _ in range(n)]
    worklist.enter_all(studies)
    return list(Case.objects.order_by(*claims.ORDER))


def expire(case: Case) -> None:
    Case.objects.filter(pk=case.pk).update(claim_until=timezone.now())


# --- one case ---


def test_a_claim_holds_for_a_while_and_says_who(reader, other, settings):
    (case,) = listed()
    assert claims.claim(case, by=reader) is case
    assert case.is_claimed and case.claimed_by == reader
    ends = case.claimed_at + timedelta(seconds=settings.CLAIM_S)
    assert abs(case.claim_until - ends) < timedelta(seconds=5)
    with pytest.raises(claims.ClaimedError) as held:
        claims.claim(Case.objects.get(), by=other)
    assert (held.value.holder, held.value.until) == (reader, case.claim_until)
    assert "R-01" in str(held.value) and reader.username not in str(held.value)
    assert Case.objects.get().claimed_by == reader


def test_who_claims_again_holds_on_since_the_first_time(reader):
    (case,) = listed()
    first = claims.claim(case, by=reader).claimed_at
    Case.objects.update(claim_until=timezone.now() + timedelta(seconds=5))
    claims.claim(case, by=reader)
    assert case.claimed_at == first and case.claim_until > timezone.now() + timedelta(seconds=60)


def test_a_claim_that_has_run_out_is_free_for_others(reader, other):
    (case,) = listed()
    claims.claim(case, by=reader)
    expire(case)
    assert claims.claim(Case.objects.get(), by=other).claimed_by == other
    assert not claims.renew(case, by=reader) and not claims.release(case, by=reader)
    with pytest.raises(claims.ClaimedError):
        claims.claim(case, by=reader)
    assert Case.objects.get().claimed_by == other


def test_a_claim_that_has_run_out_and_that_nobody_wanted_is_renewed(reader):
    (case,) = listed()
    claims.claim(case, by=reader)
    expire(case)
    assert claims.renew(case, by=reader) and Case.objects.get().is_claimed


def test_renewing_is_for_who_holds_it(reader, other):
    (case,) = listed()
    assert not claims.renew(case, by=reader)
    claims.claim(case, by=reader)
    assert claims.renew(case, by=reader) and not claims.renew(case, by=other)


def test_what_is_released_is_free_at_once(reader, other):
    (case,) = listed()
    claims.claim(case, by=reader)
    assert not claims.release(case, by=other) and Case.objects.get().claimed_by == reader
    assert claims.release(case, by=reader)
    assert Case.objects.get().claimed_at is None
    assert claims.claim(case, by=other).claimed_by == other


def test_a_reader_who_leaves_lets_go_of_all_at_once(reader, other):
    cases = listed(3)
    for case in cases[:2]:
        claims.claim(case, by=reader)
    claims.claim(cases[2], by=other)
    assert claims.release_all(by=reader) == 2
    assert [case.claimed_by for case in Case.objects.exclude(claimed_by=None)] == [other]


# --- the next one ---


def test_cases_come_one_by_one_in_their_order(reader, other):
    first, second, third = listed(3)
    assert claims.peek(by=reader) == first
    assert not Case.objects.exclude(claimed_by=None).exists()
    assert claims.next_case(by=reader) == first
    assert claims.next_case(by=other) == second
    # What one has open comes again, unless it is to be passed over.
    assert claims.next_case(by=reader) == first
    assert claims.next_case(by=reader, skip=[first.study_id]) == third
    assert claims.peek(by=other, skip=[second.study_id]) is None
    assert claims.next_case(by=other, skip=[second.study_id]) is None


def test_what_others_hold_comes_once_their_claim_has_run_out(reader, other):
    (case,) = listed()
    claims.claim(case, by=other)
    assert claims.next_case(by=reader) is None
    expire(case)
    assert claims.peek(by=reader) == case and claims.next_case(by=reader) == case


def test_done_off_and_withdrawn_cases_are_not_next(reader):
    done, off, withdrawn = listed(3)
    factories.ReadFactory(study=done.study)
    worklist.refresh(done.study)
    worklist.leave(off.study, by=reader, reason="a phantom")
    type(withdrawn.study).objects.filter(pk=withdrawn.study_id).update(status="withdrawn")
    assert claims.next_case(by=reader) is None and claims.peek(by=reader) is None


def test_what_a_reader_has_read_is_left_to_others(reader, other):
    factories.protocol(n_readers=2, rule=LabelRule.UNANIMOUS)
    (case,) = listed()
    made = factories.ReadFactory(study=case.study, reader=reader)
    worklist.refresh(case.study)
    assert claims.next_case(by=reader) is None and claims.peek(by=other) == case
    made.move(ReadStatus.SUBMITTED, ReadStatus.TAKEN_BACK)
    assert claims.next_case(by=reader) == case


def test_a_reader_looks_again_at_what_a_clinician_doubts(reader):
    (case,) = listed()
    factories.ReadFactory(study=case.study, reader=reader)
    factories.ReviewRequestFactory(study=case.study)
    worklist.refresh(case.study)
    assert claims.next_case(by=reader) == case
    again = Read.objects.get()
    again.move(ReadStatus.SUBMITTED, ReadStatus.SUPERSEDED)
    factories.ReadFactory(study=case.study, reader=reader)
    worklist.refresh(case.study)
    assert claims.next_case(by=reader) is None


def test_only_cases_of_the_list_that_is_given_are_next(reader):
    cases = listed(3)
    some = access.cases_of(reader).filter(pk=cases[2].pk).order_by("received_at")
    assert claims.peek(by=reader, cases=some) == cases[2]
    assert claims.next_case(by=reader, cases=some) == cases[2]
    assert claims.next_case(by=reader, cases=some.none()) is None


def test_clinicians_have_no_next_case():
    listed()
    assert claims.next_case(by=factories.UserFactory()) is None


# --- numbers ---


def test_a_reader_gets_a_number_at_the_first_claim_and_keeps_it(reader, other):
    cases = listed(2)
    assert reader.reader_number is None
    claims.claim(cases[0], by=reader)
    claims.next_case(by=other)
    assert (reader.reader_name, other.reader_name) == ("R-01", "R-02")
    assert [claims.number_of(User.objects.get(pk=user.pk)) for user in (other, reader)] == [2, 1]


def test_many_readers_at_once_get_a_number_each_without_gaps():
    readers = factories.UserFactory.create_batch(2 * N_THREADS, role=Role.RADIOLOGIST)
    found = each_at_once([partial(claims.number_of, reader) for reader in readers])
    assert sorted(found) == list(range(1, 2 * N_THREADS + 1))
    # The same reader in two windows.
    late = factories.UserFactory(role=Role.RADIOLOGIST)
    windows = [User.objects.get(pk=late.pk) for _ in range(N_THREADS)]
    assert set(each_at_once([partial(claims.number_of, window) for window in windows])) == {2 * N_THREADS + 1}


# --- races ---


def won(case: Case, reader: User) -> bool:
    try:
        return claims.claim(Case.objects.get(pk=case.pk), by=reader).claimed_by == reader
    except claims.ClaimedError as held:
        return held.holder == reader


@pytest.mark.parametrize("turn", range(5))
def test_one_reader_wins_a_case_and_all_others_hear_who(turn):
    (case,) = listed()
    readers = factories.UserFactory.create_batch(N_THREADS, role=Role.RADIOLOGIST)
    answers = each_at_once([partial(won, case, reader) for reader in readers])
    assert answers.count(True) == 1
    assert Case.objects.get().claimed_by == readers[answers.index(True)]


@pytest.mark.parametrize("turn", range(3))
def test_readers_who_ask_at_once_get_another_case_each(turn):
    cases = listed(N_THREADS + 2)
    readers = factories.UserFactory.create_batch(N_THREADS, role=Role.RADIOLOGIST)
    found = each_at_once([partial(claims.next_case, by=reader) for reader in readers])
    assert len({case.pk for case in found}) == N_THREADS
    # Nobody was sent further down than there are readers.
    assert {case.pk for case in found} == {case.pk for case in cases[:N_THREADS]}
    for case, reader in zip(found, readers, strict=True):
        assert Case.objects.get(pk=case.pk).claimed_by == reader


def test_with_fewer_cases_than_readers_some_get_none():
    cases = listed(3)
    readers = factories.UserFactory.create_batch(N_THREADS, role=Role.RADIOLOGIST)
    found = each_at_once([partial(claims.next_case, by=reader) for reader in readers])
    assert sorted(case.pk for case in found if case) == sorted(case.pk for case in cases)


def test_a_film_that_is_analysed_while_it_is_read_is_done_in_the_end(reader):
    """Whoever is last to work out the case has seen the read."""
    for _ in range(3):
        (case,) = [case for case in listed() if case.status == CaseStatus.OPEN]
        study = case.study

        def submit(study: Any = study) -> None:
            factories.ReadFactory(study=study, reader=reader)
            worklist.refresh(study)

        refreshes: list[Callable[[], None]] = [partial(worklist.refresh, study)] * (N_THREADS - 1)
        each_at_once([*refreshes[:3], submit, *refreshes[3:]])
        found = Case.objects.get(pk=case.pk)
        assert (found.status, found.n_reads) == (CaseStatus.DONE, 1)


def test_who_was_shown_the_reads_to_settle_them_is_no_reader_of_the_case(reader, other):
    (case,) = listed()
    Event.record(case, "", ReadChange.SHOWN, by=reader)
    assert claims.next_case(by=reader) is None and claims.peek(by=reader) is None
    assert claims.peek(by=other) == case


def test_the_case_that_a_reader_left_open_is_the_one_they_held_on_to_last(reader):
    """Not the one that was claimed last: who opens a case again that is theirs has claimed it before."""
    left, current, first = listed(3)
    for case in (current, left):
        claims.claim(case, by=reader)
    claims.claim(current, by=reader)
    assert rounds.opened_last(by=reader, leaving=first.study_id) == current
