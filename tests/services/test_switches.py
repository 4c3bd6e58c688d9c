"""How often readers go over to the AI once they know its answer, when it is right and when it is wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from diagnosis.models import Case, Exposure, Read, Study, User
from diagnosis.selectors import Switches, switches
from diagnosis.selectors.switches import _told
from diagnosis.services import worklist
from diagnosis.states import Finding, Label, ReadKind, ReadStatus, Role
from tests import factories

pytestmark = pytest.mark.django_db

ANSWER = {Label.COVID: "typical", Label.NONCOVID: "normal", Label.UNKNOWN: "indeterminate"}
FINDING = {Label.COVID: Finding.ABOVE, Label.NONCOVID: Finding.BELOW, "": Finding.UNCERTAIN}
C, N, U = Label.COVID, Label.NONCOVID, Label.UNKNOWN


@pytest.fixture
def reader() -> User:
    return factories.UserFactory(role=Role.RADIOLOGIST)


def read(study: Study, reader: User | None, label: str, **facts: Any) -> Read:
    return factories.ReadFactory(study=study, reader=reader, answer=ANSWER[label], label=label, **facts)


def shown(study: Study, reader: User, ai: str, *, probability: float = 0.8, at: Any = None) -> None:
    """The AI's answer was sent to a reader."""
    instance = factories.InstanceFactory(series__study=study)
    prediction = factories.PredictionFactory(
        analysis__instance=instance, finding=FINDING[ai], probability=probability
    )
    row = Exposure.objects.create(user=reader, study=study, prediction=prediction)
    if at:
        Exposure.objects.filter(pk=row.pk).update(at=at)


def told(
    reader: User, ai: str, said: str, then: str = "", *, truth: str = "", truth_by: str = "other"
) -> Study:
    """One study: what a reader said, what the AI did, what the reader said then, and what is held true of it."""
    study = factories.CaseFactory().study
    now = timezone.now()
    if truth_by == "source":
        source = factories.SourceFactory()
        factories.ReadFactory(
            study=study, reader=None, source=source, answer="", label=truth, is_blinded=False
        )
    first = read(
        study, reader, said, created_at=now - timedelta(hours=2), revealed_at=now - timedelta(hours=1)
    )
    shown(study, reader, ai, at=now - timedelta(hours=1))
    if then:
        Read.objects.filter(pk=first.pk).update(status=ReadStatus.SUPERSEDED)
        read(study, reader, then, kind=ReadKind.REVISION, is_blinded=False, supersedes=first)
    if truth_by == "other" and truth:
        judge = factories.UserFactory(role=Role.RADIOLOGIST)
        read(study, judge, truth, kind=ReadKind.VERDICT, why="seen on CT")
    worklist.refresh(study)
    return study


@pytest.fixture
def two_readers() -> None:
    """No label before two have read it, or somebody else has settled it."""
    factories.protocol(n_readers=2, rule="adjudicated")


@pytest.mark.parametrize(
    ("case", "numbers"),
    [
        (("covid", N, C, C), {"n_differed_right": 1, "n_switched_right": 1}),
        (("covid", N, N, C), {"n_differed_right": 1}),
        (("covid", N, "", C), {"n_differed_right": 1}),
        (("covid", N, C, N), {"n_differed_wrong": 1, "n_switched_wrong": 1}),
        (("covid", N, "", N), {"n_differed_wrong": 1}),
        (("covid", N, U, N), {"n_differed_wrong": 1}),
        (("covid", U, C, N), {"n_differed_wrong": 1, "n_switched_wrong": 1}),
        (("noncovid", C, N, N), {"n_differed_right": 1, "n_switched_right": 1}),
        (("covid", C, "", N), {"n_agreed": 1}),
        (("covid", C, N, N), {"n_agreed": 1, "n_switched_away": 1}),
        (("covid", C, U, C), {"n_agreed": 1, "n_switched_away": 1}),
        (("", N, C, C), {"n_unanswered": 1}),
        (("covid", N, C, ""), {"n_left_out": 1}),
        (("covid", N, C, U), {"n_left_out": 1}),
    ],
)
def test_each_read_after_which_the_ai_was_shown_counts_once(case, numbers, reader, two_readers):
    ai, said, then, truth = case
    told(reader, ai, said, then, truth=truth)
    assert switches()[reader.pk] == Switches(n_revealed=1, **numbers)


def test_a_label_that_rests_on_ones_own_read_alone_proves_nothing(reader):
    """One reader a case: the label is the reader's own read."""
    study = told(reader, C, N, C)
    assert Case.objects.get(study=study).label == N
    assert switches()[reader.pk] == Switches(n_revealed=1, n_left_out=1)


def test_what_an_import_states_is_a_truth_where_the_protocol_takes_it_for_one(reader):
    factories.protocol(rule="imported")
    told(reader, C, N, C, truth=C, truth_by="source")
    assert switches()[reader.pk] == Switches(n_revealed=1, n_differed_right=1, n_switched_right=1)


def test_readers_who_agree_are_a_truth_for_each_other(reader):
    factories.protocol(n_readers=2, rule="unanimous")
    study = told(reader, C, N, C)
    read(study, factories.UserFactory(role=Role.RADIOLOGIST), N)
    worklist.refresh(study)
    assert switches()[reader.pk] == Switches(n_revealed=1, n_differed_wrong=1, n_switched_wrong=1)


def test_what_the_ai_said_is_what_was_shown_and_the_highest_of_it(reader, two_readers):
    study = told(reader, N, N, C, truth=C)
    shown(study, reader, C, probability=0.9, at=timezone.now() - timedelta(hours=1, minutes=1))
    # Scored anew and seen since: nobody was told that when they revised their read.
    shown(study, reader, N, probability=0.99)
    assert switches()[reader.pk] == Switches(n_revealed=1, n_differed_right=1, n_switched_right=1)


def test_an_answer_that_came_after_the_moment_is_the_first_one_that_did(reader, two_readers):
    study = told(reader, C, N, C, truth=C)
    Exposure.objects.update(at=timezone.now() - timedelta(minutes=30))
    shown(study, reader, N, probability=0.99)
    assert switches()[reader.pk] == Switches(n_revealed=1, n_differed_right=1, n_switched_right=1)


def test_what_another_reader_was_shown_is_not_what_this_one_was(reader, two_readers):
    study = told(reader, "", N, C, truth=C)
    shown(study, factories.UserFactory(), C, probability=0.99, at=timezone.now() - timedelta(days=1))
    assert switches()[reader.pk] == Switches(n_revealed=1, n_unanswered=1)


def test_a_revision_that_was_taken_back_is_none_and_the_newest_of_several_holds(reader, two_readers):
    study = told(reader, C, N, C, truth=C)
    first, revision = Read.objects.get(kind=ReadKind.FIRST), Read.objects.get(kind=ReadKind.REVISION)
    Read.objects.filter(pk=revision.pk).update(status=ReadStatus.SUPERSEDED)
    again = read(study, reader, N, kind=ReadKind.REVISION, is_blinded=False, supersedes=first)
    assert switches()[reader.pk].n_switched_right == 0
    Read.objects.filter(pk=again.pk).update(status=ReadStatus.TAKEN_BACK)
    assert switches()[reader.pk].n_switched_right == 1


def test_readers_stand_apart_and_who_was_shown_nothing_is_not_there(reader, two_readers):
    other, blind = factories.UserFactory(), factories.UserFactory()
    told(reader, C, N, C, truth=C)
    told(reader, C, C)
    told(other, C, N, truth=N)
    read(factories.StudyFactory(), blind, C)
    found = switches()
    assert found[reader.pk] == Switches(n_revealed=2, n_differed_right=1, n_switched_right=1, n_agreed=1)
    assert found[other.pk] == Switches(n_revealed=1, n_differed_wrong=1)
    assert blind.pk not in found


def test_withdrawn_and_synthetic_studies_are_left_alone(reader, two_readers):
    Study.objects.filter(pk=told(reader, C, N, C, truth=C).pk).update(status="withdrawn")
    Study.objects.filter(pk=told(reader, C, N, C, truth=C).pk).update(is_demo=True)
    assert switches() == {}


def test_many_cost_as_many_questions_as_few(reader, two_readers, django_assert_num_queries):
    told(reader, C, N, C, truth=C)
    with django_assert_num_queries(5):
        switches()
    for _ in range(4):
        told(reader, C, N, C, truth=N)
    with django_assert_num_queries(5):
        switches()


@given(
    said=st.sampled_from([C, N, U]),
    then=st.sampled_from([None, C, N, U]),
    ai=st.sampled_from([None, C, N]),
    truth=st.sampled_from(["", C, N]),
)
def test_every_read_stands_under_exactly_one_of_five_heads_and_switches_are_of_their_own(
    said, then, ai, truth
):
    now = timezone.now()
    first = Read(label=said, created_at=now - timedelta(hours=2), revealed_at=now - timedelta(hours=1))
    revision = Read(label=then, created_at=now) if then else None
    found = Switches(**dict.fromkeys(_told(first, revision, ai, truth), 1))
    heads = (
        found.n_agreed, found.n_differed_right, found.n_differed_wrong, found.n_left_out, found.n_unanswered,
    )  # fmt: skip
    assert found.n_revealed == sum(heads) == 1
    assert found.n_switched_right <= found.n_differed_right
    assert found.n_switched_wrong <= found.n_differed_wrong
    assert found.n_switched_away <= found.n_agreed
    if then is None:
        assert not found.n_switched_right + found.n_switched_wrong + found.n_switched_away
