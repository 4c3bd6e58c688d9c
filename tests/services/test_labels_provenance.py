"""Deleting nothing ever changes provenance: whatever happens, a label that was written stays as it was."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diagnosis.models import Case, DerivedLabel, Read
from diagnosis.services import protocols, revisions, worklist
from diagnosis.states import ANSWER_TABLE, ANSWER_TABLES, LabelRule, ReadKind, ReadStatus
from tests import factories

pytestmark = pytest.mark.django_db

ANSWERS = sorted(ANSWER_TABLES[ANSWER_TABLE])
PROTOCOLS = [
    {"n_readers": 1, "rule": LabelRule.SINGLE},
    {"n_readers": 2, "rule": LabelRule.UNANIMOUS},
    {"n_readers": 2, "rule": LabelRule.ADJUDICATED},
    {"n_readers": 3, "rule": LabelRule.MAJORITY, "hides_ai": False},
    {"n_readers": 1, "rule": LabelRule.IMPORTED},
]
STEPS = st.one_of(
    st.tuples(st.just("read"), st.sampled_from(ANSWERS), st.integers(0, 2)),
    st.tuples(st.just("unblinded"), st.sampled_from(ANSWERS), st.integers(0, 2)),
    st.tuples(st.just("verdict"), st.sampled_from(ANSWERS), st.just(3)),
    st.tuples(st.just("take back"), st.just(""), st.integers(0, 5)),
    st.tuples(st.just("revise"), st.just(""), st.integers(0, len(PROTOCOLS) - 1)),
    st.tuples(st.just("refresh"), st.just(""), st.just(0)),
)


def written() -> dict:
    return {row["id"]: row for row in DerivedLabel.objects.values()}


def step(case: Case, readers: list, what: str, answer: str, n: int) -> None:
    current = Read.objects.filter(study=case.study, status=ReadStatus.SUBMITTED)
    if what in ("read", "unblinded"):
        for old in current.filter(reader=readers[n], kind=ReadKind.FIRST):
            old.move(ReadStatus.SUBMITTED, ReadStatus.SUPERSEDED)
        factories.ReadFactory(study=case.study, reader=readers[n], answer=answer, is_blinded=what == "read")
    elif what == "verdict":
        for old in current.filter(reader=readers[n], kind=ReadKind.VERDICT):
            old.move(ReadStatus.SUBMITTED, ReadStatus.SUPERSEDED)
        factories.ReadFactory(
            study=case.study, reader=readers[n], answer=answer, kind=ReadKind.VERDICT, why="The base"
        )
    elif what == "take back" and n < len(reads := list(current.order_by("created_at"))):
        reads[n].move(ReadStatus.SUBMITTED, ReadStatus.TAKEN_BACK)
    elif what == "revise":
        factories.protocol(**{"hides_ai": True} | PROTOCOLS[n])
        revisions.refresh_outdated()
    worklist.refresh(case.study)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=1, max_size=8))
def test_whatever_happens_each_label_that_was_written_stays_as_it_was(steps):
    case = worklist.enter(factories.StudyFactory())
    readers = [factories.UserFactory(role="radiologist") for _ in range(4)]
    for what, answer, n in steps:
        before = written()
        step(case, readers, what, answer, n)
        after = written()
        assert {pk: after.get(pk) for pk in before} == before
        # What holds names its reads, all of which are still there, and the version that holds now.
        case.refresh_from_db()
        if case.derived:
            assert case.derived.label == case.label
            assert case.derived.protocol == protocols.current(protocols.rest())
            assert Read.objects.filter(pk__in=case.derived.reads).count() == len(case.derived.reads)


def test_a_label_whose_reads_were_all_taken_back_is_followed_by_one_without_reads():
    case = worklist.enter(factories.StudyFactory())
    read = factories.ReadFactory(study=case.study)
    worklist.refresh(case.study)
    read.move(ReadStatus.SUBMITTED, ReadStatus.TAKEN_BACK)
    worklist.refresh(case.study)
    newest, first = DerivedLabel.objects.filter(study=case.study).order_by("-at")
    assert (first.reads, first.label) == ([str(read.pk)], "covid")
    assert (newest.reads, newest.label) == ([], "")


def test_a_revision_that_changes_no_label_says_all_the_same_by_which_version_it_holds():
    case = worklist.enter(factories.StudyFactory())
    factories.ReadFactory(study=case.study)
    worklist.refresh(case.study)
    second = factories.protocol(random_share=0.5)
    revisions.refresh_outdated()
    versions = (
        DerivedLabel.objects.filter(study=case.study).order_by("-at").values_list("protocol", flat=True)
    )
    assert next(iter(versions)) == second.pk and len(versions) == 2
