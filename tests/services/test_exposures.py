"""The first time that AI output of a study is sent to somebody is recorded, once."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser

from diagnosis import selectors
from diagnosis.models import Exposure
from diagnosis.services import exposures
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def predictions():
    study = factories.StudyFactory()
    return [factories.PredictionFactory(analysis__instance__series__study=study) for _ in range(3)]


def test_each_prediction_is_noted_once_with_its_study(clinician, predictions):
    assert exposures.note(clinician, predictions) == 3
    first = dict(Exposure.objects.values_list("prediction", "at"))
    assert exposures.note(clinician, [prediction.pk for prediction in predictions]) == 0
    assert dict(Exposure.objects.values_list("prediction", "at")) == first
    assert {row.study for row in Exposure.objects.all()} == {predictions[0].analysis.instance.series.study}


def test_everybody_has_rows_of_their_own(clinician, predictions):
    exposures.note(clinician, predictions)
    assert exposures.note(factories.UserFactory(), predictions[:1]) == 1


def test_what_was_noted_costs_one_query_and_nothing_costs_none(
    clinician, predictions, django_assert_num_queries
):
    with django_assert_num_queries(0):
        assert exposures.note(clinician, []) == exposures.note(clinician, [None]) == 0
    exposures.note(clinician, predictions)
    with django_assert_num_queries(1):
        exposures.note(clinician, predictions)


def test_many_new_ones_cost_as_much_as_one(clinician, predictions, django_assert_num_queries):
    with django_assert_num_queries(2):
        exposures.note(clinician, predictions[:1])
    with django_assert_num_queries(2):
        exposures.note(clinician, predictions)


def test_nobody_is_no_user(predictions):
    assert exposures.note(AnonymousUser(), predictions) == 0
    assert not Exposure.objects.exists()


def test_a_row_of_another_tab_is_no_error(clinician, predictions, monkeypatch):
    """The row appears between the look and the insert."""
    bulk_create = Exposure.objects.bulk_create

    def late(rows, **options):
        bulk_create([Exposure(user=clinician, study_id=rows[0].study_id, prediction=predictions[0])])
        return bulk_create(rows, **options)

    monkeypatch.setattr(Exposure.objects, "bulk_create", late)
    exposures.note(clinician, predictions)
    assert Exposure.objects.count() == 3


def test_all_of_a_study_and_nothing_of_another(clinician, predictions):
    factories.PredictionFactory()
    assert exposures.note_study(clinician, predictions[0].analysis.instance.series.study) == 3


def test_a_page_shows_each_films_answer_and_the_past_of_one(predictions):
    instance = predictions[0].analysis.instance
    old = factories.PredictionFactory(analysis__instance=predictions[1].analysis.instance)
    newer = factories.PredictionFactory(analysis__instance=instance)
    state = selectors.study_for_page(instance.series.study)
    chosen = next(film for film in state.films if film.instance == instance)
    shown = {prediction for prediction in exposures.of_page(state.films, chosen) if prediction}
    latest_of_other = next(film.prediction for film in state.films if film.instance == old.analysis.instance)
    assert shown == {predictions[0], newer, latest_of_other, predictions[2]}
