"""The label of a study follows from its reads and its protocol: in whatever order they come, and from nothing else."""

from __future__ import annotations

import inspect
import itertools
import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnosis.models import Case, DerivedLabel, Protocol, Read, WrittenOnceError
from diagnosis.services import labels, worklist
from diagnosis.states import (
    ANSWER_TABLE,
    ANSWER_TABLES,
    Answer,
    CaseStatus,
    Label,
    LabelRule,
    LabelState,
    ReadKind,
    ReadStatus,
    Tier,
)
from tests import factories

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
RULES = (LabelRule.SINGLE, LabelRule.UNANIMOUS, LabelRule.MAJORITY, LabelRule.ADJUDICATED, LabelRule.IMPORTED)
ANSWERS = list(ANSWER_TABLES[ANSWER_TABLE])
YES, NO, MAYBE = Answer.TYPICAL, Answer.NORMAL, Answer.INDETERMINATE


def read(answer: str = YES, *, reader: int = 1, minute: int = 0, **fields: Any) -> Read:
    """As if it were stored; no database is asked for a label."""
    given = {"kind": ReadKind.FIRST, "is_blinded": True, "status": ReadStatus.SUBMITTED} | fields
    label = ANSWER_TABLES[ANSWER_TABLE][answer]
    return Read(
        reader_id=reader, answer=answer, label=label, created_at=START + timedelta(minutes=minute), **given
    )


def stated(label: str, *, source: int = 1) -> Read:
    return Read(source_id=source, label=label, created_at=START, is_blinded=False)


def verdict(answer: str, *, minute: int = 60, **fields: Any) -> Read:
    return read(answer, reader=9, minute=minute, kind=ReadKind.VERDICT, why="the base", **fields)


def protocol(rule: str = LabelRule.SINGLE, n_readers: int = 1, **fields: Any) -> Protocol:
    return Protocol(rule=rule, n_readers=n_readers, **fields)


def derived(reads: list[Read], rule: str, n_readers: int) -> tuple[str, str, str]:
    found = labels.derive(reads, protocol(rule, n_readers))
    return found.state, found.label, found.rule


def several(*answers: str) -> list[Read]:
    return [read(answer, reader=n, minute=n) for n, answer in enumerate(answers, start=1)]


# --- rules ---


@pytest.mark.parametrize(
    ("rule", "answers", "state", "label"),
    [
        (LabelRule.SINGLE, [YES], LabelState.DECIDED, Label.COVID),
        (LabelRule.SINGLE, [MAYBE], LabelState.DECIDED, Label.UNKNOWN),
        (LabelRule.SINGLE, [YES, NO], LabelState.DECIDED, Label.UNKNOWN),
        (LabelRule.UNANIMOUS, [YES, YES], LabelState.DECIDED, Label.COVID),
        (LabelRule.UNANIMOUS, [NO, Answer.ATYPICAL], LabelState.DECIDED, Label.NONCOVID),
        (LabelRule.UNANIMOUS, [YES, NO], LabelState.DECIDED, Label.UNKNOWN),
        (LabelRule.ADJUDICATED, [YES, YES], LabelState.DECIDED, Label.COVID),
        (LabelRule.ADJUDICATED, [YES, MAYBE], LabelState.DISPUTED, ""),
        (LabelRule.MAJORITY, [YES, NO, YES], LabelState.DECIDED, Label.COVID),
        (LabelRule.MAJORITY, [YES, NO, MAYBE], LabelState.DISPUTED, ""),
    ],
)
def test_each_rule_decides_as_it_says(rule, answers, state, label):
    assert derived(several(*answers), rule, 1 if rule == LabelRule.SINGLE else len(answers)) == (
        state,
        label,
        rule,
    )


@pytest.mark.parametrize("rule", [LabelRule.UNANIMOUS, LabelRule.MAJORITY, LabelRule.ADJUDICATED])
def test_before_all_have_read_there_is_no_label(rule):
    assert derived(several(YES, YES), rule, 3) == (LabelState.WAITING, "", rule)


def test_what_an_import_states_holds_until_the_readers_have_spoken():
    source = stated(Label.NONCOVID)
    assert derived([source], LabelRule.UNANIMOUS, 2)[1:] == (Label.NONCOVID, LabelRule.IMPORTED)
    assert derived([source, read(YES)], LabelRule.UNANIMOUS, 2)[1:] == (Label.NONCOVID, LabelRule.IMPORTED)
    assert derived([source, *several(YES, YES)], LabelRule.UNANIMOUS, 2)[1:] == (
        Label.COVID,
        LabelRule.UNANIMOUS,
    )


def test_where_the_import_is_the_reference_readers_do_not_change_it():
    assert derived([stated(Label.NONCOVID), read(YES)], LabelRule.IMPORTED, 1)[1] == Label.NONCOVID
    assert derived([read(YES)], LabelRule.IMPORTED, 1) == (LabelState.WAITING, "", LabelRule.IMPORTED)
    two = [stated(Label.COVID), stated(Label.NONCOVID, source=2)]
    assert derived(two, LabelRule.IMPORTED, 1)[1] == Label.UNKNOWN


# --- verdicts ---


def test_a_verdict_settles_what_differs_and_names_all_reads_that_it_is_about():
    reads = [*several(YES, NO), verdict(NO)]
    found = labels.derive(reads, protocol(LabelRule.ADJUDICATED, 2))
    assert (found.state, found.label, found.rule) == (
        LabelState.DECIDED,
        Label.NONCOVID,
        LabelRule.ADJUDICATED,
    )
    assert set(found.reads) == {one.pk for one in reads}


def test_a_read_after_the_verdict_that_contradicts_it_opens_the_dispute_again():
    reads = [*several(YES, NO), verdict(NO)]
    late = read(YES, reader=3, minute=90)
    assert derived([*reads, late], LabelRule.ADJUDICATED, 2)[0] == LabelState.DISPUTED
    agreeing = read(NO, reader=3, minute=90)
    assert derived([*reads, agreeing], LabelRule.ADJUDICATED, 2)[:2] == (LabelState.DECIDED, Label.NONCOVID)
    again = [*reads, late, verdict(YES, minute=120)]
    assert derived(again, LabelRule.ADJUDICATED, 2)[:2] == (LabelState.DECIDED, Label.COVID)


def test_a_verdict_that_was_taken_back_settles_nothing():
    reads = [*several(YES, NO), verdict(NO, status=ReadStatus.TAKEN_BACK)]
    assert derived(reads, LabelRule.ADJUDICATED, 2)[0] == LabelState.DISPUTED


# --- which reads count ---


def test_what_was_said_after_the_ai_had_spoken_counts_nowhere():
    first = read(NO, status=ReadStatus.SUPERSEDED)
    revised = read(YES, minute=5, kind=ReadKind.REVISION, is_blinded=False)
    assert labels.counted([first, revised], protocol()) == [first]
    assert labels.derive([first, revised], protocol()).label == Label.NONCOVID
    assert labels.counted([read(is_blinded=False)], protocol()) == []


def test_where_readers_are_not_blind_the_newest_of_each_counts():
    first = read(NO, status=ReadStatus.SUPERSEDED, is_blinded=False)
    revised = read(YES, minute=5, kind=ReadKind.REVISION, is_blinded=False)
    assert labels.counted([revised, first], protocol(hides_ai=False)) == [revised]


def test_a_second_reading_of_the_same_reader_and_what_was_taken_back_count_nowhere():
    first = read(NO)
    hidden = read(YES, minute=5, kind=ReadKind.REPEAT)
    undone = read(YES, minute=6, status=ReadStatus.TAKEN_BACK)
    assert labels.counted([first, hidden, undone, verdict(YES)], protocol()) == [first]


# --- properties ---


@st.composite
def any_reads(draw: st.DrawFn) -> list[Read]:
    """Whatever a study may have met, in one order."""
    reads: list[Read] = []
    for n in range(draw(st.integers(0, 6))):
        kind = draw(st.sampled_from([ReadKind.FIRST, ReadKind.REVISION, ReadKind.REPEAT, ReadKind.VERDICT]))
        reads.append(
            read(
                draw(st.sampled_from(ANSWERS)),
                reader=draw(st.integers(1, 4)),
                minute=draw(st.integers(0, 5)),
                kind=kind,
                why="because" if kind == ReadKind.VERDICT else "",
                is_blinded=draw(st.booleans()),
                status=draw(
                    st.sampled_from([ReadStatus.SUBMITTED, ReadStatus.SUPERSEDED, ReadStatus.TAKEN_BACK])
                ),
                id=uuid.UUID(int=n + 1),
            )
        )
    for n in range(draw(st.integers(0, 2))):
        reads.append(stated(draw(st.sampled_from([Label.COVID, Label.NONCOVID])), source=n))
    return reads


@given(any_reads(), st.sampled_from(RULES), st.integers(1, 3), st.booleans(), st.integers(0, 2**32))
def test_the_label_does_not_depend_on_the_order_of_reads(reads, rule, n_readers, hides_ai, seed):
    wanted = protocol(rule, n_readers, hides_ai=hides_ai)
    shuffled = random.Random(seed).sample(reads, len(reads))
    assert labels.derive(reads, wanted) == labels.derive(shuffled, wanted)


@given(any_reads(), st.sampled_from(RULES), st.integers(1, 3))
def test_a_label_rests_on_no_read_that_is_not_blind_where_the_protocol_is(reads, rule, n_readers):
    found = labels.derive(reads, protocol(rule, n_readers))
    known = {one.pk: one for one in reads}
    for pk in found.reads:
        one = known[pk]
        assert (
            one.source_id or one.kind == ReadKind.VERDICT or (one.is_blinded and one.kind == ReadKind.FIRST)
        )
    assert found.state == LabelState.DECIDED or not found.label


def test_nothing_of_the_ai_can_come_into_a_label():
    """The derivation takes reads and a protocol, and its module knows no prediction, score or finding."""
    assert list(inspect.signature(labels.derive).parameters) == ["reads", "protocol"]
    source = inspect.getsource(labels)
    assert not any(word in source for word in ("Prediction", "Finding", "Analysis", "leading", "probability"))


def test_all_orders_of_three_readers_and_a_verdict_are_one():
    reads = [*several(YES, NO, MAYBE), verdict(NO)]
    wanted = protocol(LabelRule.MAJORITY, 3)
    assert len({labels.derive(list(order), wanted) for order in itertools.permutations(reads)}) == 1


# --- what is kept of it ---


@pytest.mark.django_db
def test_a_label_is_kept_with_its_reads_its_rule_and_its_version():
    case = factories.CaseFactory()
    wanted = factories.protocol(n_readers=2, rule=LabelRule.ADJUDICATED)
    one = factories.ReadFactory(study=case.study, answer=YES)
    worklist.refresh(case.study)
    two = factories.ReadFactory(study=case.study, answer=NO)
    worklist.refresh(case.study)
    worklist.refresh(case.study)
    waiting, disputed = DerivedLabel.objects.order_by("at")
    assert (waiting.state, waiting.reads) == (LabelState.WAITING, [str(one.pk)])
    assert (disputed.state, disputed.label, disputed.protocol) == (LabelState.DISPUTED, "", wanted)
    assert disputed.reads == sorted([str(one.pk), str(two.pk)]) and disputed.function == labels.FUNCTION
    case.refresh_from_db()
    assert (case.derived, case.is_disputed, case.status, case.tier) == (
        disputed,
        True,
        CaseStatus.OPEN,
        Tier.ADJUDICATION,
    )
    factories.ReadFactory(study=case.study, answer=NO, kind=ReadKind.VERDICT, why="No typical pattern.")
    worklist.refresh(case.study)
    case.refresh_from_db()
    assert (case.label, case.status, case.is_disputed) == (Label.NONCOVID, CaseStatus.DONE, False)
    assert labels.history(case.study)[0] == case.derived and DerivedLabel.objects.count() == 3


@pytest.mark.django_db
def test_a_kept_label_is_never_edited():
    case = factories.CaseFactory()
    factories.ReadFactory(study=case.study)
    worklist.refresh(case.study)
    kept = DerivedLabel.objects.get()
    kept.label = Label.NONCOVID
    with pytest.raises(WrittenOnceError):
        kept.save()
    assert DerivedLabel.objects.get().label == Label.COVID


@pytest.mark.django_db
def test_a_new_protocol_derives_anew_and_keeps_what_was():
    case = factories.CaseFactory()
    factories.ReadFactory(study=case.study)
    worklist.refresh(case.study)
    assert Case.objects.get().status == CaseStatus.DONE
    factories.protocol(n_readers=2, rule=LabelRule.UNANIMOUS)
    worklist.refresh(case.study)
    case.refresh_from_db()
    assert (case.status, case.label, case.derived.state) == (CaseStatus.OPEN, "", LabelState.WAITING)
    assert [row.label for row in labels.history(case.study)] == ["", Label.COVID]
