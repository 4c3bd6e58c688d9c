"""The first time that AI output of a study is sent to somebody is recorded, once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diagnosis import selectors
from diagnosis.models import Case, Exposure, Read
from diagnosis.services import claims, drafts, exposures, labels, protocols, reading, worklist
from diagnosis.states import Answer, Role
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
    # What is new, and a transaction in which its cases are locked and it is stored.
    with django_assert_num_queries(5):
        exposures.note(clinician, predictions[:1])
    with django_assert_num_queries(5):
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
    state = selectors.study_for_page(AnonymousUser(), instance.series.study)
    chosen = next(film for film in state.films if film.instance == instance)
    shown = {prediction for prediction in exposures.of_page(state.films, chosen) if prediction}
    latest_of_other = next(film.prediction for film in state.films if film.instance == old.analysis.instance)
    assert shown == {predictions[0], newer, latest_of_other, predictions[2]}


# --- in turn with reads (rule D1) ---


def submitted(case, reader):
    """A read as its page has it."""
    draft = drafts.open_for(case, by=reader)
    changes = {"answer": Answer.TYPICAL, "confidence": 2}
    return reading.submit(case, by=reader, version=draft.version, changes=changes)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(12))
def test_a_read_is_never_blinded_after_ai_output_was_sent_to_its_reader(turn):
    """Sent and submitted at the same moment, in whichever order they come through."""
    prediction = factories.PredictionFactory()
    study = prediction.analysis.instance.series.study
    worklist.enter(study)
    case = Case.objects.get(study=study)
    readers = [factories.UserFactory(role=Role.RADIOLOGIST) for _ in range(2)]
    start = threading.Barrier(4)

    def run(action):
        start.wait()
        try:
            time.sleep(0.002 * (turn % 4))
            action()
        finally:
            connection.close()

    claims.claim(case, by=readers[0])
    one, other = readers
    actions = [
        lambda: submitted(case, one), lambda: exposures.note(one, [prediction]),
        lambda: exposures.note(other, [prediction]), lambda: exposures.note(one, [prediction.pk]),
    ]  # fmt: skip
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, actions))
    read, exposure = Read.objects.get(), Exposure.objects.get(user=one)
    assert read.is_blinded is (exposure.at > read.created_at)
    protocol = protocols.protocol_of(study)
    assert [row.pk for row in labels.counted([read], protocol)] == ([read.pk] if read.is_blinded else [])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(["send", "read", "take back", "reveal"]), max_size=7))
def test_whatever_was_done_in_whatever_order_no_read_after_an_exposure_counts(db, steps):
    with transaction.atomic():
        prediction = factories.PredictionFactory()
        study = prediction.analysis.instance.series.study
        worklist.enter(study)
        case, reader = Case.objects.get(study=study), factories.UserFactory(role=Role.RADIOLOGIST)
        for step in steps:
            own = reading.standing(study.pk, reader)
            if step == "send":
                exposures.note(reader, [prediction])
            elif step == "read":
                submitted(case, reader)
            elif step == "take back" and own and not own.is_final:
                reading.take_back(own, by=reader)
            elif step == "reveal" and own and not own.revealed_at:
                Read.objects.filter(pk=own.pk).update(revealed_at=timezone.now())
        exposed = Exposure.objects.filter(user=reader).values_list("at", flat=True).first()
        reads = list(Read.objects.filter(study=study))
        late = {read.pk for read in reads if exposed and exposed <= read.created_at}
        assert not any(read.is_blinded for read in reads if read.pk in late)
        assert late.isdisjoint(read.pk for read in labels.counted(reads, protocols.protocol_of(study)))
        transaction.set_rollback(True)


def test_what_is_new_is_stored_after_its_cases_are_locked(clinician, predictions):
    """In order of their keys, so that two that store at once wait for each other and for nothing else."""
    worklist.enter(predictions[0].analysis.instance.series.study)
    with CaptureQueriesContext(connection) as asked:
        exposures.note(clinician, predictions)
    words = [query["sql"] for query in asked]
    (locking,) = (n for n, sql in enumerate(words) if 'FROM "diagnosis_case"' in sql)
    (storing,) = (n for n, sql in enumerate(words) if sql.startswith("INSERT"))
    assert (
        locking < storing
        and '"diagnosis_case"."id" AS "pk"' in words[locking]
        and "ORDER BY 1 ASC" in words[locking]
    )
