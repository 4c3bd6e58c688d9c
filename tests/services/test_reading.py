"""Reads: submitted once and whole, taken back for a few seconds, superseded by later ones, never edited."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from diagnosis.models import (
    Case,
    Draft,
    Event,
    Exposure,
    FindingTerm,
    Instance,
    Notice,
    Read,
    Region,
    Reply,
    ReviewRequest,
    Study,
    SubmittedReadError,
    User,
)
from diagnosis.services import (
    claims,
    drafts,
    operations,
    opinions,
    reading,
    reviews,
    sessions,
    withdrawal,
    worklist,
)
from diagnosis.states import ANSWER_TABLES, Answer, CaseStatus, Label, ReadStatus, Role
from tests import factories
from tests.services.test_races import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("findings")]


@pytest.fixture
def reader() -> User:
    return factories.UserFactory(role=Role.RADIOLOGIST)


@pytest.fixture
def other() -> User:
    return factories.UserFactory(role=Role.RADIOLOGIST)


@pytest.fixture
def case() -> Case:
    return factories.CaseFactory()


@pytest.fixture
def film(case: Case) -> Instance:
    return factories.InstanceFactory(series__study=case.study)


def opened(case: Case, reader: User) -> Draft:
    """A case as its reader has it open."""
    claims.claim(case, by=reader)
    return drafts.open_for(case, by=reader)


def submit(case: Case, reader: User, **changes: Any) -> Read:
    draft = opened(case, reader)
    return reading.submit(case, by=reader, version=draft.version, changes={"answer": "typical"} | changes)


def claim_ran_out(case: Case) -> None:
    Case.objects.filter(pk=case.pk).update(claim_until=timezone.now() - timedelta(seconds=1))


def became_final(read: Read) -> None:
    Read.objects.filter(pk=read.pk).update(created_at=timezone.now() - timedelta(minutes=1))
    read.refresh_from_db()


# --- a read ---


def test_a_read_keeps_all_that_its_draft_said(case, reader, film):
    opened(case, reader)
    region = {
        "id": "a",
        "instance": str(film.pk),
        "kind": "box",
        "points": [[1, 2], [30.5, 40]],
        "finding": "nodule",
    }
    view = {str(film.pk): {"flipped": True, "rotated": 270}}
    Draft.objects.update(opened_at=timezone.now() - timedelta(seconds=60))
    drafts.save(case, by=reader, version=1, changes={"regions": [region], "view": view, "active_ms": 4000})
    last = {
        "answer": "atypical",
        "confidence": 2,
        "findings": ["effusion"],
        "comment": "fluid",
        "active_ms": 5000,
    }
    read = reading.submit(case, by=reader, version=2, changes=last)
    stored = Read.objects.get()
    assert stored == read
    assert (stored.status, stored.study, stored.reader, stored.source) == (
        "submitted",
        case.study,
        reader,
        None,
    )
    assert (stored.answer, stored.label, stored.answer_table) == ("atypical", Label.NONCOVID, 1)
    assert (stored.confidence, stored.findings, stored.comment) == (2, ["effusion"], "fluid")
    assert (stored.view, stored.active_ms) == (view, 5000)
    assert stored.opened_at < stored.created_at - timedelta(seconds=59)
    kept = Region.objects.get()
    assert (kept.read, kept.instance, kept.kind, kept.finding) == (read, film, "box", "nodule")
    assert kept.points == [[1, 2], [30.5, 40]]


def test_a_submitted_draft_is_gone_and_the_case_is_free_and_done(case, reader):
    submit(case, reader)
    case.refresh_from_db()
    assert not Draft.objects.exists()
    assert (case.claimed_by, case.status, case.n_reads, case.label) == (None, CaseStatus.DONE, 1, Label.COVID)


def test_the_audit_knows_who_submitted(case, reader):
    read = submit(case, reader)
    event = Event.objects.get(object_id=read.pk)
    assert (event.kind, event.old, event.new, event.by) == ("read", "", "submitted", reader)


@pytest.mark.parametrize("answer", sorted(ANSWER_TABLES[1]))
def test_each_answer_stands_for_one_class(answer, case, reader):
    reason = "quality" if answer == Answer.CANNOT else ""
    assert submit(case, reader, answer=answer, reason=reason).label == ANSWER_TABLES[1][answer]


def test_a_read_counts_in_the_session_that_is_running(case, reader):
    session = sessions.start(by=reader)
    read = submit(case, reader)
    assert read.session == session and sessions.n_read(session) == 1


def test_a_submitted_read_cannot_be_edited(case, reader):
    read = submit(case, reader)
    read.answer = Answer.NORMAL
    with pytest.raises(SubmittedReadError):
        read.save()
    assert Read.objects.get().answer == Answer.TYPICAL


# --- what is no read yet ---


def refused(case: Case, reader: User, **changes: Any) -> dict[str, str]:
    draft = opened(case, reader)
    before = Draft.objects.filter(pk=draft.pk).values().get()
    with pytest.raises(opinions.InvalidDraftError) as caught:
        reading.submit(case, by=reader, version=draft.version, changes=changes)
    assert not Read.objects.exists() and Draft.objects.filter(pk=draft.pk).values().get() == before
    case.refresh_from_db()
    assert case.claimed_by == reader
    return caught.value.errors


def test_a_read_has_an_answer(case, reader):
    assert refused(case, reader, comment="?") == {"answer": "Choose an answer."}


@pytest.mark.parametrize("answer", ["typical", "indeterminate", "atypical", "normal"])
def test_a_reason_belongs_to_cannot_assess_alone(answer, case, reader):
    assert set(refused(case, reader, answer=answer, reason="quality")) == {"reason"}


def test_cannot_assess_has_a_reason(case, reader):
    assert refused(case, reader, answer="cannot") == {"reason": "Say why it cannot be assessed."}


def test_another_reason_is_said_in_the_comment(case, reader):
    assert set(refused(case, reader, answer="cannot", reason="other", comment="  ")) == {"comment"}
    assert submit(case, reader, answer="cannot", reason="other", comment="upside down").reason == "other"


def test_a_field_that_a_draft_refuses_is_refused_here(case, reader):
    assert set(refused(case, reader, answer="covid", confidence=7)) == {"answer", "confidence"}


def test_a_finding_that_left_the_list_after_it_was_ticked_is_kept(case, reader):
    opened(case, reader)
    drafts.save(case, by=reader, version=1, changes={"findings": ["nodule"]})
    FindingTerm.objects.filter(code="nodule").update(is_active=False)
    assert submit(case, reader, findings=["nodule"]).findings == ["nodule"]


@pytest.mark.parametrize("displayed_ms", [0, 999, -5])
def test_a_film_that_was_on_the_screen_for_less_than_a_second_is_not_read(displayed_ms, case, reader):
    opened(case, reader)
    with pytest.raises(opinions.InvalidDraftError) as caught:
        reading.submit(case, by=reader, version=1, changes={"answer": "normal"}, displayed_ms=displayed_ms)
    assert set(caught.value.errors) == {"displayed_ms"}
    reading.submit(case, by=reader, version=1, changes={"answer": "normal"}, displayed_ms=1000)


# --- twice, and from two windows ---


def test_who_submits_twice_is_told_of_the_first_read(case, reader):
    read = submit(case, reader)
    with pytest.raises(reading.AlreadyReadError) as caught:
        reading.submit(case, by=reader, version=1, changes={"answer": "normal"})
    assert caught.value.read == read
    assert Read.objects.get().answer == Answer.TYPICAL and not Draft.objects.exists()


def test_what_another_window_changed_is_not_submitted_over(case, reader):
    opened(case, reader)
    drafts.save(case, by=reader, version=1, changes={"answer": "normal", "comment": "mine"})
    with pytest.raises(drafts.DraftConflictError) as caught:
        reading.submit(case, by=reader, version=1, changes={"answer": "typical"})
    assert caught.value.current.comment == "mine"
    assert not Read.objects.exists() and Draft.objects.get().answer == "normal"


def test_a_window_from_before_a_read_was_taken_back_does_not_submit_over_its_draft(case, reader):
    read = submit(case, reader)
    reading.take_back(read, by=reader)
    with pytest.raises(drafts.DraftConflictError):
        reading.submit(case, by=reader, version=1, changes={"answer": "normal"})


@pytest.mark.django_db(transaction=True)
def test_of_eight_that_submit_at_once_one_is_stored():
    case, reader = factories.CaseFactory(), factories.UserFactory(role=Role.RADIOLOGIST)
    opened(case, reader)

    def act() -> bool:
        try:
            reading.submit(case, by=reader, version=1, changes={"answer": "typical"})
        except (reading.AlreadyReadError, drafts.DraftConflictError):
            return False
        return True

    assert sorted(at_once(act)) == [False] * 7 + [True]
    assert Read.objects.count() == 1 and not Draft.objects.exists()
    assert Event.objects.filter(kind="read").count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(3))
def test_of_reads_and_changes_at_once_nothing_is_half_written(turn):
    case, reader = factories.CaseFactory(), factories.UserFactory(role=Role.RADIOLOGIST)
    opened(case, reader)
    turns = iter(["submit", "save"] * 4)

    def act() -> bool:
        try:
            if next(turns) == "submit":
                reading.submit(case, by=reader, version=1, changes={"answer": "typical"})
            else:
                drafts.save(case, by=reader, version=1, changes={"answer": "normal"})
        except (reading.AlreadyReadError, drafts.DraftConflictError):
            return False
        return True

    assert sum(at_once(act)) >= 1
    reads, kept = Read.objects.all(), Draft.objects.all()
    assert len(reads) + len(kept) == 1
    assert [one.answer for one in (*reads, *kept)] in (["typical"], ["normal"])


# --- the claim ran out ---


def test_a_read_is_stored_after_the_claim_ran_out_if_nobody_else_has_the_case(case, reader):
    opened(case, reader)
    claim_ran_out(case)
    reading.submit(case, by=reader, version=1, changes={"answer": "typical"})
    assert Read.objects.get().reader == reader


def test_while_another_holds_the_case_the_read_waits_as_a_draft_with_its_last_words(case, reader, other):
    opened(case, reader)
    claim_ran_out(case)
    claims.claim(case, by=other)
    with pytest.raises(claims.ClaimedError) as caught:
        reading.submit(case, by=reader, version=1, changes={"answer": "typical", "comment": "last words"})
    assert caught.value.holder == other
    assert not Read.objects.exists()
    kept = Draft.objects.get()
    assert (kept.answer, kept.comment, kept.version) == ("typical", "last words", 2)
    case.refresh_from_db()
    assert case.claimed_by == other


def test_who_was_overtaken_is_told_and_may_add_a_second_read(case, reader, other):
    opened(case, reader)
    claim_ran_out(case)
    first = submit(case, other, answer="normal")
    with pytest.raises(reading.ReadMeanwhileError) as caught:
        reading.submit(case, by=reader, version=1, changes={"answer": "typical", "comment": "mine"})
    assert caught.value.read == first
    assert Read.objects.get() == first and Draft.objects.get().comment == "mine"
    claims.claim(case, by=reader)
    reading.submit(case, by=reader, version=2, changes={})
    assert Read.objects.filter(status=ReadStatus.SUBMITTED).count() == 2


def test_a_read_of_a_withdrawn_study_is_not_stored_and_its_draft_stays(case, reader):
    opened(case, reader)
    drafts.save(case, by=reader, version=1, changes={"answer": "typical"})
    withdrawal.withdraw(case.study, by=case.study.uploaded_by, reason="wrong patient")
    with pytest.raises(drafts.StudyWithdrawnError):
        reading.submit(case, by=reader, version=2, changes={})
    assert not Read.objects.exists() and Draft.objects.get().answer == "typical"
    withdrawal.restore(Study.objects.get(), by=case.study.uploaded_by)
    reading.submit(case, by=reader, version=2, changes={})


# --- later reads ---


def test_a_later_read_supersedes(case, reader):
    first = submit(case, reader, answer="typical")
    second = submit(case, reader, answer="normal")
    first.refresh_from_db()
    assert (first.status, second.status) == (ReadStatus.SUPERSEDED, ReadStatus.SUBMITTED)
    assert second.supersedes == first
    assert (first.answer, Case.objects.get(pk=case.pk).label) == (Answer.TYPICAL, Label.NONCOVID)


def test_another_readers_read_is_left_alone(case, reader, other):
    first, second = submit(case, reader), submit(case, other)
    first.refresh_from_db()
    assert (first.status, second.supersedes) == (ReadStatus.SUBMITTED, None)


@pytest.mark.parametrize(
    ("answers", "label"),
    [
        ([], ""),
        (["typical"], Label.COVID),
        (["atypical", "normal"], Label.NONCOVID),
        (["typical", "normal"], Label.UNKNOWN),
        (["typical", "indeterminate"], Label.UNKNOWN),
        (["indeterminate"], Label.UNKNOWN),
    ],
)
def test_the_label_is_what_current_reads_agree_on(answers, label, case):
    for answer in answers:
        reader = factories.UserFactory(role=Role.RADIOLOGIST)
        submit(case, reader, answer="cannot", reason="quality")
        submit(case, reader, answer=answer)
    factories.ReadFactory(study=case.study, answer="normal", status=ReadStatus.TAKEN_BACK)
    assert Case.objects.get(pk=case.pk).label == label
    worklist.refresh(case.study)
    case.refresh_from_db()
    assert case.label == label


# --- blinded or not ---


def test_a_read_is_blinded_unless_ai_output_was_sent_to_its_reader(case, reader, other, film):
    prediction = factories.PredictionFactory(analysis__instance=film)
    Exposure.objects.create(user=other, study=case.study, prediction=prediction)
    elsewhere = factories.PredictionFactory()
    Exposure.objects.create(user=reader, study=elsewhere.analysis.instance.series.study, prediction=elsewhere)
    assert submit(case, reader).is_blinded
    assert not submit(case, other).is_blinded


def test_what_is_shown_after_a_read_leaves_it_blinded(case, reader, film):
    read = submit(case, reader)
    prediction = factories.PredictionFactory(analysis__instance=film)
    Exposure.objects.create(user=reader, study=case.study, prediction=prediction)
    assert Read.objects.get(pk=read.pk).is_blinded
    assert not submit(case, reader).is_blinded


# --- taking back ---


def test_a_read_that_is_taken_back_is_the_draft_it_was(case, reader, film):
    session = sessions.start(by=reader)
    opened(case, reader)
    region = {
        "id": "a",
        "instance": str(film.pk),
        "kind": "box",
        "points": [[1.0, 2.0], [3.0, 4.0]],
        "finding": "",
    }
    said = {"answer": "atypical", "confidence": 2, "findings": ["effusion"], "comment": "c", "regions": [region],
            "view": {str(film.pk): {"flipped": True, "rotated": 0}}}  # fmt: skip
    read = reading.submit(case, by=reader, version=1, changes=said)
    opened_at = read.opened_at
    draft = reading.take_back(read, by=reader)
    read.refresh_from_db()
    case.refresh_from_db()
    assert read.status == ReadStatus.TAKEN_BACK
    restored = drafts.as_dict(Draft.objects.get())
    assert [{**one, "id": "a"} for one in restored.pop("regions")] == [region]
    assert {name: restored[name] for name in said if name != "regions"} == {
        name: value for name, value in said.items() if name != "regions"
    }
    assert (draft.session, draft.opened_at) == (session, opened_at)
    assert (case.status, case.claimed_by, case.n_reads, case.label) == (CaseStatus.OPEN, reader, 0, "")
    assert sessions.n_read(session) == 0


def test_what_was_taken_back_can_be_submitted_again(case, reader, film):
    region = {"id": str(uuid.uuid4()), "instance": str(film.pk), "kind": "length", "points": [[1, 2], [3, 4]]}
    draft = reading.take_back(submit(case, reader, regions=[region]), by=reader)
    again = reading.submit(case, by=reader, version=draft.version, changes={})
    assert (again.status, again.supersedes) == (ReadStatus.SUBMITTED, None)
    assert again.regions.get().points == [[1, 2], [3, 4]]
    assert Region.objects.count() == 2


def test_with_a_read_that_is_taken_back_its_predecessor_stands_again(case, reader):
    first = submit(case, reader, answer="typical")
    became_final(first)
    second = submit(case, reader, answer="normal")
    reading.take_back(second, by=reader)
    first.refresh_from_db()
    case.refresh_from_db()
    assert (first.status, Case.objects.get(pk=case.pk).label) == (ReadStatus.SUBMITTED, Label.COVID)
    assert (case.n_reads, case.label) == (1, Label.COVID)
    assert Draft.objects.get().answer == "normal"


def test_a_final_read_is_not_taken_back(case, reader, settings):
    read = submit(case, reader)
    late = timezone.now() - timedelta(seconds=settings.UNDO_READ_S)
    Read.objects.update(created_at=late)
    with pytest.raises(reading.TooLateError):
        reading.take_back(read, by=reader)
    assert Read.objects.get().status == ReadStatus.SUBMITTED and not Draft.objects.exists()


def test_a_read_that_others_were_told_of_is_not_taken_back(case, reader):
    read = submit(case, reader)
    Read.objects.update(announced_at=timezone.now())
    with pytest.raises(reading.TooLateError):
        reading.take_back(read, by=reader)
    assert Read.objects.get().status == ReadStatus.SUBMITTED and not Draft.objects.exists()


def test_a_superseded_read_is_not_taken_back(case, reader):
    first = submit(case, reader)
    submit(case, reader)
    with pytest.raises(reading.TooLateError):
        reading.take_back(first, by=reader)


def test_who_takes_back_twice_gets_the_same_draft(case, reader):
    read = submit(case, reader)
    draft = reading.take_back(read, by=reader)
    save = drafts.save(case, by=reader, version=draft.version, changes={"comment": "since"})
    assert reading.take_back(read, by=reader) == draft
    assert Draft.objects.get().comment == save.comment == "since"
    reading.submit(case, by=reader, version=save.version, changes={})
    with pytest.raises(reading.TooLateError):
        reading.take_back(read, by=reader)


def test_a_newer_draft_is_not_lost_to_what_is_taken_back(case, reader):
    read = submit(case, reader, comment="submitted")
    newer = drafts.open_for(case, by=reader)
    drafts.save(case, by=reader, version=newer.version, changes={"comment": "newer"})
    assert reading.take_back(read, by=reader).comment == "newer"


def test_an_empty_newer_draft_gives_way(case, reader):
    read = submit(case, reader, comment="submitted")
    drafts.open_for(case, by=reader)
    assert reading.take_back(read, by=reader).comment == "submitted"
    assert Draft.objects.count() == 1


def test_a_read_is_taken_back_although_another_has_opened_the_case(case, reader, other):
    read = submit(case, reader)
    claims.claim(case, by=other)
    assert reading.take_back(read, by=reader).answer == "typical"
    case.refresh_from_db()
    assert case.claimed_by == other


def test_a_read_of_a_study_withdrawn_since_is_not_taken_back(case, reader):
    read = submit(case, reader)
    withdrawal.withdraw(case.study, by=case.study.uploaded_by, reason="wrong patient")
    with pytest.raises(drafts.StudyWithdrawnError):
        reading.take_back(read, by=reader)
    assert Read.objects.get().status == ReadStatus.SUBMITTED


@pytest.mark.django_db(transaction=True)
def test_a_read_that_eight_take_back_at_once_is_one_draft():
    case, reader = factories.CaseFactory(), factories.UserFactory(role=Role.RADIOLOGIST)
    read = submit(case, reader)
    assert all(at_once(lambda: bool(reading.take_back(read, by=reader))))
    assert Draft.objects.count() == 1
    assert Event.objects.filter(object_id=read.pk, new=ReadStatus.TAKEN_BACK).count() == 1


def test_the_last_read_can_be_undone_for_a_while(case, reader, other):
    read = submit(case, reader)
    assert reading.undoable(reader) == read and reading.undoable(other) is None
    became_final(read)
    assert reading.undoable(reader) is None


# --- announcing ---


def doubted(case: Case) -> ReviewRequest:
    """A clinician disagreed an hour ago, before any read of these tests."""
    request = factories.ReviewRequestFactory(study=case.study, by=case.study.uploaded_by)
    ReviewRequest.objects.update(created_at=timezone.now() - timedelta(hours=1))
    return request


@pytest.fixture
def doubt(case: Case) -> ReviewRequest:
    return doubted(case)


def test_a_read_is_announced_once_it_is_final_and_once_only(case, reader, doubt):
    read = submit(case, reader)
    assert reading.announce() == 0 and not Reply.objects.exists()
    became_final(read)
    operations.sweep()
    read.refresh_from_db()
    doubt.refresh_from_db()
    assert (doubt.status, Reply.objects.get().read, Notice.objects.count()) == ("answered", read, 1)
    told_at = read.announced_at
    operations.sweep()
    read.refresh_from_db()
    assert read.announced_at == told_at is not None
    assert Notice.objects.count() == Reply.objects.count() == 1


def test_a_read_that_was_taken_back_is_not_announced(case, reader, doubt):
    read = submit(case, reader)
    reading.take_back(read, by=reader)
    became_final(read)
    assert reading.announce() == 0 and not Reply.objects.exists()
    doubt.refresh_from_db()
    assert doubt.status == "open"


def test_of_two_reads_the_later_one_is_announced(case, reader, doubt):
    first, second = submit(case, reader), submit(case, reader, answer="normal")
    became_final(first)
    became_final(second)
    assert reading.announce() == 1
    assert Reply.objects.get().read == second


def test_what_an_import_source_states_is_not_announced(case):
    read = factories.ReadFactory(
        study=case.study, reader=None, source=factories.SourceFactory(), answer="", label=Label.COVID
    )
    became_final(read)
    assert reading.announce() == 0


def test_a_read_of_a_withdrawn_study_is_announced_when_the_study_is_back(case, reader, doubt):
    read = submit(case, reader)
    became_final(read)
    withdrawal.withdraw(case.study, by=case.study.uploaded_by, reason="wrong patient")
    assert reading.announce() == 0
    withdrawal.restore(Study.objects.get(pk=case.study_id), by=case.study.uploaded_by)
    assert reading.announce() == 1


def test_a_read_that_cannot_be_announced_holds_up_no_other_and_is_tried_again(
    case, reader, monkeypatch, caplog
):
    another = factories.CaseFactory()
    broken, whole = submit(case, reader), submit(another, reader)
    for read in (broken, whole):
        became_final(read)
    answer = reviews.answer

    def fail(read: Read) -> Any:
        if read == broken:
            raise ValueError("broken on purpose")
        return answer(read)

    with monkeypatch.context() as patch:
        patch.setattr(reviews, "answer", fail)
        assert reading.announce() == 1
    assert "broken on purpose" in caplog.text
    assert list(Read.objects.filter(announced_at=None)) == [broken]
    assert reading.announce() == 1


@pytest.mark.django_db(transaction=True)
def test_eight_sweeps_at_once_announce_once():
    case, reader = factories.CaseFactory(), factories.UserFactory(role=Role.RADIOLOGIST)
    doubted(case)
    became_final(submit(case, reader))
    assert sum(at_once(reading.announce)) == 1
    assert Notice.objects.count() == Reply.objects.count() == 1
