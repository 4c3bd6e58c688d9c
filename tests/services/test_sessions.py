"""*Read 20*: so many films in a row, paused and resumed, ended by itself (rule D12)."""

from __future__ import annotations

from functools import partial

import pytest

from diagnosis.models import Case, Draft, Event, ReadingSession, User
from diagnosis.services import claims, sessions, worklist
from diagnosis.states import ReadStatus, Role, SessionStatus
from tests import factories
from tests.services.test_races import N_THREADS, each_at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader() -> User:
    return factories.UserFactory(role=Role.RADIOLOGIST)


def held(reader: User) -> Case:
    study = factories.StudyFactory()
    worklist.enter(study)
    return claims.claim(Case.objects.get(study=study), by=reader)


def test_a_session_begins_with_what_it_is_of(reader):
    session = sessions.start(by=reader, n_wanted=5, query="source=clinic-a")
    assert (session.status, session.n_wanted, session.query) == (SessionStatus.RUNNING, 5, "source=clinic-a")
    assert sessions.current(reader) == session and sessions.n_read(session) == 0
    assert sessions.start(by=factories.UserFactory(role=Role.RADIOLOGIST)).n_wanted == 20


def test_a_pause_lets_others_have_what_was_open_and_keeps_the_draft(reader):
    case = held(reader)
    draft = factories.DraftFactory(study=case.study, reader=reader, comment="a shadow")
    session = sessions.start(by=reader)
    assert sessions.pause(session, by=reader) and not sessions.pause(session, by=reader)
    assert session.status == SessionStatus.PAUSED
    assert Case.objects.get().claimed_by is None
    assert Draft.objects.get() == draft and Draft.objects.get().comment == "a shadow"
    assert sessions.current(reader) == session


def test_a_paused_session_is_resumed_once(reader):
    session = sessions.start(by=reader)
    assert not sessions.resume(session, by=reader)
    sessions.pause(session, by=reader)
    assert sessions.resume(session, by=reader) and not sessions.resume(session, by=reader)
    assert session.status == SessionStatus.RUNNING
    moves = Event.objects.filter(kind="readingsession").order_by("pk").values_list("old", "new", "by")
    assert list(moves) == [("running", "paused", reader.pk), ("paused", "running", reader.pk)]


@pytest.mark.parametrize("is_paused", [False, True])
def test_a_session_ends_once_and_lets_go(reader, is_paused):
    session = sessions.start(by=reader)
    if is_paused:
        sessions.pause(session, by=reader)
    held(reader)
    assert sessions.end(session, by=reader) and not sessions.end(session, by=reader)
    assert not sessions.pause(session, by=reader) and not sessions.resume(session, by=reader)
    assert Case.objects.get().claimed_by is None and sessions.current(reader) is None


def test_a_stale_window_moves_nothing(reader):
    """What it shows as running was ended elsewhere; what is open by now stays open."""
    stale = sessions.start(by=reader)
    sessions.end(ReadingSession.objects.get(), by=reader)
    case = held(reader)
    assert not sessions.pause(stale, by=reader)
    case.refresh_from_db()
    assert case.claimed_by == reader


def test_a_new_session_ends_the_one_before(reader):
    before = sessions.start(by=reader)
    sessions.pause(before, by=reader)
    now = sessions.start(by=reader, n_wanted=3)
    before.refresh_from_db()
    assert before.status == SessionStatus.ENDED and sessions.current(reader) == now


def test_what_was_read_in_it_counts_once_a_study(reader):
    session = sessions.start(by=reader)
    first = factories.ReadFactory(reader=reader, session=session)
    factories.ReadFactory(reader=reader)
    assert sessions.n_read(session) == 1
    first.move(ReadStatus.SUBMITTED, ReadStatus.SUPERSEDED)
    second = factories.ReadFactory(reader=reader, session=session, study=first.study)
    assert sessions.n_read(session) == 1
    third = factories.ReadFactory(reader=reader, session=session)
    assert sessions.n_read(session) == 2
    for read in (second, third):
        read.move(ReadStatus.SUBMITTED, ReadStatus.TAKEN_BACK)
    # The first read of its study is superseded by one that does not count any more.
    assert sessions.n_read(session) == 1


def test_a_session_ends_by_itself_when_all_is_read(reader):
    session = sessions.start(by=reader, n_wanted=2)
    factories.ReadFactory(reader=reader, session=session)
    assert sessions.current(reader) == session and not sessions.finish(session)
    factories.ReadFactory(reader=reader, session=session)
    assert sessions.current(reader) is None
    session.refresh_from_db()
    assert session.status == SessionStatus.ENDED and sessions.finish(session)


@pytest.mark.django_db(transaction=True)
def test_sessions_begun_at_once_are_one_in_the_end():
    reader = factories.UserFactory(role=Role.RADIOLOGIST)
    each_at_once([partial(sessions.start, by=reader)] * N_THREADS)
    assert ReadingSession.objects.exclude(status=SessionStatus.ENDED).count() == 1
