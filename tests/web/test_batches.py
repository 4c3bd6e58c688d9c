"""The page of a batch and its changes: one question for all files, the same words on both pages, nobody learns more."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from diagnosis import pseudonyms, storage, texts
from diagnosis.models import Batch, Instance, Study, Upload, Usage
from diagnosis.states import StudyStatus, UploadStatus
from tests import factories, xrays, zips
from tests.web.conftest import files_in

pytestmark = pytest.mark.django_db

JSON = {"accept": "application/json"}


def ask(browser: Client, batch: Batch, **query: str) -> dict[str, Any]:
    answer = browser.get(reverse("batch-uploads", args=[batch.pk]), query)
    assert answer.status_code == 200
    return answer.json()


def test_all_files_of_a_batch_come_in_one_answer_those_of_a_zip_after_it(drop, browser):
    inside = [("one.png", xrays.png(xrays.film(2))), ("two.txt", b"hello")]
    drop(xrays.png(xrays.film(1)), zips.zipped(inside), xrays.png(xrays.film(3)))
    batch = Batch.objects.get()
    rows = ask(browser, batch)["uploads"]
    archive = rows[1]["id"]
    assert [(row["position"], row["parent"]) for row in rows] == [
        (0, None),
        (1, None),
        (0, archive),
        (1, archive),
        (2, None),
    ]
    assert [row["outcome"] for row in rows] == ["waiting", "archive", "waiting", "refused", "waiting"]
    page = browser.get(reverse("batch", args=[batch.pk])).content.decode()
    assert [page.index(f'data-id="{row["id"]}"') for row in rows] == sorted(
        page.index(f'data-id="{row["id"]}"') for row in rows
    )
    for row in rows:
        assert row["words"] in page


def test_only_what_changed_is_sent_again(drop, browser):
    drop(xrays.png(xrays.film(1)), b"hello")
    batch = Batch.objects.get()
    later = (timezone.now() + timedelta(seconds=1)).isoformat()
    assert ask(browser, batch, since=later)["uploads"] == []
    study = Study.objects.get()
    instance = Instance.objects.get()
    instance.analyses.update(finished_at=timezone.now() + timedelta(seconds=2))
    (changed,) = ask(browser, batch, since=later)["uploads"]
    assert changed["study_url"] == reverse("study", args=[study.pk])


def test_the_moment_of_an_answer_lies_before_what_it_tells(drop, browser, film):
    drop(film)
    batch = Batch.objects.get()
    answer = ask(browser, batch)
    assert len(ask(browser, batch, since=answer["at"])["uploads"]) == 1


@pytest.mark.parametrize("since", ["", "yesterday", "9999-99-99", "0001-01-01T00:00:00+23:59"])
def test_a_damaged_moment_gets_everything(drop, browser, film, since):
    drop(film)
    assert len(ask(browser, Batch.objects.get(), since=since)["uploads"]) == 1


def test_200_files_take_a_constant_number_of_queries(browser, clinician, team, django_assert_max_num_queries):
    batch = factories.BatchFactory(by=clinician, team=team)
    instances = [factories.InstanceFactory(series__study__team=team) for _ in range(30)]
    for n, instance in enumerate(instances):
        factories.PredictionFactory(analysis__instance=instance)
        factories.UploadFactory(batch=batch, instance=instance, status=UploadStatus.ACCEPTED, position=n)
    with django_assert_max_num_queries(12):
        assert len(ask(browser, batch)["uploads"]) == 30
    with django_assert_max_num_queries(14):
        browser.get(reverse("batch", args=[batch.pk]))


# --- every outcome has its words ---


@pytest.fixture
def outcome(browser: Client, clinician: Any, team: Any) -> Any:
    """What both pages say of an upload with these facts; of an instance where one is given."""

    def _outcome(*, instance: Instance | None = None, **facts: Any) -> dict[str, Any]:
        batch = factories.BatchFactory(by=clinician, team=team)
        upload = factories.UploadFactory(batch=batch, instance=instance, **facts)
        said = browser.get(reverse("upload", args=[upload.pk])).json()
        page = browser.get(reverse("batch", args=[batch.pk])).content.decode()
        assert said["words"] in page.replace("&#x27;", "'")
        for remark in said["remarks"]:
            assert remark in page
        return said

    return _outcome


@pytest.mark.parametrize(
    ("status", "kind", "tone"),
    [
        ("received", "waiting", "waiting"),
        ("accepted", "elsewhere", "known"),
        ("refused", "refused", "failed"),
        ("stopped", "stopped", "failed"),
        ("duplicate", "elsewhere", "known"),
    ],
)
def test_an_upload_without_a_film_says_how_it_ended(outcome, status, kind, tone):
    said = outcome(status=status, sentence="What became of it.")
    assert (said["outcome"], said["tone"], said["words"]) == (kind, tone, "What became of it.")
    assert said["is_final"] is (status != "received")
    assert said["study_url"] is None


def test_a_film_that_one_may_not_open_is_not_linked(outcome):
    theirs = factories.InstanceFactory()
    said = outcome(instance=theirs, status="duplicate", sentence=texts.ALREADY_HERE)
    assert said["study_url"] is said["thumbnail_url"] is said["finding"] is None
    assert str(theirs.series.study.pk) not in str(said)


def test_a_withdrawn_study_is_said_to_be(outcome, study):
    instance = factories.InstanceFactory(series__study=study)
    study.move(StudyStatus.ACTIVE, StudyStatus.WITHDRAWN)
    said = outcome(instance=instance, status="accepted", sentence=texts.WAITING_FOR_ANALYSIS)
    assert (said["outcome"], said["words"]) == ("withdrawn", "This study was withdrawn.")


def test_a_film_that_is_not_assessed_says_why(outcome, study):
    instance = factories.InstanceFactory(series__study=study, not_assessed="lateral view")
    said = outcome(instance=instance, status="accepted", sentence="x")
    assert said["words"] == (
        "Not assessed: lateral view. There is no AI result. No result is not a negative result."
    )
    assert said["is_final"] is True


def test_a_failed_analysis_is_no_negative_result(outcome, study):
    instance = factories.InstanceFactory(series__study=study)
    factories.AnalysisFactory(instance=instance, status="failed", error="worker lost")
    said = outcome(instance=instance, status="accepted", sentence="x")
    assert said["words"].startswith("Analysis failed: worker lost.") and said["tone"] == "failed"
    assert "No result is not a negative result." in said["words"]


REMARKS = {
    "no patient": (
        {},
        False,
        "No patient in this file. Shown without prior films and never used for training.",
    ),
    "lossy": (
        {"is_lossy": True},
        True,
        "Lossy compression: fine detail may be lost. Send the original if you can.",
    ),
    "screenshot": (
        {"is_screenshot": True},
        True,
        "Looks like a screenshot or photograph. Analysed with less certainty; send the DICOM file if you can.",
    ),
    "text": (
        {"text_suspected": "detected"},
        True,
        "Text in the image may name the patient. You can see it; nobody can train on it until it is cleared.",
    ),
    "cleared text": ({"text_suspected": "detected", "text_cleared_at": timezone.now()}, True, None),
}


@pytest.mark.parametrize("what", REMARKS)
def test_an_accepted_film_carries_its_remarks(outcome, study, what):
    facts, has_patient, words = REMARKS[what]
    study.patient = factories.PatientFactory() if has_patient else None
    study.save()
    instance = factories.InstanceFactory(series__study=study, **facts)
    factories.PredictionFactory(analysis__instance=instance)
    said = outcome(instance=instance, status="accepted", sentence="x")
    assert said["remarks"] == ([words] if words else [])
    assert outcome(instance=instance, status="duplicate", sentence="x")["remarks"] == []


# --- limits at the door ---


def test_too_many_films_an_hour_are_answered_in_words_with_429(browser, film, settings):
    settings.UPLOADS_AN_HOUR = 1
    assert browser.post(reverse("uploads"), {"file": io.BytesIO(film)}, headers=JSON).status_code == 201
    answer = browser.post(reverse("uploads"), {"file": io.BytesIO(film)}, headers=JSON)
    assert answer.status_code == 429
    assert answer.json()["sentence"].startswith("Limit reached: 1 films an hour. Try again at ")
    assert 1 <= int(answer["Retry-After"]) <= 3600
    page = browser.post(reverse("uploads"), {"file": io.BytesIO(film)})
    assert page.status_code == 429 and "Limit reached: 1 films an hour." in page.content.decode()
    assert Upload.objects.count() == 1


def test_one_form_with_more_files_than_are_left_is_refused_whole(browser, film, settings):
    settings.UPLOADS_AN_HOUR = 2
    answer = browser.post(reverse("uploads"), {"file": [io.BytesIO(film) for _ in range(3)]}, headers=JSON)
    assert answer.status_code == 429
    assert Upload.objects.count() == 0 and files_in(settings.QUARANTINE_ROOT) == []
    assert not Usage.objects.filter(n__gt=0).exists()


def test_a_full_disk_is_said_before_a_byte_is_taken(browser, film, monkeypatch, settings):
    monkeypatch.setattr(storage, "free_bytes", lambda: settings.KEEP_FREE_BYTES)
    answer = browser.post(reverse("uploads"), {"file": io.BytesIO(film)}, headers=JSON)
    assert (answer.status_code, answer.json()) == (507, {"sentence": texts.NO_ROOM})
    page = browser.post(reverse("uploads"), {"file": io.BytesIO(film)})
    assert page.status_code == 507 and "nearly full" in page.content.decode()
    assert Upload.objects.count() == Batch.objects.count() == 0
    assert browser.get(reverse("uploads")).status_code == 200


# --- the patient's number at the door ---


@pytest.mark.parametrize("origin", ["typed", "folder", "table"])
def test_a_number_in_the_form_is_hashed_at_once_and_said_nowhere(browser, film, origin, caplog):
    form = {"file": io.BytesIO(film), "patient": "4711-MUELLER", "origin": origin}
    answer = browser.post(reverse("uploads"), form, headers=JSON)
    upload = Upload.objects.get()
    assert upload.patient_key == pseudonyms.patient_key(issuer="", patient_id="4711-MUELLER")
    assert upload.patient_origin == origin and upload.record_hash
    assert answer.json()["uploads"][0]["has_reference"] is True
    page = browser.get(reverse("batch", args=[upload.batch.pk])).content.decode()
    rows = str([list(model.objects.values()) for model in (Upload, Batch, Study)])
    assert "MUELLER" not in answer.content.decode() + page + rows + caplog.text


def test_a_placeholder_in_the_form_is_nobody_and_the_answer_says_so(browser, film):
    answer = browser.post(reverse("uploads"), {"file": io.BytesIO(film), "patient": "UNKNOWN"}, headers=JSON)
    assert answer.json()["uploads"][0]["has_reference"] is False
    assert Upload.objects.get().patient_key == ""


@pytest.mark.parametrize("form", [{"patient": "9" * 65}, {"origin": "guessed"}])
def test_a_patient_field_that_cannot_be_is_refused(browser, film, form):
    answer = browser.post(reverse("uploads"), {"file": io.BytesIO(film), **form}, headers=JSON)
    assert answer.status_code == 400 and Upload.objects.count() == 0
