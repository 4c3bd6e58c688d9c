"""The system page: whether films get their results, and if not, why."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from diagnosis.models import Analysis, Upload
from diagnosis.services import workers
from diagnosis.states import JobStatus, Role, UploadStatus
from tests import factories

pytestmark = pytest.mark.django_db

FINE = "Films are received, read and analysed."


@pytest.fixture
def page(sign_in):
    """What an administrator reads there now, in one line."""
    browser: Client = sign_in(factories.UserFactory(role=Role.ADMINISTRATOR))
    return lambda **options: " ".join(browser.get(reverse("system"), **options).content.decode().split())


@pytest.fixture
def champion():
    return factories.CheckpointFactory()


@pytest.fixture
def crew(champion):
    """A worker for each queue that films need."""
    factories.WorkerFactory(queue="intake,maintenance")
    return factories.WorkerFactory(queue="inference", serves_sha256=champion.sha256)


def test_a_site_that_has_just_been_installed_says_what_is_missing(page):
    shown = page()
    assert "No worker reads uploads" in shown
    assert "No worker analyses films" in shown
    assert "No checkpoint is in service" in shown
    assert FINE not in shown


def test_a_site_that_works_says_so(page, crew):
    shown = page()
    assert FINE in shown
    assert "2 of 2 alive" in shown
    assert f"{crew.serves_sha256[:12]}</span>, the champion" in shown


def test_a_worker_that_fell_silent_does_not_count(page, crew):
    crew.seen_at = workers.silent_since() - timedelta(seconds=1)
    crew.save()
    shown = page()
    assert "1 of 2 alive" in shown and "silent since" in shown
    assert "No worker analyses films" in shown


def test_a_worker_with_another_checkpoint_is_named(page, crew):
    crew.serves_sha256 = factories.digest("an older one")
    crew.save()
    assert "not the champion" in page()
    assert FINE not in page()


def test_the_champion_shows_what_it_says_of_itself(page, champion):
    shown = page()
    for fact in (
        champion.name,
        champion.sha256[:12],
        "Tiny-ImageNet",
        "0.400",
        "0.210–0.610",
        "2.000",
        "a source",
    ):
        assert fact in shown


def tile(shown: str, name: str) -> str:
    """The number above this name."""
    return shown.split(f'<p class="tile__name">{name}</p>')[0].rsplit("tile__number", 1)[1].split("<")[0][2:]


def test_the_numbers_count_rows(page):
    batch = factories.BatchFactory()
    for status, n in {UploadStatus.RECEIVED: 4, UploadStatus.ACCEPTED: 3, UploadStatus.REFUSED: 2}.items():
        factories.UploadFactory.create_batch(n, batch=batch, status=status)
    for status, n in {JobStatus.QUEUED: 2, JobStatus.RUNNING: 1, JobStatus.FAILED: 1}.items():
        factories.AnalysisFactory.create_batch(n, status=status)
    shown = page()
    expected = {
        "uploads to be read": "4",
        "films queued": "2",
        "films being analysed": "1",
        "received": "9",
        "accepted": "3",
        "refused": "2",
        "duplicate": "0",
        "failed": "1",
    }
    assert {name: tile(shown, name) for name in expected} == expected


def test_only_the_last_24_hours_count_but_everything_that_waits(page):
    old = timezone.now() - timedelta(hours=25)
    factories.UploadFactory(status=UploadStatus.ACCEPTED)
    factories.UploadFactory(status=UploadStatus.RECEIVED)
    Upload.objects.update(received_at=old)
    shown = page()
    assert tile(shown, "received") == "0"
    assert tile(shown, "uploads to be read") == "1"
    assert tile(shown, "oldest film waits").startswith("900")
    assert "AI results are late." in shown


def test_the_time_from_upload_to_result_is_measured(page):
    now = timezone.now()
    for seconds in (1, 2, 30):
        job = factories.AnalysisFactory(status=JobStatus.SUCCEEDED)
        upload = factories.UploadFactory(status=UploadStatus.ACCEPTED, instance=job.instance)
        Upload.objects.filter(pk=upload.pk).update(received_at=now)
        Analysis.objects.filter(pk=job.pk).update(finished_at=now + timedelta(seconds=seconds))
    shown = page()
    assert tile(shown, "upload to result, median") == "2.0 s"
    assert tile(shown, "upload to result, 95\N{NO-BREAK SPACE}%") == "30.0 s"


def test_it_refreshes_its_own_part(page):
    assert "<html" in page()
    part = page(headers={"HX-Request": "true"})
    assert "<html" not in part and "Workers" in part


def test_a_wait_below_the_limit_shows_no_banner_and_above_it_does(sign_in, clinician, settings):
    browser = sign_in(clinician)
    factories.AnalysisFactory()
    assert "AI results are late." not in browser.get(reverse("lateness")).content.decode()
    Analysis.objects.update(requested_at=timezone.now() - timedelta(seconds=settings.LATE_AFTER_S + 600))
    for name in ("lateness", "studies", "uploads", "acknowledgement"):
        shown = browser.get(reverse(name)).content.decode()
        assert "The oldest film has waited 12 minutes. Read films as usual." in shown
    Analysis.objects.update(status=JobStatus.FAILED)
    assert browser.get(reverse("lateness")).content.strip() == b""


def test_health_needs_no_sign_in(settings, db):
    answer = Client().get(reverse("health"))
    assert answer.json() == {"status": "ok", "version": settings.VERSION}
    assert "no-store" in answer["Cache-Control"]
