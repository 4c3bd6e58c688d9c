"""The AI's answer after one's own read: asked for once, final from then on; what follows stands beside it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from diagnosis.models import Case, Draft, Event, Exposure, Instance, Prediction, Read, Repeat, User
from diagnosis.services import claims, drafts, reading, rounds, sessions, withdrawal, worklist
from diagnosis.states import ReadChange, ReadKind, ReadStatus, RepeatStatus, Role
from diagnosis.texts import reveals as words
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("findings")]


@pytest.fixture
def reader() -> User:
    return factories.UserFactory(role=Role.RADIOLOGIST)


@pytest.fixture
def case() -> Case:
    case = factories.CaseFactory()
    worklist.refresh(case.study)
    case.refresh_from_db()
    return case


@pytest.fixture
def film(case: Case) -> Instance:
    return factories.InstanceFactory(series__study=case.study)


@pytest.fixture
def prediction(case: Case, film: Instance) -> Prediction:
    """What the AI says of the study: above its band."""
    made = factories.PredictionFactory(analysis__instance=film)
    case.study.leading = made
    case.study.save()
    return made


def protocol(case: Case, **fields: Any) -> None:
    factories.protocol(**fields)
    worklist.refresh(case.study)
    case.refresh_from_db()


def submit(case: Case, reader: User, **changes: Any) -> Read:
    opened = rounds.open_case(case, by=reader)
    assert opened.draft is not None
    said = {"answer": "normal"} | changes
    return reading.submit(case, by=reader, version=opened.draft.version, changes=said)


def became_final(read: Read) -> None:
    Read.objects.filter(pk=read.pk).update(created_at=timezone.now() - timedelta(minutes=1))
    read.refresh_from_db()


def refused(read: Read, reader: User) -> str:
    with pytest.raises(reading.NotRevealedError) as error:
        reading.reveal(read, by=reader)
    read.refresh_from_db()
    assert read.revealed_at is None and not Exposure.objects.exists()
    return str(error.value)


# --- asked for ---


def test_who_asks_after_their_read_is_noted_as_shown_and_the_audit_knows(case, reader, prediction):
    read = reading.reveal(submit(case, reader), by=reader)
    shown = Exposure.objects.get()
    assert (shown.user, shown.prediction) == (reader, prediction)
    assert read.revealed_at is not None and shown.at <= read.revealed_at
    event = Event.objects.get(object_id=read.pk, new=ReadChange.REVEALED)
    assert (event.kind, event.old, event.by) == ("read", ReadStatus.SUBMITTED, reader)


def test_the_read_is_final_at_once(case, reader, prediction):
    read = submit(case, reader)
    assert reading.undoable(reader) == read
    reading.reveal(read, by=reader)
    read.refresh_from_db()
    assert read.is_final and reading.undoable(reader) is None
    with pytest.raises(reading.TooLateError):
        reading.take_back(read, by=reader)
    read.refresh_from_db()
    assert read.status == ReadStatus.SUBMITTED


def test_a_read_that_was_revealed_between_the_look_and_the_move_is_not_taken_back(
    case, reader, prediction, monkeypatch
):
    read = reading.reveal(submit(case, reader), by=reader)
    monkeypatch.setattr(Read, "is_final", False)
    with pytest.raises(reading.TooLateError):
        reading.take_back(read, by=reader)
    read.refresh_from_db()
    assert read.status == ReadStatus.SUBMITTED


def test_asked_twice_it_is_shown_as_of_the_first_time(case, reader, prediction):
    read = submit(case, reader)
    first = reading.reveal(read, by=reader).revealed_at
    assert reading.reveal(read, by=reader).revealed_at == first
    assert Event.objects.filter(new=ReadChange.REVEALED).count() == 1


def test_where_there_is_no_ai_result_yet_the_read_is_final_and_nothing_is_noted(case, reader):
    read = reading.reveal(submit(case, reader), by=reader)
    assert read.revealed_at is not None and not Exposure.objects.exists()


def test_the_read_stays_blinded_and_counted(case, reader, prediction):
    read = reading.reveal(submit(case, reader), by=reader)
    worklist.refresh(case.study)
    case.refresh_from_db()
    assert (read.is_blinded, case.n_reads, case.label) == (True, 1, "noncovid")


# --- refused ---


def test_another_readers_read_shows_nothing(case, reader, prediction):
    read = submit(case, factories.UserFactory(role=Role.RADIOLOGIST))
    assert refused(read, reader) == words.NOT_REVEALED


def test_a_read_that_was_taken_back_shows_nothing(case, reader, prediction):
    read = submit(case, reader)
    reading.take_back(read, by=reader)
    assert refused(read, reader) == words.NOT_REVEALED


def test_a_verdict_shows_nothing(case, reader, prediction):
    read = factories.ReadFactory(study=case.study, reader=reader, kind=ReadKind.VERDICT, why="settled")
    assert refused(read, reader) == words.NOT_REVEALED


def test_after_a_repeat_the_answer_is_offered_as_after_any_read(case, reader, prediction):
    """That it was not would tell its reader what it was."""
    factories.ReadFactory(study=case.study, reader=reader)
    read = factories.ReadFactory(study=case.study, reader=reader, kind=ReadKind.REPEAT)
    assert reading.reveal(read, by=reader).revealed_at


def test_a_protocol_may_keep_the_answer_to_itself(case, reader, prediction):
    protocol(case, reveals=False)
    assert refused(submit(case, reader), reader) == words.NOT_REVEALED_HERE


def test_a_protocol_that_hides_nothing_reveals(case, reader, prediction):
    protocol(case, hides_ai=False, reveals=False)
    assert reading.reveal(submit(case, reader), by=reader).revealed_at


def test_while_a_repeat_waits_nothing_is_shown(case, reader, prediction):
    read = submit(case, reader)
    repeat = Repeat.objects.create(study=case.study, reader=reader, first=read, due_at=timezone.now())
    assert refused(read, reader) == words.REVEALED_AT_ONCE
    repeat.move(RepeatStatus.OPEN, RepeatStatus.DROPPED)
    assert reading.reveal(read, by=reader).revealed_at


def test_where_films_come_once_more_every_final_read_is_refused_alike(case, reader, prediction):
    """Else the one that is refused would be known as the one that comes again."""
    protocol(case, repeat_share=0.1)
    read = submit(case, reader)
    became_final(read)
    assert not Repeat.objects.exists()
    assert refused(read, reader) == words.REVEALED_AT_ONCE


def test_where_none_does_a_final_read_may_be_asked_about_later(case, reader, prediction):
    read = submit(case, reader)
    became_final(read)
    assert reading.reveal(read, by=reader).revealed_at


def test_what_was_revealed_is_not_drawn_for_a_repeat(case, reader, prediction, monkeypatch):
    protocol(case, repeat_share=0.5)
    monkeypatch.setattr(reading.repeats, "chance", lambda *words: 0.0)
    read = reading.reveal(submit(case, reader), by=reader)
    became_final(read)
    reading.announce()
    assert not Repeat.objects.exists()


# --- revised ---


def test_a_revision_begins_with_what_the_read_says_and_with_a_clock_of_its_own(
    case, reader, film, prediction
):
    box = {"id": "a", "instance": str(film.pk), "kind": "box", "points": [[1, 2], [30, 40]], "finding": ""}
    said = {"confidence": 2, "findings": ["nodule"], "comment": "left base", "regions": [box]}
    read = submit(case, reader, **said)
    Read.objects.filter(pk=read.pk).update(active_ms=9000)
    session = sessions.start(by=reader)
    draft = reading.revise(reading.reveal(read, by=reader), by=reader)
    assert (draft.answer, draft.confidence, draft.findings, draft.comment) == (
        "normal", 2, ["nodule"], "left base",
    )  # fmt: skip
    assert [one["points"] for one in draft.regions] == [[[1, 2], [30, 40]]]
    assert (draft.active_ms, draft.session) == (0, session)
    assert draft.opened_at > read.created_at


def test_a_revision_stands_beside_the_read_and_counts_nowhere(case, reader, prediction):
    first = reading.reveal(submit(case, reader, answer="normal"), by=reader)
    reading.revise(first, by=reader)
    revision = submit(case, reader, answer="typical")
    first.refresh_from_db()
    case.refresh_from_db()
    assert (revision.kind, revision.is_blinded, revision.supersedes) == (ReadKind.REVISION, False, first)
    assert (first.status, first.kind, first.answer) == (ReadStatus.SUPERSEDED, ReadKind.FIRST, "normal")
    assert (case.n_reads, case.label) == (1, "noncovid")
    assert reading.first_of(case.study, by=reader) == first


def test_a_second_revision_begins_with_the_first_one(case, reader, prediction):
    first = reading.reveal(submit(case, reader, answer="normal"), by=reader)
    reading.revise(first, by=reader)
    submit(case, reader, answer="typical")
    assert reading.revise(first, by=reader).answer == "typical"


def test_what_was_begun_since_is_newer_and_stays(case, reader, prediction):
    first = reading.reveal(submit(case, reader), by=reader)
    draft = drafts.open_for(case, by=reader)
    drafts.save(case, by=reader, version=draft.version, changes={"answer": "atypical"})
    assert reading.revise(first, by=reader).answer == "atypical"
    assert Draft.objects.count() == 1


def test_without_the_answer_there_is_nothing_to_revise(case, reader, prediction):
    with pytest.raises(reading.NotRevealedError):
        reading.revise(submit(case, reader), by=reader)
    assert not Draft.objects.exists()


def test_a_withdrawn_study_is_not_revised(case, reader, prediction):
    read = reading.reveal(submit(case, reader), by=reader)
    withdrawal.withdraw(case.study, by=case.study.uploaded_by, reason="another's")
    with pytest.raises(drafts.StudyWithdrawnError):
        reading.revise(read, by=reader)


def test_where_no_ai_result_was_there_what_is_said_again_is_a_blinded_read(case, reader):
    read = reading.reveal(submit(case, reader), by=reader)
    reading.revise(read, by=reader)
    again = submit(case, reader, answer="typical")
    assert (again.kind, again.is_blinded) == (ReadKind.FIRST, True)


def test_a_session_counts_the_film_once(case, reader, prediction):
    session = sessions.start(by=reader)
    read = reading.reveal(submit(case, reader), by=reader)
    reading.revise(read, by=reader)
    submit(case, reader)
    assert sessions.n_read(session) == 1


# --- on with the round ---


def test_the_round_goes_on_at_the_film_that_was_open(case, reader, prediction):
    submit(case, reader)
    following = factories.CaseFactory()
    assert rounds.opened_last(by=reader, leaving=case.study_id) is None
    claims.claim(following, by=reader)
    assert rounds.opened_last(by=reader, leaving=case.study_id) == following
    assert rounds.opened_last(by=reader, leaving=following.study_id) is None
    Case.objects.filter(pk=following.pk).update(claim_until=timezone.now())
    assert rounds.opened_last(by=reader, leaving=case.study_id) is None
