"""Films that the input gate turns away, and the radiologist who has one analysed all the same."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser

from diagnosis import selectors, texts
from diagnosis.models import Analysis, Event, Instance, Prediction, User
from diagnosis.selectors import film_state
from diagnosis.services import analysis, assessment, intake, withdrawal
from diagnosis.states import JobStatus, ResultStatus, Role, UploadStatus
from tests import factories
from tests.xrays import dicom, film, png

pytestmark = pytest.mark.django_db


@pytest.fixture
def radiologist() -> User:
    return factories.UserFactory(role=Role.RADIOLOGIST)


@pytest.fixture
def turned_away(send: Any, promote: Any) -> Instance:
    """A film that the gate of the champion takes for a lateral one."""
    promote(gate="lateral")
    upload = send(png(film(0)))
    intake.admit(upload)
    analysis.run_waiting()
    upload.refresh_from_db()
    assert upload.status == UploadStatus.ACCEPTED
    return upload.instance


def retired(promote: Any) -> Any:
    """Another checkpoint comes into service."""
    return lambda **facts: promote(seed=1, **facts)


# --- the gate ---


def test_a_film_that_the_gate_turns_away_is_not_assessed_and_keeps_no_score(turned_away):
    row = turned_away.analyses.get()
    assert (row.status, row.error) == (JobStatus.NOT_ASSESSED, "lateral view")
    assert (row.gate["reason"], row.gate["looks_like"]) == ("lateral", "lateral")
    assert row.gate["odds"] > 0 and row.gate["strangeness"] > 1
    turned_away.refresh_from_db()
    assert (turned_away.not_assessed, turned_away.gate_reason) == ("lateral view", "lateral")
    assert not Prediction.objects.exists() and not list(turned_away.folder.glob("heatmap*"))
    state = film_state(turned_away)
    assert state.is_not_assessed and state.prediction is None
    assert selectors.result_of(AnonymousUser(), turned_away.series.study).status == ResultStatus.NOT_ASSESSED


def test_a_film_that_the_gate_lets_pass_has_its_answer_and_what_was_measured(send, promote):
    promote(gate="")
    intake.admit(send(png(film(0))))
    analysis.run_waiting()
    row = Analysis.objects.get()
    assert row.status == JobStatus.SUCCEEDED and row.prediction.finding == "above"
    assert row.gate["reason"] == "" and row.instance.not_assessed == ""


def test_without_a_gate_nothing_is_measured_and_nothing_turned_away(send, promote):
    promote()
    intake.admit(send(png(film(0))))
    analysis.run_waiting()
    row = Analysis.objects.get()
    assert row.gate == {} and row.prediction.although == ""


def test_a_film_that_another_gate_turned_away_is_assessed_once_the_next_one_lets_it_pass(
    turned_away, promote
):
    retired(promote)(gate="")
    analysis.request_again(turned_away, by=turned_away.series.study.uploaded_by)
    analysis.run_waiting()
    turned_away.refresh_from_db()
    assert (turned_away.not_assessed, turned_away.gate_reason) == ("", "")
    assert film_state(turned_away).prediction.finding == "above"


def test_a_checkpoint_without_a_gate_does_not_forget_what_was_found(turned_away, promote):
    retired(promote)()
    analysis.request_again(turned_away, by=turned_away.series.study.uploaded_by)
    analysis.run_waiting()
    assert not Prediction.objects.exists()
    assert film_state(Instance.objects.get()).is_not_assessed


def test_an_answer_of_before_is_not_shown_once_the_gate_turns_the_film_away(send, promote):
    promote()
    intake.admit(send(png(film(0))))
    analysis.run_waiting()
    instance = Instance.objects.get()
    study = instance.series.study
    study.refresh_from_db()
    assert study.leading is not None
    retired(promote)(gate="inverted")
    analysis.request_again(instance, by=study.uploaded_by)
    analysis.run_waiting()
    study.refresh_from_db()
    assert study.leading is None and film_state(Instance.objects.get()).is_not_assessed
    assert Prediction.objects.count() == 1, "it stays in the history"


def test_films_that_are_turned_away_are_not_learnt_from(turned_away):
    assert turned_away not in selectors.trainable(Instance.objects.all())


# --- all the same ---


def test_a_radiologist_gets_a_score_without_finding_and_heatmap(turned_away, radiologist):
    assert assessment.assess_anyway(turned_away, by=radiologist).requested_by == radiologist
    analysis.run_waiting()
    prediction = Prediction.objects.get()
    assert (prediction.finding, prediction.although) == ("", "lateral view")
    assert 0 < prediction.probability < 1 and not hasattr(prediction, "heatmap")
    assert str(texts.finding_of(prediction)) == (
        f"Analysed on request although: lateral view. Score {texts.score(prediction.probability)}, no finding given."
    )
    turned_away.refresh_from_db()
    assert turned_away.overridden_by == radiologist
    study = turned_away.series.study
    study.refresh_from_db()
    assert study.leading == prediction
    assert selectors.result_of(AnonymousUser(), study).status == ResultStatus.ANALYSED


def test_who_asked_and_why_not_is_on_record(turned_away, radiologist):
    assessment.assess_anyway(turned_away, by=radiologist)
    event = Event.objects.get(object_id=turned_away.pk)
    assert (event.old, event.new, event.by) == ("not assessed", "on request", radiologist)
    assert event.reason == "lateral view"


def test_a_second_press_asks_for_nothing_more(turned_away, radiologist):
    first = assessment.assess_anyway(turned_away, by=radiologist)
    assert assessment.assess_anyway(turned_away, by=factories.UserFactory(role=Role.RADIOLOGIST)) == first
    turned_away.refresh_from_db()
    assert turned_away.overridden_by == radiologist
    assert Event.objects.filter(object_id=turned_away.pk).count() == 1
    assert turned_away.analyses.count() == 2


def test_a_film_that_is_assessed_needs_no_request(radiologist):
    instance = factories.InstanceFactory()
    assert assessment.assess_anyway(instance, by=radiologist) is None
    assert not Analysis.objects.exists() and not Event.objects.exists()


def test_a_film_that_its_header_turned_away_is_analysed_on_request_too(send, promote, radiologist):
    promote(gate="")
    upload = send(dicom(ViewPosition="LL"))
    intake.admit(upload)
    upload.refresh_from_db()
    assert not Analysis.objects.exists()
    assessment.assess_anyway(upload.instance, by=radiologist)
    analysis.run_waiting()
    assert Prediction.objects.get().although == "lateral view", "the gate does not overrule the header"


def test_a_header_is_not_overruled_by_asking_again(send, promote, clinician):
    promote()
    upload = send(dicom(ViewPosition="LL"))
    intake.admit(upload)
    upload.refresh_from_db()
    assert not analysis.askable(Instance.objects.all()).exists()
    analysis.request_again(upload.instance, by=clinician)
    analysis.run_waiting()
    assert not Prediction.objects.exists()
    assert Analysis.objects.get().status == JobStatus.NOT_ASSESSED


def test_of_a_study_a_finding_leads_before_a_higher_score_that_was_asked_for():
    study = factories.StudyFactory()
    plain, asked = (
        factories.InstanceFactory(series__study=study),
        factories.InstanceFactory(series__study=study, not_assessed="lateral view"),
    )
    low = factories.PredictionFactory(analysis__instance=plain, finding="below", probability=0.08)
    radiologist = factories.UserFactory(role=Role.RADIOLOGIST)
    assessment.assess_anyway(asked, by=radiologist)
    factories.PredictionFactory(
        analysis__instance=asked, finding="", although="lateral view", probability=0.99
    )
    analysis.lead(study)
    study.refresh_from_db()
    assert study.leading == low
    assert selectors.study_for_page(AnonymousUser(), study).leading.prediction == low


# --- taken back ---


def test_taken_back_the_film_is_not_assessed_and_the_score_stays_in_its_history(turned_away, radiologist):
    assessment.assess_anyway(turned_away, by=radiologist)
    analysis.run_waiting()
    assert assessment.undo(turned_away, by=radiologist)
    turned_away.refresh_from_db()
    state = film_state(turned_away)
    assert state.is_not_assessed and state.prediction is None
    assert turned_away.series.study.leading is None and Prediction.objects.count() == 1
    assert list(Event.objects.filter(object_id=turned_away.pk).order_by("pk").values_list("old", "new")) == [
        ("not assessed", "on request"),
        ("on request", "not assessed"),
    ]


def test_taken_back_while_it_waits_it_is_not_analysed(turned_away, radiologist):
    asked = assessment.assess_anyway(turned_away, by=radiologist)
    assessment.undo(turned_away, by=radiologist)
    asked.refresh_from_db()
    assert asked.status == JobStatus.CANCELLED
    analysis.run_waiting()
    assert not Prediction.objects.exists()
    assert (
        selectors.result_of(AnonymousUser(), turned_away.series.study).status == ResultStatus.NOT_ASSESSED
    ), "not failed"


def test_what_nobody_asked_for_is_not_taken_back_and_what_waits_goes_on(turned_away, radiologist):
    waiting = analysis.request_again(turned_away, by=radiologist)
    assert not assessment.undo(turned_away, by=radiologist)
    waiting.refresh_from_db()
    assert waiting.status == JobStatus.QUEUED and not Event.objects.filter(object_id=turned_away.pk).exists()


def test_asked_for_again_the_score_that_is_there_is_shown_again(turned_away, radiologist):
    assessment.assess_anyway(turned_away, by=radiologist)
    analysis.run_waiting()
    assessment.undo(turned_away, by=radiologist)
    assessment.assess_anyway(turned_away, by=radiologist)
    analysis.run_waiting()
    assert film_state(Instance.objects.get()).prediction.although == "lateral view"


def test_a_request_that_was_cancelled_with_its_study_comes_back_with_it(turned_away, radiologist):
    study = turned_away.series.study
    assessment.assess_anyway(turned_away, by=radiologist)
    withdrawal.withdraw(study, by=radiologist, reason="a test")
    withdrawal.restore(study, by=radiologist)
    assert turned_away.analyses.filter(status=JobStatus.QUEUED).count() == 1


def test_what_was_taken_back_before_is_not_asked_for_when_its_study_comes_back(turned_away, radiologist):
    study = turned_away.series.study
    assessment.assess_anyway(turned_away, by=radiologist)
    assessment.undo(turned_away, by=radiologist)
    withdrawal.withdraw(study, by=radiologist, reason="a test")
    withdrawal.restore(study, by=radiologist)
    assert not turned_away.analyses.filter(status__in=JobStatus.WAITING).exists()
