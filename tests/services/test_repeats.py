"""Hidden repeats (rule D5): drawn by chance, due after a while, mixed in, dropped once they could not be blind."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from diagnosis import access, selectors
from diagnosis.models import Case, Draft, Event, Exposure, Read, Recheck, Repeat, Reply, User
from diagnosis.selectors import CaseFilters
from diagnosis.services import (
    claims,
    drafts,
    exposures,
    operations,
    reading,
    repeats,
    rounds,
    sessions,
    withdrawal,
    worklist,
)
from diagnosis.states import ReadKind, ReadStatus, RepeatStatus, Role, Shelf
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("findings")]

LONG_AGO = timedelta(days=20)


@pytest.fixture
def reader() -> User:
    return factories.UserFactory(role=Role.RADIOLOGIST)


@pytest.fixture
def other() -> User:
    return factories.UserFactory(role=Role.RADIOLOGIST)


@pytest.fixture
def every_film(monkeypatch: Any) -> None:
    """Every first read is drawn, and every repeat that is due has its turn."""
    factories.protocol(repeat_share=0.5)
    monkeypatch.setattr(repeats, "chance", lambda *words: 0.0)


def case_of(**facts: Any) -> Case:
    case = factories.CaseFactory(**facts)
    worklist.refresh(case.study)
    case.refresh_from_db()
    return case


def read_once(case: Case, reader: User, **facts: Any) -> Read:
    """A first read that was made long ago."""
    read = factories.ReadFactory(
        study=case.study, reader=reader, created_at=timezone.now() - LONG_AGO, **facts
    )
    worklist.refresh(case.study)
    return read


def repeated(case: Case, reader: User, *, due_in: timedelta = -timedelta(days=1)) -> Repeat:
    """A case that its reader has read, and that is to come once more."""
    read = read_once(case, reader)
    return Repeat.objects.create(study=case.study, reader=reader, first=read, due_at=timezone.now() + due_in)


def submit(case: Case, reader: User, **changes: Any) -> Read:
    opened = rounds.open_case(case, by=reader)
    assert opened.draft is not None
    said = {"answer": "normal"} | changes
    return reading.submit(case, by=reader, version=opened.draft.version, changes=said)


def show_ai(case: Case, user: User) -> None:
    prediction = factories.PredictionFactory(analysis__instance__series__study=case.study)
    exposures.note(user, [prediction])


# --- drawn ---


def test_about_the_share_of_the_protocol_is_drawn_and_the_same_ones_when_asked_again(reader):
    factories.protocol(repeat_share=0.3)
    reads = [read_once(case_of(), reader) for _ in range(120)]
    drawn = {read.pk for read in reads if repeats.draw(read)}
    # Five standard deviations to either side: a wrong share fails, chance does not.
    assert 11 <= len(drawn) <= 61
    assert {read.pk for read in reads if repeats.draw(read)} == drawn
    assert Repeat.objects.count() == len(drawn)


def test_a_protocol_without_a_share_draws_none(reader):
    assert not any(repeats.draw(read_once(case_of(), reader)) for _ in range(20))


def test_a_repeat_is_due_some_days_after_its_first_read(reader, every_film, settings):
    settings.REPEAT_AFTER_DAYS = 9
    read = read_once(case_of(), reader)
    repeat = repeats.draw(read)
    assert (repeat.first, repeat.reader, repeat.due_at) == (read, reader, read.created_at + timedelta(days=9))


def test_a_read_that_became_final_is_drawn_and_one_that_was_taken_back_is_not(reader, every_film, settings):
    kept, regretted = submit(case_of(), reader), submit(case_of(), reader)
    reading.announce()
    assert not Repeat.objects.exists()  # both may still be taken back
    reading.take_back(regretted, by=reader)
    Read.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    reading.announce()
    assert Repeat.objects.get().first == kept


@pytest.mark.parametrize("why", ["revision", "not blinded", "revealed", "demo", "shown since", "an import"])
def test_what_could_not_be_blind_is_not_drawn(why, reader, every_film):
    case = case_of()
    facts = {
        "revision": {"kind": ReadKind.REVISION},
        "not blinded": {"is_blinded": False},
        "revealed": {"revealed_at": timezone.now()},
        "an import": {"reader": None, "source": factories.SourceFactory()},
    }.get(why, {})
    read = factories.ReadFactory(**{"study": case.study, "reader": reader} | facts)
    if why == "demo":
        read.study.is_demo = True
    if why == "shown since":
        show_ai(case, reader)
    assert repeats.draw(read) is None


# --- due ---


def test_it_is_due_for_its_reader_alone_and_only_from_its_day_on(reader, other):
    now, later = case_of(), case_of()
    repeated(now, reader)
    repeated(later, reader, due_in=timedelta(days=1))
    assert list(repeats.due_for(reader)) == [now]
    assert list(repeats.due_for(other)) == []


def test_what_another_reader_has_open_or_was_taken_off_the_list_waits(reader, other):
    held, off = case_of(), case_of()
    repeated(held, reader)
    repeated(off, reader)
    claims.claim(held, by=other)
    worklist.leave(off.study, by=None, reason="not a chest")
    assert list(repeats.due_for(reader)) == []
    claims.release(held, by=other)
    assert list(repeats.due_for(reader)) == [held]


@pytest.mark.parametrize("why", ["a doubt", "a recheck"])
def test_a_case_that_somebody_wants_read_again_is_read_and_not_repeated(why, reader):
    case = case_of()
    repeated(case, reader)
    if why == "a doubt":
        factories.ReviewRequestFactory(study=case.study)
    else:
        Recheck.objects.create(study=case.study, batch=uuid.uuid4(), is_suspected=True)
    assert list(repeats.due_for(reader)) == []
    assert submit(case, reader).kind == ReadKind.FIRST


# --- mixed in ---


def test_a_repeat_comes_before_a_new_case_where_it_has_its_turn_and_is_claimed(reader, every_film):
    new, old = case_of(), case_of()
    repeated(old, reader)
    assert rounds.peek(by=reader) == old
    assert rounds.next_case(by=reader) == old
    old.refresh_from_db()
    assert old.claimed_by == reader
    assert rounds.next_case(by=reader, leaving=old.study_id) == new


def test_where_it_has_no_turn_a_new_case_comes(reader, monkeypatch):
    monkeypatch.setattr(repeats, "chance", lambda *words: 0.99)
    new, old = case_of(), case_of()
    repeated(old, reader)
    assert rounds.peek(by=reader) == rounds.next_case(by=reader) == new


def test_where_nothing_new_is_left_no_repeat_comes_as_it_would_stand_out(reader, every_film):
    repeated(case_of(), reader)
    assert rounds.peek(by=reader) is None
    assert rounds.next_case(by=reader) is None


def test_the_case_left_just_now_and_what_was_skipped_do_not_come_again_at_once(reader, every_film):
    new, old = case_of(), case_of()
    repeated(old, reader)
    assert rounds.next_case(by=reader, leaving=old.study_id) == new
    claims.release_all(by=reader)
    assert rounds.next_case(by=reader, skipped={old.study_id}) == new


def test_a_session_keeps_to_its_filters_and_unread_ones_include_a_repeat(reader, every_film):
    new, old = case_of(), case_of()
    repeated(old, reader)
    session = sessions.start(by=reader, query=f"search={new.study.number}")
    assert rounds.peek(by=reader) == new
    sessions.end(session, by=reader)
    sessions.start(by=reader, query="unread=on")
    assert rounds.peek(by=reader) == old


def test_repeats_come_at_places_that_nobody_can_foresee_and_looking_ahead_tells_the_same(reader):
    turns = []
    for _ in range(60):
        leaving = uuid.uuid4()
        turn = repeats.has_turn(reader, leaving=leaving)
        assert turn == repeats.has_turn(reader, leaving=leaving)
        turns.append(turn)
    assert 5 < sum(turns) < 45


def test_the_case_that_is_read_changes_nothing_of_what_comes_after_it(reader):
    """The film that was fetched ahead is the one that opens."""
    for _ in range(20):
        case = case_of()
        ahead = repeats.has_turn(reader, leaving=case.study_id)
        submit(case, reader)
        assert repeats.has_turn(reader, leaving=case.study_id) == ahead


# --- read once more ---


def test_what_is_said_of_a_repeat_stands_beside_the_first_read(reader):
    case = case_of()
    repeat = repeated(case, reader)
    read = submit(case, reader, answer="normal")
    repeat.refresh_from_db()
    assert (read.kind, read.supersedes, read.is_blinded) == (ReadKind.REPEAT, None, True)
    assert (repeat.status, repeat.read) == (RepeatStatus.DONE, read)
    assert repeat.first.status == ReadStatus.SUBMITTED
    case.refresh_from_db()
    assert (case.n_reads, case.label) == (1, "covid")


def test_before_its_day_a_read_by_the_address_is_a_read_and_the_repeat_is_dropped(reader):
    case = case_of()
    repeat = repeated(case, reader, due_in=timedelta(days=3))
    read = submit(case, reader)
    assert (read.kind, read.supersedes) == (ReadKind.FIRST, repeat.first)
    repeats.sweep()
    repeat.refresh_from_db()
    assert repeat.status == RepeatStatus.DROPPED


def test_a_draft_that_was_begun_before_its_day_stays_what_it_was(reader):
    case = case_of()
    repeat = repeated(case, reader)
    factories.DraftFactory(
        study=case.study, reader=reader, comment="again", opened_at=repeat.due_at - timedelta(hours=1)
    )
    assert list(repeats.due_for(reader)) == []
    assert submit(case, reader).kind == ReadKind.FIRST


def test_a_repeat_that_was_taken_back_is_open_again_with_its_draft(reader):
    case = case_of()
    repeat = repeated(case, reader)
    read = submit(case, reader, answer="atypical")
    draft = reading.take_back(read, by=reader)
    repeat.refresh_from_db()
    assert (repeat.status, repeat.read, draft.answer) == (RepeatStatus.OPEN, None, "atypical")
    assert submit(case, reader).kind == ReadKind.REPEAT


def test_a_window_whose_draft_is_gone_is_not_told_of_the_first_read(reader):
    case = case_of()
    repeated(case, reader)
    rounds.open_case(case, by=reader)
    Draft.objects.all().delete()
    assert drafts.save(case, by=reader, version=1, changes={"answer": "normal"}).answer == "normal"


def test_a_repeat_that_was_submitted_is_not_submitted_twice(reader):
    case = case_of()
    repeated(case, reader)
    read = submit(case, reader)
    with pytest.raises(drafts.AlreadyReadError) as already:
        reading.submit(case, by=reader, version=1, changes={"answer": "normal"})
    assert already.value.read == read


def test_that_somebody_else_has_read_the_case_meanwhile_does_not_stand_in_its_way(reader, other):
    case = case_of()
    repeated(case, reader)
    draft = rounds.open_case(case, by=reader).draft
    Case.objects.update(claim_until=timezone.now())
    factories.ReadFactory(study=case.study, reader=other)
    read = reading.submit(case, by=reader, version=draft.version, changes={"answer": "normal"})
    assert read.kind == ReadKind.REPEAT


def test_a_session_counts_it_even_beside_its_first_read(reader):
    session = sessions.start(by=reader)
    case = case_of()
    first = submit(case, reader)
    Repeat.objects.create(study=case.study, reader=reader, first=first, due_at=timezone.now())
    submit(case, reader)
    assert sessions.n_read(session) == 2
    assert selectors.n_own_today(reader) == 2


def test_a_repeat_is_nobodys_answer_and_reaches_no_team(reader, clinician, team):
    case = case_of(study__team=team)
    repeated(case, reader)
    read = submit(case, reader, answer="atypical")
    Read.objects.filter(pk=read.pk).update(created_at=timezone.now() - timedelta(minutes=1))
    show_ai(case, clinician)
    reading.announce()
    read.refresh_from_db()
    assert read.announced_at is not None
    assert not Reply.objects.filter(read=read).exists()
    assert [answer.read.kind for answer in selectors.reader_answers(clinician, case.study)] == ["first"]
    assert [one.kind for one in access.reads_of(clinician)] == ["first"]
    assert not Repeat.objects.filter(first=read).exists()


# --- seen nowhere ---


def test_while_it_is_due_it_is_neither_on_mine_nor_marked_as_read(reader):
    case, known = case_of(), case_of()
    repeat = repeated(case, reader)
    read_once(known, reader)
    mine = CaseFilters(shelf=Shelf.MINE)
    rounds.open_case(case, by=reader)  # the claim and the draft tell no more than the read
    assert list(selectors.cases_on_shelf(reader, mine)) == [known]
    assert selectors.worklist_counts(reader, CaseFilters()).mine == 1
    rows = selectors.cases_by_study(reader, [case.study_id.hex, known.study_id.hex])
    assert {row.case: row.case.is_read for row in rows} == {case: False, known: True}
    submit(case, reader)
    repeat.refresh_from_db()
    assert set(selectors.cases_on_shelf(reader, mine)) == {case, known}


def test_another_readers_lists_know_nothing_of_it(reader, other):
    case = case_of()
    repeated(case, reader)
    read_once(case, other)
    assert list(selectors.cases_on_shelf(other, CaseFilters(shelf=Shelf.MINE))) == [case]
    assert selectors.cases_by_study(other, [case.study_id.hex])[0].case.is_read


def test_it_is_no_prior_for_its_reader_from_the_draw_on(reader, other):
    patient = factories.PatientFactory()
    before, now = (
        factories.CaseFactory(study__patient=patient, study__acquired_date=day)
        for day in ("20260101", "20260201")
    )
    film = factories.InstanceFactory(series__study=before.study)
    repeat = repeated(before, reader, due_in=timedelta(days=3))
    assert selectors.priors_of(reader, now.study) == []
    assert [prior.instance for prior in selectors.priors_of(other, now.study)] == [film]
    repeat.move(RepeatStatus.OPEN, RepeatStatus.DROPPED)
    assert [prior.instance for prior in selectors.priors_of(reader, now.study)] == [film]


# --- dropped ---


@pytest.mark.parametrize(
    "event",
    [
        lambda repeat: User.objects.filter(pk=repeat.reader_id).update(role=Role.CLINICIAN),
        lambda repeat: User.objects.filter(pk=repeat.reader_id).update(is_active=False),
        lambda repeat: show_ai(repeat.study.case, repeat.reader),
        lambda repeat: withdrawal.withdraw(repeat.study, by=repeat.study.uploaded_by, reason="another's"),
        lambda repeat: repeat.first.move(ReadStatus.SUBMITTED, ReadStatus.SUPERSEDED),
    ],
    ids=["role lost", "account closed", "AI shown", "withdrawn", "superseded"],
)
def test_what_can_tell_nothing_any_more_is_never_given_out_and_dropped_by_the_sweep(event, reader):
    case = case_of()
    repeat = repeated(case, reader)
    event(repeat)
    assert list(repeats.due_for(reader)) == []
    assert repeats.of_case(case.study_id, by=reader) is None
    operations.sweep()
    repeat.refresh_from_db()
    assert repeat.status == RepeatStatus.DROPPED
    assert Event.objects.filter(object_id=repeat.pk, new=RepeatStatus.DROPPED).count() == 1
    assert repeats.sweep() == 0


def test_the_sweep_leaves_what_is_good(reader):
    repeat = repeated(case_of(), reader)
    assert repeats.sweep() == 0
    repeat.refresh_from_db()
    assert repeat.status == RepeatStatus.OPEN


def test_ai_output_shown_while_a_repeat_is_open_makes_it_a_revision_and_the_first_read_still_counts(reader):
    case = case_of()
    repeated(case, reader)
    rounds.open_case(case, by=reader)
    show_ai(case, reader)
    read = submit(case, reader, answer="normal")
    case.refresh_from_db()
    assert (read.kind, read.is_blinded, Exposure.objects.count()) == (ReadKind.REVISION, False, 1)
    assert (case.n_reads, case.label) == (1, "covid")


def test_a_newer_first_read_may_be_drawn_in_place_of_the_one_that_it_replaces(reader, every_film):
    case = case_of()
    early = repeated(case, reader, due_in=timedelta(days=3))
    read = submit(case, reader)
    fresh = repeats.draw(read)
    early.refresh_from_db()
    assert (early.status, fresh.first, fresh.status) == (RepeatStatus.DROPPED, read, RepeatStatus.OPEN)
