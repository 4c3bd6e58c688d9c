"""Films come in through the door: what is kept, for whom, and what the sender is told at once."""

from __future__ import annotations

import io
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import current_app
from django.urls import reverse

from diagnosis import storage, texts
from diagnosis.models import Analysis, Batch, Event, Instance, Membership, Study, Upload
from diagnosis.states import JobStatus, Role, UploadStatus
from tests import factories, xrays
from tests.web.conftest import files_in, multipart

pytestmark = pytest.mark.django_db


def test_a_film_sent_by_the_script_is_received_with_the_addresses_of_what_comes(browser, film, clinician):
    answer = browser.post(
        reverse("uploads"), {"file": io.BytesIO(film)}, headers={"accept": "application/json"}
    )
    upload = Upload.objects.get()
    assert answer.status_code == 201
    assert answer.json() == {
        "batch": str(upload.batch.pk),
        "batch_url": reverse("batch", args=[upload.batch.pk]),
        "changes_url": reverse("batch-uploads", args=[upload.batch.pk]),
        "uploads": [
            {
                "id": str(upload.pk),
                "status": "received",
                "sentence": texts.STILL_READING,
                "url": reverse("upload", args=[upload.pk]),
                "study_url": None,
                "thumbnail_url": None,
                "finding": None,
                "is_final": False,
                "outcome": "waiting",
                "tone": "waiting",
                "words": texts.STILL_READING,
                "remarks": [],
                "parent": None,
                "position": 0,
                "has_reference": False,
            }
        ],
    }
    assert upload.batch.by == clinician
    assert storage.quarantine_path(upload.pk).read_bytes() == film


def test_a_film_goes_the_whole_way_to_its_finding(drop, film, browser, promote):
    promote()
    (sent,) = drop(film)
    outcome = browser.get(sent["url"]).json()
    assert outcome["status"] == UploadStatus.ACCEPTED and outcome["is_final"] is True
    assert outcome["finding"]["lead"] == "COVID-19 pattern: above threshold."
    assert outcome["finding"]["tone"] == "above"
    study = Study.objects.get()
    assert outcome["study_url"] == reverse("study", args=[study.pk])
    picture = browser.get(outcome["thumbnail_url"])
    assert picture.status_code == 200 and picture["Content-Type"] == "image/jpeg"
    picture.close()
    assert files_in(storage.quarantine_path(uuid.uuid4()).parent) == []


def test_a_film_that_waits_for_its_analysis_is_not_final(drop, film, browser):
    (sent,) = drop(film)
    outcome = browser.get(sent["url"]).json()
    assert outcome["sentence"] == f"{texts.WAITING_FOR_ANALYSIS}. {texts.NO_PATIENT}"
    assert outcome["is_final"] is False and outcome["finding"] is None


def test_a_film_whose_analysis_failed_is_final_without_a_finding(drop, film, browser):
    (sent,) = drop(film)
    Analysis.objects.get().move(JobStatus.QUEUED, JobStatus.RUNNING)
    Analysis.objects.get().move(JobStatus.RUNNING, JobStatus.FAILED, error="worker lost")
    outcome = browser.get(sent["url"]).json()
    assert outcome["is_final"] is True and outcome["finding"] is None


def test_a_plain_form_leads_to_the_page_of_its_batch(browser, film, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        answer = browser.post(reverse("uploads"), {"file": io.BytesIO(film)})
    batch = Batch.objects.get()
    assert answer.status_code == 302 and answer.url == reverse("batch", args=[batch.pk])
    page = browser.get(answer.url).content.decode()
    assert texts.WAITING_FOR_ANALYSIS in page and "Open study" in page
    assert Study.objects.get().number in browser.get(reverse("studies")).content.decode()


def test_several_files_are_one_batch_in_their_order(drop, browser):
    sent = drop(xrays.png(xrays.film(1)), b"hello", xrays.jpeg(xrays.film(2)), xrays.dicom())
    batch = Batch.objects.get()
    assert [str(upload.pk) for upload in batch.uploads.all()] == [one["id"] for one in sent]
    assert [upload.status for upload in batch.uploads.all()] == [
        "accepted",
        "refused",
        "accepted",
        "accepted",
    ]
    page = browser.get(reverse("batch", args=[batch.pk])).content.decode()
    assert "1 of 4 have their outcome" in page
    assert "looks like: text" in page


def test_the_script_adds_file_after_file_to_one_batch(drop, film):
    drop(film)
    batch = Batch.objects.get()
    drop(xrays.png(xrays.film(2)), batch=batch.pk, position=1)
    assert Batch.objects.count() == 1
    assert [upload.position for upload in batch.uploads.all()] == [0, 1]


def test_nobody_adds_to_the_batch_of_another(browser, film, team, settings):
    theirs = factories.BatchFactory(team=team)
    answer = browser.post(reverse("uploads"), {"batch": theirs.pk, "file": io.BytesIO(film)})
    assert answer.status_code == 404
    assert Upload.objects.count() == 0 and files_in(settings.QUARANTINE_ROOT) == []


def test_an_administrator_looks_at_a_batch_of_another_and_adds_nothing(sign_in, film, team):
    theirs = factories.BatchFactory(team=team)
    browser = sign_in(factories.UserFactory(role=Role.ADMINISTRATOR, team=team))
    assert browser.get(reverse("batch", args=[theirs.pk])).status_code == 200
    answer = browser.post(reverse("uploads"), {"batch": theirs.pk, "file": io.BytesIO(film)})
    assert answer.status_code == 404 and Upload.objects.count() == 0


def test_a_film_goes_to_the_team_that_was_chosen(drop, browser, film, clinician):
    second = factories.TeamFactory(name="Intensive care")
    Membership.objects.create(user=clinician, team=second)
    assert "Intensive care" in browser.get(reverse("uploads")).content.decode()
    drop(film, team=second.pk)
    assert Study.objects.get().team == second


def test_without_a_choice_a_film_goes_to_the_first_team_by_name(drop, film, team, clinician):
    team.name = "Zebra ward"
    team.save()
    first = factories.TeamFactory(name="Ambulance")
    Membership.objects.create(user=clinician, team=first)
    drop(film)
    assert Study.objects.get().team == first


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
@pytest.mark.parametrize(
    "fields", [{"team": "of another"}, {"batch": "x"}, {"position": -1}, {"position": "first"}, {"team": "x"}]
)
def test_a_form_that_makes_no_sense_keeps_nothing_and_says_so(browser, film, fields, accept, settings):
    if fields == {"team": "of another"}:
        fields = {"team": factories.TeamFactory().pk}
    answer = browser.post(
        reverse("uploads"), {"file": io.BytesIO(film), **fields}, headers={"accept": accept}
    )
    assert answer.status_code == 400
    said = answer.json()["sentence"] if accept == "application/json" else answer.content.decode()
    assert "Not received. Keep the file and try again" in said
    assert Upload.objects.count() == Batch.objects.count() == 0
    assert files_in(settings.QUARANTINE_ROOT) == []


def test_a_user_without_a_team_is_told_so_and_nothing_is_kept(sign_in, film, settings):
    browser = sign_in(factories.UserFactory())
    page = browser.get(reverse("uploads")).content.decode()
    assert texts.NO_TEAM in page and 'type="file"' not in page
    form = {"file": io.BytesIO(film)}
    answer = browser.post(reverse("uploads"), form, headers={"accept": "application/json"})
    assert (answer.status_code, answer.json()) == (403, {"sentence": texts.NO_TEAM})
    assert texts.NO_TEAM in browser.post(reverse("uploads"), {"file": io.BytesIO(film)}).content.decode()
    assert Upload.objects.count() == 0 and files_in(settings.QUARANTINE_ROOT) == []


def test_a_form_without_a_file_leads_to_a_page_that_says_so(browser):
    answer = browser.post(reverse("uploads"), follow=True)
    assert answer.status_code == 200
    assert "No files in this batch" in answer.content.decode()


def test_the_same_film_again_is_named_as_already_here_and_can_be_opened(drop, browser, film):
    drop(film)
    (again,) = drop(film)
    outcome = browser.get(again["url"]).json()
    assert (outcome["status"], outcome["sentence"]) == (UploadStatus.DUPLICATE, texts.ALREADY_HERE)
    assert outcome["study_url"] == reverse("study", args=[Study.objects.get().pk])


def shown_of(browser, url: str) -> str:
    """All that a sender can read of an upload: its answer, and the page of its batch."""
    batch = Upload.objects.get(pk=url.strip("/").split("/")[-1]).batch
    return browser.get(url).content.decode() + browser.get(reverse("batch", args=[batch.pk])).content.decode()


def test_another_team_learns_that_a_film_is_stored_and_not_where(drop, sign_in, film, promote):
    promote()
    drop(film)
    stranger = sign_in(factories.UserFactory(team=factories.TeamFactory()))
    (sent,) = drop(film, by=stranger)
    study, instance = Study.objects.get(), Instance.objects.get()
    outcome = stranger.get(sent["url"]).json()
    assert (outcome["status"], outcome["sentence"]) == (UploadStatus.DUPLICATE, texts.STORED_ELSEWHERE)
    assert (outcome["study_url"], outcome["thumbnail_url"], outcome["finding"]) == (None, None, None)
    assert outcome["is_final"] is True
    shown = shown_of(stranger, sent["url"])
    assert not any(str(trace) in shown for trace in (study.pk, study.number, instance.pk))
    assert "AI score" not in shown and "1 already stored" in re.sub("<[^>]+>", "", shown)


def test_a_stopped_film_shows_its_sender_neither_the_other_patient_nor_a_result(
    drop, browser, sign_in, promote
):
    promote()
    pixels = xrays.film(1, bits=12)
    drop(xrays.dicom(pixels, PatientID="AB12"))
    (sent,) = drop(xrays.dicom(pixels, PatientID="CD34"))
    study, instance = Study.objects.get(), Instance.objects.get()
    outcome = browser.get(sent["url"]).json()
    assert (outcome["status"], outcome["sentence"]) == (UploadStatus.STOPPED, texts.STOPPED_OTHER_PATIENT)
    assert (outcome["study_url"], outcome["thumbnail_url"], outcome["finding"]) == (None, None, None)
    shown = shown_of(browser, sent["url"])
    assert texts.STOPPED_OTHER_PATIENT in shown
    traces = (study.pk, study.number, study.patient.pseudonym, instance.pk, "AI score")
    assert not any(str(trace) in shown for trace in traces)


def test_what_its_sender_may_not_open_any_more_is_not_linked(drop, browser, film, clinician):
    (sent,) = drop(film)
    Membership.objects.filter(user=clinician).delete()
    outcome = browser.get(sent["url"]).json()
    assert outcome["status"] == UploadStatus.ACCEPTED and outcome["study_url"] is None
    assert str(Instance.objects.get().pk) not in shown_of(browser, sent["url"])


def test_a_film_in_conflict_does_not_read_as_one_that_names_no_patient(drop, browser, promote):
    promote()
    drop(xrays.dicom(xrays.film(1, bits=12), PatientSex="F"))
    (sent,) = drop(xrays.dicom(xrays.film(2, bits=12), PatientSex="M"))
    shown = shown_of(browser, sent["url"])
    assert texts.PATIENT_IN_CONFLICT in shown and texts.NO_PATIENT not in shown


def test_a_lateral_film_is_final_at_once_and_says_that_it_is_not_assessed(drop, browser):
    (sent,) = drop(xrays.dicom(ViewPosition="LL"))
    outcome = browser.get(sent["url"]).json()
    assert outcome["is_final"] is True and outcome["study_url"]
    assert outcome["sentence"].endswith(str(texts.not_assessed("lateral view")))
    shown = shown_of(browser, sent["url"])
    assert "1 not assessed" in re.sub("<[^>]+>", "", shown)


NAMES = [
    "../../../../etc/cron.d/MUELLER.png",
    "..\\..\\windows\\MUELLER.png",
    "/absolute/MUELLER.png",
    "MUELLER 😷 肺.png",
    "MUELLER" + "x" * 400 + ".png",
    "MUELLER%00.png",
    'MUELLER";.png',
    ".MUELLER",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_film_is_accepted_whatever_its_name_and_the_name_is_kept_nowhere(
    name, browser, film, settings, tmp_path, django_capture_on_commit_callbacks
):
    body, content_type = multipart(film, name=name)
    with django_capture_on_commit_callbacks(execute=True):
        answer = browser.generic(
            "POST", reverse("uploads"), body, content_type, headers={"accept": "application/json"}
        )
    assert answer.status_code == 201
    assert Upload.objects.get().status == UploadStatus.ACCEPTED
    rows = [list(model.objects.values()) for model in (Upload, Batch, Study, Instance, Event)]
    paths = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")]
    assert "MUELLER" not in f"{rows} {paths} {answer.content.decode()}"
    assert all(path.is_relative_to(settings.MEDIA_ROOT) for path in files_in(tmp_path))


def test_more_than_the_limit_is_refused_in_words(drop, browser, film, settings):
    settings.MAX_UPLOAD_BYTES = 2_000
    (sent,) = drop(film)
    assert sent["status"] == UploadStatus.REFUSED and sent["is_final"] is True
    assert sent["sentence"].startswith("Too big:") and "Send one film a file." in sent["sentence"]
    assert files_in(settings.QUARANTINE_ROOT) == []


# --- while Redis is away ---


@pytest.fixture
def broker_that_is_away(tmp_path: Path) -> Iterator[None]:
    """A broker on a socket that does not exist, spoken to for real."""
    before = {name: current_app.conf[name] for name in ("task_always_eager", "broker_url")}
    options = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
    current_app.conf.update(
        task_always_eager=False,
        broker_url=f"redis+socket://{tmp_path}/no-redis.sock",
        broker_transport_options={**options, "socket_connect_timeout": 0.5},
    )
    forget_connections()
    yield
    current_app.conf.update(**before, broker_transport_options={})
    forget_connections()


def forget_connections() -> None:
    current_app.amqp._producer_pool = current_app._pool = None


def test_while_redis_is_away_a_film_is_accepted_at_once_and_kept(drop, film, broker_that_is_away, caplog):
    started = time.monotonic()
    (sent,) = drop(film)
    assert time.monotonic() - started < 15, "nobody waits for a broker that is away"
    upload = Upload.objects.get()
    assert sent["status"] == upload.status == UploadStatus.RECEIVED
    assert storage.quarantine_path(upload.pk).read_bytes() == film
    assert "the bell of diagnosis.tasks.admit_waiting did not ring" in caplog.text


def test_while_redis_is_away_another_analysis_is_asked_for_and_kept(
    hang, study, browser, broker_that_is_away, caplog
):
    hang()
    started = time.monotonic()
    assert browser.post(reverse("study-analyses", args=[study.pk])).status_code == 302
    assert time.monotonic() - started < 15, "nobody waits for a broker that is away"
    assert Analysis.objects.get().status == JobStatus.QUEUED
