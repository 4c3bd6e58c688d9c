"""Where readers differ: who may settle it, what a verdict leaves, and what happens to two at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from diagnosis.models import (
    Case,
    Cohort,
    DerivedLabel,
    Draft,
    Event,
    Exposure,
    FindingTerm,
    Instance,
    Notice,
    Protocol,
    Read,
    Region,
    SubmittedReadError,
    User,
)
from diagnosis.services import (
    adjudication,
    adjudicators,
    claims,
    drafts,
    operations,
    opinions,
    protocols,
    reading,
    unnamed,
    withdrawal,
    worklist,
)
from diagnosis.states import (
    CaseStatus,
    Label,
    LabelRule,
    LabelState,
    NoticeKind,
    ReadKind,
    ReadStatus,
    Role,
)
from diagnosis.texts import adjudication as words
from diagnosis.texts import protocols as protocol_words
from tests import factories
from tests.services.test_races import N_THREADS, at_once

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("findings")]


def radiologist(**fields: Any) -> User:
    return factories.UserFactory(role=Role.RADIOLOGIST, **fields)


@pytest.fixture
def judge() -> User:
    return radiologist(is_adjudicator=True)


@pytest.fixture
def protocol() -> Protocol:
    return factories.protocol(rule=LabelRule.ADJUDICATED, n_readers=2)


@pytest.fixture
def case(protocol: Protocol) -> Case:
    return disputed()


def disputed(*, minutes_ago: int = 5, **fields: Any) -> Case:
    """Two readers differ, and both reads are final."""
    study = factories.CaseFactory(**fields).study
    ago = timezone.now() - timedelta(minutes=minutes_ago)
    for answer in ("typical", "normal"):
        factories.ReadFactory(study=study, answer=answer, created_at=ago)
    worklist.refresh(study)
    DerivedLabel.objects.filter(study=study).update(at=ago)
    return Case.objects.get(study=study)


def settle(case: Case, judge: User, **fields: Any) -> Read:
    said = {"answer": "normal", "why": "The density is the breast."} | fields
    return adjudication.decide(case, by=judge, **said)


def label_of(case: Case) -> tuple[str, str, str]:
    case.refresh_from_db()
    derived = case.derived
    assert derived is not None
    return derived.state, derived.label, derived.rule


# --- who may settle what ---


def test_a_disputed_case_waits_for_the_marked_who_have_not_read_it(case, judge):
    reader = Read.objects.first().reader
    User.objects.filter(pk=reader.pk).update(is_adjudicator=True)
    reader.refresh_from_db()
    assert list(adjudication.waiting_for(judge)) == [case]
    for nobody in (reader, radiologist(), factories.UserFactory(role=Role.ADMINISTRATOR)):
        assert not adjudication.waiting_for(nobody).exists()
    assert adjudication.n_waiting(judge) == 1 and adjudication.n_waiting(reader) == 0


def test_where_a_protocol_names_adjudicators_the_mark_alone_opens_nothing(case, judge, protocol):
    named = radiologist()
    protocol.adjudicators.add(named)
    assert list(adjudication.waiting_for(named)) == [case]
    assert not adjudication.waiting_for(judge).exists()
    with pytest.raises(adjudication.NotAllowedError, match=protocol_words.NOT_AN_ADJUDICATOR):
        settle(case, judge)


def test_who_was_shown_the_ai_settles_nothing_where_readers_are_blind_to_it(case, judge):
    shown(case, judge)
    assert not adjudication.waiting_for(judge).exists()
    with pytest.raises(adjudication.NotAllowedError, match="AI's answer"):
        settle(case, judge)
    assert not Read.objects.filter(kind=ReadKind.VERDICT).exists()


def shown(case: Case, user: User) -> None:
    prediction = factories.PredictionFactory(analysis__instance__series__study=case.study)
    Exposure.objects.create(user=user, study=case.study, prediction=prediction)


def test_a_verdict_after_ai_output_is_not_stored_as_blinded(judge):
    factories.protocol(rule=LabelRule.ADJUDICATED, n_readers=2, hides_ai=False)
    case = disputed()
    shown(case, judge)
    assert settle(case, judge).is_blinded is False


def test_what_is_off_the_list_or_withdrawn_waits_for_nobody(case, judge):
    case.move(CaseStatus.OPEN, CaseStatus.OFF)
    assert not adjudication.waiting_for(judge).exists()
    with pytest.raises(adjudication.NotDisputedError):
        settle(case, judge)
    case.move(CaseStatus.OFF, CaseStatus.OPEN)
    drafts.open_for(case, by=judge)
    withdrawal.withdraw(case.study, by=judge, reason="sent twice")
    assert not adjudication.waiting_for(judge).exists()
    with pytest.raises(drafts.StudyWithdrawnError):
        settle(case, judge)
    assert Draft.objects.filter(reader=judge).exists()


@pytest.mark.parametrize(
    "answers", [("typical", "normal"), ("typical", "typical")], ids=["disputed", "agreed"]
)
def test_who_has_read_a_case_is_told_so_whether_it_is_disputed_or_not(protocol, judge, answers):
    study = factories.CaseFactory().study
    for answer, reader in zip(answers, (judge, radiologist()), strict=True):
        factories.ReadFactory(study=study, reader=reader, answer=answer)
    worklist.refresh(study)
    with pytest.raises(adjudication.NotAllowedError, match=protocol_words.OWN_CASE):
        settle(Case.objects.get(study=study), judge)
    assert not Draft.objects.exists()


def test_a_read_that_was_taken_back_is_in_nobodys_way(case, judge):
    factories.ReadFactory(study=case.study, reader=judge, status=ReadStatus.TAKEN_BACK)
    assert settle(case, judge).kind == ReadKind.VERDICT


# --- a verdict ---


def test_a_verdict_settles_the_case_and_the_reads_stay_as_they_are(case, judge):
    before = list(Read.objects.order_by("pk").values())
    film = factories.InstanceFactory(series__study=case.study)
    region = {"id": "a", "instance": str(film.pk), "kind": "box", "points": [[1, 2], [30, 40]], "finding": ""}
    verdict = settle(case, judge, confidence=3, findings=["nodule"], comment="Clear.", regions=[region])
    assert list(Read.objects.exclude(pk=verdict.pk).order_by("pk").values()) == before
    stored = Read.objects.get(pk=verdict.pk)
    assert (stored.kind, stored.why, stored.answer, stored.label) == (
        ReadKind.VERDICT, "The density is the breast.", "normal", Label.NONCOVID,
    )  # fmt: skip
    assert (stored.confidence, stored.findings, stored.comment) == (3, ["nodule"], "Clear.")
    assert (stored.is_blinded, stored.session, Region.objects.get().read) == (True, None, stored)
    assert label_of(case) == (LabelState.DECIDED, Label.NONCOVID, LabelRule.ADJUDICATED)
    assert case.derived.reads == sorted(str(pk) for pk in Read.objects.values_list("pk", flat=True))
    assert (case.status, case.is_disputed, case.claimed_by, case.n_reads) == (
        CaseStatus.DONE, False, None, 2,
    )  # fmt: skip
    assert not Draft.objects.exists()


def test_the_audit_keeps_who_settled_it_and_why(case, judge):
    verdict = settle(case, judge)
    event = Event.objects.get(kind="read", object_id=verdict.pk)
    assert (event.new, event.by, event.reason) == (ReadStatus.SUBMITTED, judge, verdict.why)


def test_a_verdict_is_never_edited(case, judge):
    verdict = settle(case, judge)
    verdict.why = "Otherwise."
    with pytest.raises(SubmittedReadError):
        verdict.save()


@pytest.mark.parametrize("why", ["", "   \n "])
def test_without_a_reason_there_is_no_verdict(case, judge, why):
    with pytest.raises(opinions.InvalidDraftError) as refused:
        settle(case, judge, why=why)
    assert refused.value.errors == {"why": words.NO_WHY}
    assert label_of(case)[0] == LabelState.DISPUTED


def test_every_mistake_is_said_at_once(case, judge):
    with pytest.raises(opinions.InvalidDraftError) as refused:
        settle(case, judge, answer="", why="")
    assert set(refused.value.errors) == {"answer", "why"}
    with pytest.raises(opinions.InvalidDraftError) as refused:
        settle(case, judge, why="x" * 4001)
    assert "at most 4000" in refused.value.errors["why"]
    with pytest.raises(opinions.InvalidDraftError):
        settle(case, judge, displayed_ms=300)


def test_the_draft_keeps_the_reason_as_it_is_written(case, judge):
    draft = drafts.open_for(case, by=judge)
    drafts.save(case, by=judge, version=draft.version, changes={"why": "Because of th"})
    assert Draft.objects.get().why == "Because of th"
    drafts.forget_empty(case, by=judge)
    assert Draft.objects.exists()
    settle(case, judge, version=draft.version + 1)
    assert not Draft.objects.exists()


def test_another_window_is_not_overwritten(case, judge):
    draft = drafts.open_for(case, by=judge)
    for n in range(3):
        drafts.save(case, by=judge, version=draft.version + n, changes={"why": f"Reason {n}"})
    with pytest.raises(drafts.DraftConflictError):
        settle(case, judge, version=draft.version)
    assert Draft.objects.get().why == "Reason 2"


# --- taking back, and settling again ---


def test_a_verdict_is_taken_back_within_seconds_and_is_a_draft_again(case, judge):
    verdict = settle(case, judge, comment="Clear.")
    assert adjudication.undoable(judge) == verdict and reading.undoable(judge) is None
    draft = adjudication.take_back(verdict, by=judge)
    assert (draft.answer, draft.why, draft.comment) == ("normal", verdict.why, "Clear.")
    verdict.refresh_from_db()
    assert verdict.status == ReadStatus.TAKEN_BACK
    assert label_of(case) == (LabelState.DISPUTED, "", LabelRule.ADJUDICATED)
    assert (case.claimed_by, list(adjudication.waiting_for(judge))) == (judge, [case])
    assert adjudication.take_back(verdict, by=judge) == draft


def test_a_final_verdict_is_not_taken_back(case, judge):
    verdict = settle(case, judge)
    Read.objects.filter(pk=verdict.pk).update(created_at=timezone.now() - timedelta(minutes=1))
    verdict.refresh_from_db()
    with pytest.raises(reading.TooLateError):
        adjudication.take_back(verdict, by=judge)
    assert adjudication.undoable(judge) is None


def test_a_later_read_that_contradicts_the_verdict_opens_the_dispute_again(case, judge):
    first = settle(case, judge)
    factories.ReadFactory(study=case.study, answer="typical")
    worklist.refresh(case.study)
    assert label_of(case)[0] == LabelState.DISPUTED
    assert list(adjudication.waiting_for(judge)) == [case]
    assert unnamed.earlier_verdict(case).why == first.why
    second = settle(case, judge, answer="typical", why="The new read is right.")
    first.refresh_from_db()
    assert (first.status, second.supersedes) == (ReadStatus.SUPERSEDED, first)
    assert label_of(case) == (LabelState.DECIDED, Label.COVID, LabelRule.ADJUDICATED)
    adjudication.take_back(second, by=judge)
    first.refresh_from_db()
    assert (first.status, label_of(case)[0]) == (ReadStatus.SUBMITTED, LabelState.DISPUTED)


def test_a_later_read_that_agrees_with_the_verdict_leaves_it(case, judge):
    settle(case, judge)
    factories.ReadFactory(study=case.study, answer="normal")
    worklist.refresh(case.study)
    assert label_of(case) == (LabelState.DECIDED, Label.NONCOVID, LabelRule.ADJUDICATED)


# --- what happens in the middle ---


def begun(case: Case, judge: User) -> Draft:
    claims.claim(case, by=judge)
    return drafts.open_for(case, by=judge)


def kept(judge: User) -> tuple[str, str]:
    draft = Draft.objects.get(reader=judge)
    return draft.answer, draft.why


def test_somebody_else_settled_it_meanwhile(case, judge):
    draft = begun(case, judge)
    Case.objects.filter(pk=case.pk).update(claim_until=timezone.now() - timedelta(seconds=1))
    faster = radiologist(is_adjudicator=True)
    verdict = settle(case, faster, answer="typical", why="Peripheral.")
    with pytest.raises(adjudication.NotDisputedError) as late:
        settle(case, judge, version=draft.version, why="Mine.")
    assert (late.value.verdict, late.value.is_own) == (verdict, False)
    assert kept(judge) == ("normal", "Mine.")
    assert label_of(case)[1] == Label.COVID


def test_another_adjudicator_has_it_open(case, judge):
    other = radiologist(is_adjudicator=True)
    begun(case, other)
    with pytest.raises(claims.ClaimedError):
        settle(case, judge)
    assert not Read.objects.filter(kind=ReadKind.VERDICT).exists()


def test_the_mark_is_withdrawn_in_the_middle(case, judge):
    draft = begun(case, judge)
    User.objects.filter(pk=judge.pk).update(is_adjudicator=False)
    with pytest.raises(adjudication.NotAllowedError, match=protocol_words.NOT_AN_ADJUDICATOR):
        settle(case, judge, version=draft.version, why="Mine.")
    assert kept(judge) == ("normal", "Mine.")


def test_the_role_is_withdrawn_in_the_middle(case, judge):
    draft = begun(case, judge)
    User.objects.filter(pk=judge.pk).update(role=Role.CLINICIAN)
    with pytest.raises(adjudication.NotAllowedError, match=protocol_words.NOT_A_READER):
        settle(case, judge, version=draft.version, why="Mine.")
    assert kept(judge) == ("normal", "Mine.")


def test_a_new_protocol_leaves_nothing_to_settle_while_somebody_types(case, judge):
    """Even before the cases took their new places."""
    draft = begun(case, judge)
    protocols.revise(protocols.rest(), by=None, rule=LabelRule.UNANIMOUS)
    case.refresh_from_db()
    assert case.is_disputed
    with pytest.raises(adjudication.NotDisputedError) as gone:
        settle(case, judge, version=draft.version, why="Mine.")
    assert gone.value.verdict is None
    assert kept(judge) == ("normal", "Mine.")


def test_a_read_is_taken_back_while_somebody_types(case, judge):
    draft = begun(case, judge)
    Read.objects.filter(answer="typical").update(status=ReadStatus.TAKEN_BACK)
    with pytest.raises(adjudication.NotDisputedError):
        settle(case, judge, version=draft.version)
    assert not Case.objects.get().is_disputed


def test_a_verdict_that_is_sent_twice_is_stored_once(case, judge):
    draft = begun(case, judge)
    settle(case, judge, version=draft.version)
    with pytest.raises(adjudication.NotDisputedError) as twice:
        settle(case, judge, version=draft.version)
    assert twice.value.is_own
    assert Read.objects.filter(kind=ReadKind.VERDICT).count() == 1 and not Draft.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_adjudicators_that_settle_at_once_one_verdict_counts_and_the_others_are_told(protocol):
    case = disputed()
    judges = [radiologist(is_adjudicator=True) for _ in range(N_THREADS)]
    left = iter(list(judges))

    def hurry() -> bool:
        try:
            settle(case, next(left))
        except (adjudication.NotDisputedError, claims.ClaimedError):
            return False
        return True

    assert sorted(at_once(hurry)) == [False] * (N_THREADS - 1) + [True]
    verdict = Read.objects.get(kind=ReadKind.VERDICT)
    assert label_of(case) == (LabelState.DECIDED, verdict.label, LabelRule.ADJUDICATED)


# --- on to the next ---


def test_cases_come_in_turn_and_what_another_has_open_is_left_to_them(protocol, judge):
    oldest, middle, newest = (disputed(minutes_ago=n) for n in (30, 20, 10))
    assert list(adjudication.waiting_for(judge)) == [oldest, middle, newest]
    begun(middle, radiologist(is_adjudicator=True))
    assert adjudication.peek(by=judge) == oldest
    assert adjudication.next_case(by=judge) == oldest
    place = {"after": adjudication.disputed_since(oldest), "leaving": oldest.study_id}
    assert adjudication.peek(by=judge, **place) == newest
    assert adjudication.next_case(by=judge, **place) == newest
    oldest.refresh_from_db()
    assert oldest.claimed_by is None
    assert (
        adjudication.next_case(by=judge, after=adjudication.disputed_since(newest), leaving=newest.study_id)
        == oldest
    )


def test_a_case_that_one_more_reads_otherwise_keeps_its_place(protocol, judge):
    oldest, newest = disputed(minutes_ago=30), disputed(minutes_ago=10)
    since = adjudication.disputed_since(oldest)
    factories.ReadFactory(study=oldest.study, answer="indeterminate")
    worklist.refresh(oldest.study)
    assert list(adjudication.waiting_for(judge)) == [oldest, newest]
    assert adjudication.disputed_since(oldest) == since


def test_a_dispute_that_was_over_begins_anew(case, judge):
    before = adjudication.disputed_since(case)
    settle(case, judge)
    assert adjudication.disputed_since(case) is None
    factories.ReadFactory(study=case.study, answer="typical")
    worklist.refresh(case.study)
    assert adjudication.disputed_since(case) > before


# --- the reads, unnamed ---


def test_nothing_in_the_reads_gives_anybody_away(case):
    for n, read in enumerate(Read.objects.all()):
        User.objects.filter(pk=read.reader_id).update(reader_number=70 + n, last_name=f"Secret{n}")
    reads = unnamed.reads_of(case)
    assert [read.letter for read in reads] == ["A", "B"]
    assert {read.answer for read in reads} == {"Typical", "Normal"}
    said = repr(reads)
    for read in Read.objects.select_related("reader"):
        for secret in (read.reader.username, read.reader.reader_name, read.reader.last_name, str(read.pk)):
            assert secret not in said
        assert f"{read.created_at:%H:%M}" not in said


def test_the_order_of_the_reads_is_stable_and_follows_neither_time_nor_person(protocol):
    first, second = radiologist(), radiologist()
    orders = []
    for _ in range(24):
        study = factories.CaseFactory().study
        factories.ReadFactory(study=study, reader=first, answer="typical")
        factories.ReadFactory(study=study, reader=second, answer="normal")
        worklist.refresh(study)
        case = Case.objects.get(study=study)
        order = [read.answer for read in unnamed.reads_of(case)]
        assert order == [read.answer for read in unnamed.reads_of(case)]
        orders.append(order[0])
    # By chance all alike once in eight million runs.
    assert set(orders) == {"Typical", "Normal"}


def test_only_the_reads_that_count_are_shown(case, judge):
    for fields in ({"is_blinded": False}, {"kind": ReadKind.REPEAT}, {"status": ReadStatus.TAKEN_BACK}):
        factories.ReadFactory(study=case.study, answer="atypical", **fields)
    assert len(unnamed.reads_of(case)) == 2
    assert unnamed.earlier_verdict(case) is None


def test_regions_are_shown_with_the_names_of_their_findings(case):
    film: Instance = factories.InstanceFactory(series__study=case.study)
    read = Read.objects.first()
    Region.objects.create(
        read=read, instance=film, kind="box", finding="nodule", points=[[1.0, 2.0], [3.0, 4.0]]
    )
    drawn = [one for one in unnamed.layers(unnamed.reads_of(case)) if one["regions"]]
    region = {
        "instance": str(film.pk),
        "kind": "box",
        "points": [[1.0, 2.0], [3.0, 4.0]],
        "name": FindingTerm.objects.get(code="nodule").name,
    }
    assert [one["regions"] for one in drawn] == [[region]]


# --- who is told ---


def told(user: User) -> list[str]:
    found = Notice.objects.filter(user=user, kind=NoticeKind.CASES_TO_SETTLE, read_at=None)
    return list(found.values_list("text", flat=True))


def test_those_who_may_settle_a_case_are_told_and_its_readers_are_not(case, judge):
    reader = Read.objects.first().reader
    User.objects.filter(pk=reader.pk).update(is_adjudicator=True)
    operations.sweep()
    assert told(judge) == ["1 case waits for adjudication."]
    assert told(reader) == [] and Notice.objects.count() == 1
    assert adjudicators.announce() == 0


def test_a_reader_of_one_case_is_told_of_others_alone(protocol, case):
    reader = Read.objects.first().reader
    User.objects.filter(pk=reader.pk).update(is_adjudicator=True)
    disputed()
    adjudicators.announce()
    assert told(reader) == ["1 case waits for adjudication."]


def test_one_unread_notice_a_person_whose_number_stays_true(case, judge):
    adjudicators.announce()
    others = [disputed(), disputed()]
    adjudicators.announce()
    assert told(judge) == ["3 cases wait for adjudication."]
    settle(others[0], judge)
    adjudicators.announce()
    assert told(judge) == ["2 cases wait for adjudication."]
    for one in (case, others[1]):
        settle(one, judge)
    adjudicators.announce()
    assert told(judge) == [] and Notice.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_sweepers_that_sweep_at_once_one_tells(protocol, judge):
    disputed()
    assert at_once(adjudicators.announce).count(1) == 1
    assert told(judge) == ["1 case waits for adjudication."]


def test_after_a_notice_was_read_only_new_disputes_are_told(case, judge):
    adjudicators.announce()
    Notice.objects.update(read_at=timezone.now(), created_at=timezone.now() - timedelta(minutes=3))
    assert adjudicators.announce() == 0 and told(judge) == []
    disputed(minutes_ago=1)
    assert adjudicators.announce() == 1
    assert told(judge) == ["2 cases wait for adjudication."]


def test_a_dispute_is_told_once_its_reads_are_final(protocol, judge):
    case = disputed(minutes_ago=0)
    assert adjudicators.announce() == 0
    DerivedLabel.objects.update(at=timezone.now() - timedelta(minutes=1))
    assert adjudicators.announce() == 1
    assert list(adjudication.waiting_for(judge)) == [case]


def test_who_is_no_adjudicator_any_more_keeps_no_notice(case, judge):
    adjudicators.announce()
    User.objects.filter(pk=judge.pk).update(is_adjudicator=False)
    adjudicators.announce()
    assert told(judge) == []


# --- where nobody can ---


def test_it_is_said_why_nobody_can_settle_a_case(case, judge):
    assert adjudicators.standing_of([case]) == {case.pk: (1, "1 adjudicator can settle it")}
    factories.ReadFactory(study=case.study, reader=judge)
    assert adjudicators.standing_of([case])[case.pk] == (0, words.all_barred(1))
    User.objects.filter(pk=judge.pk).update(is_adjudicator=False)
    assert adjudicators.standing_of([case])[case.pk] == (0, words.NOBODY_IS_NAMED)


def test_it_is_said_where_the_ai_was_shown_to_all_or_the_named_are_gone(case, judge, protocol):
    shown(case, judge)
    assert adjudicators.standing_of([case])[case.pk][0] == 0
    retired = factories.UserFactory(role=Role.CLINICIAN)
    protocol.adjudicators.add(retired)
    assert adjudicators.standing_of([case])[case.pk] == (0, words.NAMED_CANNOT)


def test_who_settles_which_cohort_is_said_by_numbers(protocol, judge):
    User.objects.filter(pk=judge.pk).update(reader_number=12)
    radiologist(is_adjudicator=True)
    single = Cohort.objects.create(name="Clinic")
    Protocol.objects.create(cohort=single)
    assert adjudicators.who_settles() == [(protocols.REST, "R-12, one who has not read yet")]
