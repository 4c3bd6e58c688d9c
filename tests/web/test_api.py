"""The study as a program reads it."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from rest_framework.renderers import JSONRenderer

from diagnosis import texts
from diagnosis.states import Finding, JobStatus
from tests import factories

pytestmark = pytest.mark.django_db

PROBLEM = "application/problem+json"


@pytest.fixture
def read(browser, study):
    """The study's answer, parsed."""
    return lambda: browser.get(reverse("api-study", args=[study.pk])).json()


@pytest.fixture
def prediction(study):
    instance = factories.InstanceFactory(series__study=study)
    return factories.PredictionFactory(analysis__instance=instance)


def test_a_study_tells_everything_that_its_page_shows(read, study, prediction):
    answer = read()
    (film,) = answer["instances"]
    (analysis,) = film["analyses"]
    told = analysis["prediction"]
    assert (answer["number"], answer["team"], answer["notice"]) == (
        study.number,
        study.team.name,
        texts.FOOTER,
    )
    assert (film["width"], film["height"], film["bits"]) == (896, 1024, 8)
    assert analysis["status"] == JobStatus.SUCCEEDED
    assert told["probability"] == prediction.probability
    assert told["finding"] == Finding.ABOVE
    assert told["text"] == str(texts.finding_of(prediction))
    assert (told["operating_point"], told["band_low"], told["band_high"]) == (0.4, 0.21, 0.61)
    assert told["checkpoint"]["sha256"] == prediction.checkpoint.sha256
    assert told["precision"] == "fp32" and told["duration_ms"] == 41.5


def test_it_never_calls_the_score_a_diagnosis(read, prediction):
    words = str(read()).lower()
    assert "positive" not in words and "infected" not in words


def test_a_heatmap_comes_as_its_raw_values_and_as_the_address_of_its_picture(read, browser, prediction):
    factories.HeatmapFactory(prediction=prediction)
    heatmap = read()["instances"][0]["analyses"][0]["prediction"]["heatmap"]
    assert (heatmap["rows"], heatmap["columns"], len(heatmap["values"])) == (7, 7, 49)
    assert heatmap["picture"] == reverse("prediction-heatmap", args=[prediction.pk])


def test_an_analysis_without_answer_has_no_prediction_and_no_number(read, study):
    instance = factories.InstanceFactory(series__study=study)
    factories.AnalysisFactory(instance=instance, status=JobStatus.FAILED, error="worker lost")
    (analysis,) = read()["instances"][0]["analyses"]
    assert (analysis["status"], analysis["error"], analysis["prediction"]) == ("failed", "worker lost", None)


def test_a_study_without_a_film_and_without_a_patient_is_told_as_such(read):
    answer = read()
    assert answer["instances"] == [] and answer["patient"] is None


def test_a_patient_is_named_by_pseudonym_alone(read, study):
    study.patient = factories.PatientFactory()
    study.save()
    assert read()["patient"] == study.patient.pseudonym
    assert study.patient.key not in str(read())


@pytest.mark.parametrize("who", ["nobody", "outsider"])
def test_who_may_not_read_it_gets_a_problem_document(who, study, sign_in):
    client = Client() if who == "nobody" else sign_in(factories.UserFactory(team=factories.TeamFactory()))
    answer = client.get(reverse("api-study", args=[study.pk]))
    assert answer.status_code == {"nobody": 401, "outsider": 404}[who]
    assert answer["Content-Type"] == PROBLEM
    assert answer.json()["status"] == answer.status_code
    # The address, which holds the id, is the only thing of the study that is repeated.
    assert study.number not in answer.content.decode().replace(str(study.pk), "")


def test_it_answers_json_whatever_is_asked_for(browser, study):
    answer = browser.get(reverse("api-study", args=[study.pk]), headers={"accept": "text/html"})
    assert answer["Content-Type"].startswith((JSONRenderer.media_type, PROBLEM))


def test_all_films_cost_the_same_number_of_queries(read, study, prediction, django_assert_max_num_queries):
    for _ in range(5):
        instance = factories.InstanceFactory(series__study=study)
        factories.HeatmapFactory(prediction=factories.PredictionFactory(analysis__instance=instance))
    with django_assert_max_num_queries(20):
        assert len(read()["instances"]) == 6
