"""Every study has its place on the worklist, and it follows whatever happens (rules D3, D4, E6)."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from diagnosis.models import Case, Event, IdentityConflict, Prediction, Read, ReviewRequest, Study
from diagnosis.services import analysis, claims, demo, identity, operations, protocols, withdrawal, worklist
from diagnosis.services.identity import Number
from diagnosis.states import (
    Answer,
    CaseStatus,
    Finding,
    Label,
    LabelRule,
    ReadStatus,
    ReviewStatus,
    Role,
    Tier,
)
from tests import factories, manifests, xrays
from tests.services.test_imports import administrator, run  # noqa: F401

pytestmark = pytest.mark.django_db

many = hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def study(team: Any) -> Study:
    study = factories.StudyFactory(team=team)
    worklist.enter(study)
    return study


@pytest.fixture
def no_draws(db: Any) -> None:
    """Nothing is drawn at random."""
    factories.protocol(random_share=0)


def scored(study: Study, probability: float) -> Prediction:
    """As if the AI had just looked, with an uncertain band from 0.2 to 0.6."""
    finding = (
        Finding.BELOW if probability < 0.2 else Finding.ABOVE if probability > 0.6 else Finding.UNCERTAIN
    )
    prediction = factories.PredictionFactory(
        analysis__instance__series__study=study,
        probability=probability,
        finding=finding,
        band_low=0.2,
        band_high=0.6,
    )
    analysis.lead(study)
    return prediction


def entered(study: Study, *, ago: timedelta) -> Case:
    """On the list since then."""
    Case.objects.filter(study=study).update(entered_at=timezone.now() - ago)
    worklist.refresh(study)
    return Case.objects.get(study=study)


def read(study: Study, answer: str = Answer.TYPICAL, **more: Any) -> Read:
    made = factories.ReadFactory(study=study, answer=answer, **more)
    worklist.refresh(study)
    return made


def disagree(study: Study) -> ReviewRequest:
    request = factories.ReviewRequestFactory(study=study)
    worklist.refresh(study)
    return request


def take_back(made: Read) -> None:
    assert made.move(ReadStatus.SUBMITTED, ReadStatus.TAKEN_BACK)
    worklist.refresh(made.study)


def case_of(study: Study) -> Case:
    return Case.objects.get(study=study)


def in_order() -> list[Any]:
    return list(Case.objects.order_by(*claims.ORDER).values_list("study", flat=True))


# --- who is on it ---


def test_a_film_that_is_admitted_is_on_the_worklist(send, admit, film):
    assert admit(send(film))
    case = Case.objects.get()
    assert case.status == CaseStatus.OPEN and case.tier == Tier.REST
    assert case.entered_at == case.received_at == case.study.received_at
    assert case.uncertainty == 0.5 and case.label == "" and case.source is None


def test_more_films_of_a_study_make_no_second_case(send, admit):
    for n in (1, 2):
        header = {"StudyInstanceUID": "1.2.3", "SOPInstanceUID": f"1.2.3.{n}"}
        assert admit(send(xrays.dicom(xrays.film(n, bits=12), **header)))
    assert Study.objects.count() == Case.objects.count() == 1


def test_a_demo_study_never_enters(clinician, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        demo.send(1, by=clinician)
    study = Study.objects.get()
    assert study.is_demo
    assert worklist.enter(study) is None and worklist.recount() == (0, 0)
    worklist.refresh(study)
    scored(study, 0.4)
    disagree(study)
    assert not Case.objects.exists()


def test_an_import_enters_its_studies_with_source_and_label(run, tmp_path):  # noqa: F811
    run([manifests.film(tmp_path, f"{n}.jpg", n, patient_id=str(n)) for n in range(3)])
    assert Case.objects.count() == Study.objects.count() == 3
    for case in Case.objects.select_related("study"):
        assert case.status == CaseStatus.OPEN and case.n_reads == 0
        assert (case.source, case.label) == (case.study.source, case.study.reads.get().label)
        assert case.received_at == case.entered_at == case.study.received_at


def n_selects(action: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as queries:
        action()
    return sum(query["sql"].startswith("SELECT") for query in queries)


def test_a_hundred_studies_are_entered_and_refreshed_in_as_few_questions_as_two(team):
    studies = [factories.StudyFactory(team=team) for _ in range(102)]
    few, most = studies[:2], studies[2:]
    protocols.rest()
    assert n_selects(lambda: worklist.enter_all(few)) == n_selects(lambda: worklist.enter_all(most)) == 5
    assert Case.objects.count() == 102
    pks = [study.pk for study in studies]
    Case.objects.update(n_reads=3)
    assert n_selects(lambda: worklist.refresh_all(pks[:2])) == 6
    assert n_selects(lambda: worklist.refresh_all(pks)) == 6
    assert not Case.objects.exclude(n_reads=0).exists()


def test_what_stands_right_is_not_written_again(study, django_assert_num_queries):
    # A savepoint, six questions, and its release.
    with django_assert_num_queries(8):
        worklist.refresh(study)


def test_a_withdrawn_study_leaves_the_worklist_and_comes_back_as_it_was(study):
    user = study.uploaded_by
    reader = factories.UserFactory(role=Role.RADIOLOGIST)
    before = claims.claim(case_of(study), by=reader)
    withdrawal.withdraw(study, by=user, reason="wrong patient")
    case = case_of(study)
    assert case.status == CaseStatus.OFF and not case.is_claimed and case.claimed_by is None
    withdrawal.restore(study, by=user)
    case = case_of(study)
    assert case.status == CaseStatus.OPEN
    assert (case.entered_at, case.is_random, case.draw) == (before.entered_at, before.is_random, before.draw)


def test_a_study_that_was_read_comes_back_as_done(study):
    read(study)
    withdrawal.withdraw(study, by=study.uploaded_by, reason="wrong patient")
    worklist.refresh(study)
    assert case_of(study).status == CaseStatus.OFF
    withdrawal.restore(study, by=study.uploaded_by)
    assert case_of(study).status == CaseStatus.DONE


def test_what_an_administrator_took_off_stays_off_through_a_withdrawal(study):
    by = factories.UserFactory(role=Role.ADMINISTRATOR)
    assert worklist.leave(study, by=by, reason="a phantom") and not worklist.leave(study, by=by, reason="")
    withdrawal.withdraw(study, by=by, reason="wrong patient")
    withdrawal.restore(study, by=by)
    for happens in (read, disagree, lambda study: scored(study, 0.4)):
        happens(study)
        assert case_of(study).status == CaseStatus.OFF
    event = Event.objects.get(kind="case")
    assert (event.by, event.reason, event.new) == (by, "a phantom", CaseStatus.OFF)
    worklist.enter(study, by=by)
    assert case_of(study).status == CaseStatus.OPEN and case_of(study).tier == Tier.DISAGREED


def test_a_study_keeps_its_case_under_another_patient(study):
    before = case_of(study)
    by = factories.UserFactory(role=Role.ADMINISTRATOR)
    identity.move(study, Number("4711", issuer="clinic"), seen="", by=by, reason="it is theirs")
    study.refresh_from_db()
    after = case_of(study)
    assert study.patient is not None and not IdentityConflict.objects.exists()
    assert (after.pk, after.status, after.priority) == (before.pk, before.status, before.priority)


# --- done and open ---


def test_a_read_makes_it_done_and_taking_it_back_opens_it_again(study):
    before = case_of(study)
    made = read(study)
    case = case_of(study)
    assert (case.status, case.n_reads, case.label) == (CaseStatus.DONE, 1, Label.COVID)
    take_back(made)
    case = case_of(study)
    assert (case.status, case.n_reads, case.label) == (CaseStatus.OPEN, 0, "")
    assert (case.tier, case.priority, case.entered_at) == (before.tier, before.priority, before.entered_at)


def test_what_an_import_states_is_no_read(study):
    factories.ReadFactory(study=study, reader=None, source=factories.SourceFactory(), label=Label.NONCOVID)
    worklist.refresh(study)
    case = case_of(study)
    assert (case.status, case.n_reads, case.label) == (CaseStatus.OPEN, 0, Label.NONCOVID)


def test_it_wants_as_many_reads_as_its_protocol_says(study):
    factories.protocol(n_readers=2, rule=LabelRule.UNANIMOUS)
    read(study)
    assert case_of(study).status == CaseStatus.OPEN
    read(study, Answer.NORMAL)
    case = case_of(study)
    assert (case.status, case.label, case.n_reads) == (CaseStatus.DONE, Label.UNKNOWN, 2)


def test_a_doubt_puts_it_first_until_it_is_answered(study):
    request = disagree(study)
    assert case_of(study).tier == Tier.DISAGREED
    made = read(study)
    # The answer is not final yet, and nobody else needs to give one.
    assert request.status == ReviewStatus.OPEN and case_of(study).status == CaseStatus.DONE
    take_back(made)
    assert (case_of(study).status, case_of(study).tier) == (CaseStatus.OPEN, Tier.DISAGREED)
    request.move(ReviewStatus.OPEN, ReviewStatus.TAKEN_BACK)
    worklist.refresh(study)
    assert (case_of(study).status, case_of(study).tier) == (CaseStatus.OPEN, Tier.REST)


def test_a_doubt_about_a_read_case_opens_it_and_it_waits_from_then(study, settings):
    entered(study, ago=timedelta(days=9))
    read(study)
    request = disagree(study)
    case = case_of(study)
    assert (case.status, case.tier) == (CaseStatus.OPEN, Tier.DISAGREED)
    assert case.entered_at == request.created_at
    request.move(ReviewStatus.OPEN, ReviewStatus.ANSWERED)
    worklist.refresh(study)
    assert case_of(study).status == CaseStatus.DONE


def test_a_doubt_about_a_case_that_nobody_has_read_leaves_its_wait_as_it_is(study):
    before = case_of(study)
    disagree(study)
    assert case_of(study).entered_at == before.entered_at


@many
@given(seed=st.integers(0, 2**32), n_wanted=st.integers(1, 3))
def test_done_and_open_follow_reads_and_doubts_in_any_order(study, seed, n_wanted):
    """Against the rule in one line, after each of twenty steps; and refreshing again changes nothing."""
    factories.protocol(n_readers=n_wanted, rule=LabelRule.SINGLE if n_wanted == 1 else LabelRule.UNANIMOUS)
    chance = random.Random(seed)
    Read.objects.all().delete()
    ReviewRequest.objects.all().delete()
    for _ in range(20):
        _step(chance, study)
        worklist.refresh(study)
        reads = Read.objects.filter(status=ReadStatus.SUBMITTED).order_by("created_at")
        last = reads.last()
        doubts = ReviewRequest.objects.filter(status=ReviewStatus.OPEN)
        pending = doubts.filter(created_at__gt=last.created_at) if last else doubts
        case = case_of(study)
        assert (case.status == CaseStatus.DONE) == (reads.count() >= n_wanted and not pending.exists())
        assert (case.tier == Tier.DISAGREED) == pending.exists()
        assert case.n_reads == reads.count()
        assert worklist.refresh_all([study.pk]) == 0


def _step(chance: random.Random, study: Study) -> None:
    kind = chance.choice(["read", "read", "take back", "doubt", "answer"])
    if kind == "read":
        factories.ReadFactory(study=study, answer=chance.choice(list(Answer.__dict__.values())[2:6]))
    elif kind == "doubt":
        factories.ReviewRequestFactory(study=study)
    elif kind == "take back" and (made := Read.objects.filter(status=ReadStatus.SUBMITTED).last()):
        made.move(ReadStatus.SUBMITTED, ReadStatus.TAKEN_BACK)
    elif kind == "answer" and (request := ReviewRequest.objects.filter(status=ReviewStatus.OPEN).first()):
        request.move(ReviewStatus.OPEN, ReviewStatus.ANSWERED)


# --- the formula ---


@pytest.mark.parametrize(
    ("probability", "wanted"),
    [(0.0, 0), (0.1, 0.5), (0.2, 1), (0.4, 1), (0.6, 1), (0.8, 0.5), (1.0, 0)],
)
def test_the_ai_is_the_less_sure_the_nearer_its_score_is_to_the_band(study, probability, wanted):
    scored(study, probability)
    assert case_of(study).uncertainty == pytest.approx(wanted)


def test_without_a_finding_uncertainty_is_in_the_middle(study):
    prediction = scored(study, 0.9)
    Prediction.objects.filter(pk=prediction.pk).update(finding="", although="lateral view")
    worklist.refresh(study)
    case = case_of(study)
    assert case.uncertainty == 0.5 and case.checkpoint == prediction.checkpoint


@pytest.mark.parametrize(
    ("probability", "labels", "wanted"),
    [
        (0.9, [], 0),
        (0.9, [Label.COVID], 0),
        (0.9, [Label.NONCOVID], 1),
        (0.9, [Label.UNKNOWN], 0),
        (0.05, [Label.COVID], 1),
        (0.4, [Label.COVID], 0),
        (0.4, [Label.COVID, Label.NONCOVID], 1),
        (0.4, [Label.COVID, Label.COVID, Label.NONCOVID], 2 / 3),
        (0.9, [Label.COVID, Label.COVID, Label.NONCOVID], 2 / 3),
        (0.05, [Label.COVID, Label.COVID], 1),
        (0.9, [Label.COVID, Label.UNKNOWN], 1),
    ],
)
def test_disagreement_is_among_reads_or_with_the_ai(study, probability, labels, wanted):
    for label in labels:
        factories.ReadFactory(study=study, label=label)
    scored(study, probability)
    assert case_of(study).disagreement == pytest.approx(wanted)


def test_a_new_prediction_moves_the_case(send, admit, film, promote, no_draws):
    checkpoint = promote()
    admit(send(film))
    case, study = Case.objects.get(), Study.objects.select_related("leading").get()
    assert study.leading is not None and case.checkpoint == checkpoint
    assert case.uncertainty == worklist.uncertainty(study.leading)
    assert case.priority == pytest.approx(worklist.priority(case))


def test_the_unsure_go_first_among_those_that_came_together(team, no_draws):
    studies = [factories.StudyFactory(team=team) for _ in range(3)]
    Study.objects.update(received_at=timezone.now())
    worklist.recount()
    Case.objects.update(entered_at=timezone.now())
    for study, probability in zip(studies, (0.02, 0.5, 0.7), strict=True):
        scored(study, probability)
    assert in_order() == [studies[1].pk, studies[2].pk, studies[0].pk]


def test_a_wait_as_long_as_the_limit_weighs_as_much_as_being_wholly_unsure(team, settings, no_draws):
    old, unsure = (factories.StudyFactory(team=team) for _ in range(2))
    worklist.enter_all([old, unsure])
    scored(old, 0.0)
    scored(unsure, 0.4)
    entered(unsure, ago=timedelta(0))
    for share, first in ((0.9, unsure), (0.999, unsure)):
        entered(old, ago=timedelta(seconds=share * settings.READING_LIMIT_S))
        assert in_order()[0] == first.pk
    settings.WEIGHT_WAITING = 2
    worklist.recount()
    assert in_order()[0] == old.pk


# --- properties of the order ---

films = st.lists(
    st.fixed_dictionaries(
        {
            "probability": st.none() | st.floats(0, 1),
            "hours": st.floats(0, 60),
            "labels": st.lists(st.sampled_from([Label.COVID, Label.NONCOVID, Label.UNKNOWN]), max_size=2),
            "is_random": st.booleans(),
            "draw": st.floats(0, 1, exclude_max=True),
            "is_doubted": st.booleans(),
        }
    ),
    min_size=2,
    max_size=6,
)
weights = st.tuples(*[st.sampled_from([0.0, 0.0, 0.5, 1.0, 30.0])] * 3)


def weigh(settings: Any, values: tuple[float, float, float]) -> None:
    settings.WEIGHT_UNCERTAINTY, settings.WEIGHT_DISAGREEMENT, settings.WEIGHT_WAITING = values


def hang(films: list[dict[str, Any]]) -> list[Study]:
    """A worklist of just these films."""
    Study.objects.all().delete()
    studies = []
    for film in films:
        study = factories.StudyFactory()
        worklist.enter(study)
        Case.objects.filter(study=study).update(
            is_random=film["is_random"],
            draw=film["draw"],
            entered_at=timezone.now() - timedelta(hours=film["hours"]),
        )
        for label in film["labels"]:
            factories.ReadFactory(study=study, label=label, reader=None, source=factories.SourceFactory())
        if film["is_doubted"]:
            factories.ReviewRequestFactory(study=study)
        if film["probability"] is not None:
            scored(study, film["probability"])
        else:
            worklist.refresh(study)
        studies.append(study)
    return studies


@many
@given(films=films, weights=weights)
def test_no_weights_empty_the_list_and_nothing_waits_too_long_behind_a_lower_tier(films, weights, settings):
    weigh(settings, weights)
    studies = hang(films)
    worklist.age()
    reader = factories.UserFactory(role=Role.RADIOLOGIST)
    found: list[Case] = []
    while case := claims.next_case(by=reader, skip=[case.study_id for case in found]):
        found.append(case)
    assert {case.study_id for case in found} == {study.pk for study in studies}
    limit = timezone.now() - timedelta(seconds=settings.READING_LIMIT_S)
    late = [case.entered_at <= limit for case in found if case.tier != Tier.DISAGREED]
    assert late == sorted(late, reverse=True)
    assert [case.tier for case in found] == sorted(case.tier for case in found)


@many
@given(films=films, weights=weights, hours=st.floats(0, 100))
def test_as_time_passes_the_order_within_a_tier_stays(films, weights, hours, settings):
    """However much later it is, and whatever is worked out anew then."""
    weigh(settings, weights)
    hang(films)
    before = {pk: n for n, pk in enumerate(in_order())}
    now = timezone.now()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worklist.timezone, "now", lambda: now + timedelta(hours=hours))
        worklist.age()
        aged = in_order()
        worklist.recount()
        assert in_order() == aged
    tiers: dict[int, list[int]] = {}
    for case in Case.objects.order_by(*claims.ORDER):
        tiers.setdefault(case.tier, []).append(before[case.study_id])
    # Those that came into a tier by waiting mix with those that were there by priority, never among themselves.
    for tier, places in tiers.items():
        if tier != Tier.OVERDUE:
            assert places == sorted(places)


@many
@given(films=films, weights=weights, seed=st.integers(0, 2**32))
def test_the_order_of_the_random_share_does_not_depend_on_the_score(films, weights, seed, settings):
    weigh(settings, weights)
    chance = random.Random(seed)
    films = [{**film, "is_random": True, "probability": chance.random()} for film in films]
    hang(films)
    places = {case.draw: (case.tier, case.priority) for case in Case.objects.all()}
    order = [case.draw for case in Case.objects.order_by(*claims.ORDER)]
    for study in Study.objects.all():
        scored(study, chance.random())
        case = case_of(study)
        assert places[case.draw] == (case.tier, case.priority) or len(places) < len(films)
    assert [case.draw for case in Case.objects.order_by(*claims.ORDER)] == order


def test_before_the_ai_has_looked_a_random_case_stands_as_all_others(team):
    for share in (0, 1):
        factories.protocol(random_share=share)
        worklist.enter(factories.StudyFactory(team=team))
    Case.objects.update(entered_at=timezone.now())
    worklist.recount()
    random_one, other = Case.objects.order_by("is_random")
    assert random_one.is_random != other.is_random and random_one.priority == other.priority


def test_the_share_is_drawn_once_and_stays(team):
    factories.protocol(random_share=0.3)
    studies = [factories.StudyFactory(team=team) for _ in range(400)]
    worklist.enter_all(studies)
    drawn = dict(Case.objects.values_list("pk", "is_random"))
    assert 60 < sum(drawn.values()) < 180
    worklist.enter_all(studies)
    worklist.recount()
    assert dict(Case.objects.values_list("pk", "is_random")) == drawn


# --- waiting too long ---


def test_what_waits_too_long_goes_before_the_rest_by_one_update(team, django_assert_num_queries):
    studies = [factories.StudyFactory(team=team) for _ in range(3)]
    worklist.enter_all(studies)
    disagree(studies[2])
    Case.objects.exclude(study=studies[0]).update(entered_at=timezone.now() - timedelta(hours=25))
    with django_assert_num_queries(1):
        assert worklist.age() == 1
    assert [case_of(study).tier for study in studies] == [Tier.REST, Tier.OVERDUE, Tier.DISAGREED]
    assert worklist.age() == 0


def test_the_sweeper_lets_cases_age(study):
    Case.objects.update(entered_at=timezone.now() - timedelta(hours=25))
    operations.sweep()
    assert case_of(study).tier == Tier.OVERDUE


def test_a_reader_who_asks_for_the_next_case_gets_the_one_that_waits_too_long(team, no_draws):
    studies = [factories.StudyFactory(team=team) for _ in range(2)]
    worklist.enter_all(studies)
    scored(studies[0], 0.4)
    scored(studies[1], 0.0)
    Case.objects.filter(study=studies[1]).update(entered_at=timezone.now() - timedelta(hours=25))
    case = claims.next_case(by=factories.UserFactory(role=Role.RADIOLOGIST))
    assert case is not None and case.study == studies[1]


def test_what_was_overdue_and_is_doubted_falls_back_when_the_doubt_ends(study):
    assert entered(study, ago=timedelta(hours=25)).tier == Tier.OVERDUE
    request = disagree(study)
    assert case_of(study).tier == Tier.DISAGREED
    request.move(ReviewStatus.OPEN, ReviewStatus.TAKEN_BACK)
    worklist.refresh(study)
    assert case_of(study).tier == Tier.OVERDUE
    read(study)
    assert case_of(study).tier == Tier.REST


def test_a_longer_limit_lets_cases_fall_back(study, settings):
    assert entered(study, ago=timedelta(hours=25)).tier == Tier.OVERDUE
    settings.READING_LIMIT_S = 2 * 86_400
    worklist.recount()
    assert case_of(study).tier == Tier.REST


# --- counted anew ---


def test_the_command_gives_each_study_its_case_and_each_case_its_place(team, no_draws):
    missing, here, gone = (factories.StudyFactory(team=team) for _ in range(3))
    factories.StudyFactory(team=team, is_demo=True)
    withdrawal.withdraw(gone, by=gone.uploaded_by, reason="wrong patient")
    factories.CaseFactory(study=here, priority=5)
    for study in (missing, here):
        factories.ReadFactory(study=study)
    out = io.StringIO()
    call_command("recount_worklist", stdout=out)
    assert "1 cases made" in out.getvalue()
    assert set(Case.objects.values_list("study", flat=True)) == {missing.pk, here.pk}
    assert {case.status for case in Case.objects.all()} == {CaseStatus.DONE}
    assert all(case.n_reads == 1 and case.priority < 0 for case in Case.objects.all())
    assert worklist.recount() == (0, 0)
