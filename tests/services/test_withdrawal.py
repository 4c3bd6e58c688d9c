"""A study leaves the reading room at once and everywhere, and comes back whole."""

from __future__ import annotations

from typing import Any

import pytest

from diagnosis import access, selectors
from diagnosis.models import Analysis, Event, Instance, Notice, Prediction, Study
from diagnosis.services import analysis, identity, withdrawal
from diagnosis.states import JobStatus, Role, StudyStatus
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def study(team: Any, clinician: Any) -> Study:
    return factories.StudyFactory(team=team, uploaded_by=clinician, patient=factories.PatientFactory())


@pytest.fixture
def instance(study: Study) -> Instance:
    return factories.InstanceFactory(series__study=study, pixel_sha256="p" * 64, pixels_once="p" * 64)


@pytest.fixture
def administrator() -> Any:
    return factories.UserFactory(role=Role.ADMINISTRATOR)


def withdraw(study: Study, by: Any) -> bool:
    return withdrawal.withdraw(study, by=by, reason="wrong patient")


def test_a_withdrawn_study_is_in_nothing_that_anybody_sees(study, instance, clinician, administrator):
    prediction = factories.PredictionFactory(analysis__instance=instance)
    Study.objects.update(leading=prediction, record_hash="r" * 64)
    assert withdraw(study, clinician)
    for user in (clinician, administrator, factories.UserFactory(role=Role.RADIOLOGIST)):
        assert not access.studies_of(user).exists()
        assert selectors.studies_page(user, selectors.Filters()).studies == []
        assert selectors.studies_with(user, key="", record_hash="r" * 64, accession_hash="") == []
        assert selectors.studies_by_key(user, [study.pk.hex]) == []
    Study.objects.update(patient=None)
    assert selectors.without_patient().n == 0


def test_who_when_and_why_are_kept(study, clinician):
    withdraw(study, clinician)
    study.refresh_from_db()
    event = access.withdrawal_of(study)
    assert study.status == StudyStatus.WITHDRAWN and study.withdrawn_at is not None
    assert (event.by, event.reason, event.old) == (clinician, "wrong patient", StudyStatus.ACTIVE)


def test_it_is_withdrawn_once(study, clinician, administrator):
    second = Study.objects.get()
    assert withdraw(study, clinician) and not withdraw(second, administrator)
    assert Event.objects.filter(kind="study").count() == 1 and not Notice.objects.exists()


def test_the_uploader_is_told_by_whom_else_it_was_withdrawn_and_restored(study, clinician, administrator):
    withdraw(study, administrator)
    withdrawal.restore(study, by=administrator)
    assert [notice.user for notice in Notice.objects.all()] == [clinician] * 2
    assert not any("wrong patient" in notice.text for notice in Notice.objects.all())


# --- its films and analyses ---


def test_its_films_may_be_sent_again(study, instance, clinician):
    withdraw(study, clinician)
    instance.refresh_from_db()
    assert instance.pixels_once is None and instance.pixel_sha256 == "p" * 64


@pytest.mark.parametrize("status", JobStatus.WAITING)
def test_what_waits_is_cancelled(study, instance, clinician, status):
    row = factories.AnalysisFactory(instance=instance, status=status)
    withdraw(study, clinician)
    row.refresh_from_db()
    assert row.status == JobStatus.CANCELLED and row.finished_at is not None
    assert not Analysis.waiting().exists()


def test_what_is_finished_stays_as_it_is(study, instance, clinician):
    prediction = factories.PredictionFactory(analysis__instance=instance)
    withdraw(study, clinician)
    prediction.analysis.refresh_from_db()
    assert prediction.analysis.status == JobStatus.SUCCEEDED


def test_a_result_that_comes_after_the_withdrawal_is_dropped(study, clinician, promote):
    """The worker has claimed the film and computes while somebody withdraws its study."""
    checkpoint = promote()
    instance = factories.InstanceFactory(series__study=study)
    factories.AnalysisFactory(instance=instance)
    (claimed,) = analysis.claim()
    withdraw(study, clinician)
    # The film has no pixels here, so the worker ends with a failure; either end meets the same guarded move.
    analysis.run([claimed], checkpoint=checkpoint)
    claimed.refresh_from_db()
    assert claimed.status == JobStatus.CANCELLED
    assert not Prediction.objects.exists()


def test_an_answer_for_a_withdrawn_study_makes_no_prediction(study, instance, clinician):
    from diagnosis import engine

    row = factories.AnalysisFactory(instance=instance, status=JobStatus.RUNNING)
    checkpoint = factories.CheckpointFactory()
    withdraw(study, clinician)
    answer = engine.Answer(probability=0.9, finding="above", cam=None, precision="fp32", duration_ms=1.0)
    with pytest.raises(analysis.NotMovedError):
        analysis._store(row, answer, checkpoint)
    assert not Prediction.objects.exists() and Study.objects.get().leading is None


# --- back again ---


def test_a_restored_study_is_as_it_was(study, instance, clinician):
    prediction = factories.PredictionFactory(analysis__instance=instance)
    Study.objects.update(leading=prediction)
    study.refresh_from_db()
    withdraw(study, clinician)
    assert withdrawal.restore(study, by=clinician)
    study.refresh_from_db()
    instance.refresh_from_db()
    assert study.status == StudyStatus.ACTIVE and study.withdrawn_at is None
    assert study.leading == prediction and instance.pixels_once == "p" * 64
    assert not Analysis.waiting().exists()
    assert list(access.studies_of(clinician)) == [study]


def test_what_its_withdrawal_cancelled_is_asked_for_again(study, instance, clinician):
    factories.AnalysisFactory(instance=instance)
    withdraw(study, clinician)
    withdrawal.restore(study, by=clinician)
    assert [row.instance for row in Analysis.waiting()] == [instance]


def test_synthetic_films_never_claim_their_pixels(study, instance, clinician):
    Study.objects.update(is_demo=True)
    Instance.objects.update(pixels_once=None)
    study.refresh_from_db()
    withdraw(study, clinician)
    withdrawal.restore(study, by=clinician)
    assert Instance.objects.get().pixels_once is None


def test_it_is_restored_once(study, clinician, administrator):
    withdraw(study, clinician)
    second = Study.objects.get()
    assert withdrawal.restore(study, by=clinician) and not withdrawal.restore(second, by=administrator)
    assert Event.objects.filter(kind="study", new=StudyStatus.ACTIVE).count() == 1


@pytest.mark.parametrize("sees_it", [True, False])
def test_a_film_that_was_sent_again_keeps_the_old_study_out(study, instance, clinician, sees_it):
    withdraw(study, clinician)
    team = study.team if sees_it else factories.TeamFactory()
    again = factories.StudyFactory(team=team)
    factories.InstanceFactory(series__study=again, pixel_sha256="p" * 64, pixels_once="p" * 64)
    where = f"study {again.number}" if sees_it else "another study"
    with pytest.raises(withdrawal.NotRestoredError, match=f"sent again meanwhile and is stored in {where}"):
        withdrawal.restore(study, by=clinician)
    study.refresh_from_db()
    instance.refresh_from_db()
    assert study.status == StudyStatus.WITHDRAWN and instance.pixels_once is None


def test_other_films_of_the_same_study_uid_keep_it_out_until_they_are_withdrawn(study, instance, clinician):
    Study.objects.update(uid_hash="u" * 64)
    study.refresh_from_db()
    withdraw(study, clinician)
    more = factories.StudyFactory(team=study.team, uid_hash="u" * 64, uploaded_by=clinician)
    with pytest.raises(withdrawal.NotRestoredError, match=f"Other films .* study {more.number}"):
        withdrawal.restore(study, by=clinician)
    withdraw(more, clinician)
    assert withdrawal.restore(study, by=clinician)


@pytest.mark.parametrize("same", ["pixels", "uid"])
def test_a_film_that_comes_in_between_the_look_and_the_move_keeps_it_out_too(
    monkeypatch, study, instance, clinician, same
):
    Study.objects.update(uid_hash="u" * 64)
    study.refresh_from_db()
    withdraw(study, clinician)
    look, looks = withdrawal._require_not_sent_again, []

    def look_and_then_it_comes(*args: Any) -> None:
        look(*args)
        if not looks:
            uid = "u" * 64 if same == "uid" else ""
            pixels = "p" * 64 if same == "pixels" else None
            again = factories.StudyFactory(team=study.team, uid_hash=uid)
            factories.InstanceFactory(series__study=again, pixel_sha256="p" * 64, pixels_once=pixels)
        looks.append(args)

    monkeypatch.setattr(withdrawal, "_require_not_sent_again", look_and_then_it_comes)
    with pytest.raises(withdrawal.NotRestoredError, match="meanwhile"):
        withdrawal.restore(study, by=clinician)
    assert Study.objects.get(pk=study.pk).status == StudyStatus.WITHDRAWN


def test_a_moved_study_can_be_withdrawn_and_comes_back_to_its_new_patient(study, instance, clinician):
    seen = study.patient.pseudonym
    patient = identity.move(study, identity.Number("MRN-22"), seen=seen, by=clinician, reason="x")
    study.refresh_from_db()
    withdraw(study, clinician)
    withdrawal.restore(study, by=clinician)
    assert Study.objects.get().patient == patient
