"""From bytes to a study, or to a sentence. Whatever comes in: no 500, no half-written row, no orphan file."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from diagnosis import engine, storage, texts
from diagnosis.models import MAX_ATTEMPTS, Analysis, Event, Instance, Patient, Study, Upload
from diagnosis.services import intake, workers
from diagnosis.states import JobStatus, UploadStatus
from tests import factories, xrays

pytestmark = pytest.mark.django_db


def files_in(folder: Path) -> list[Path]:
    return [path for path in Path(folder).rglob("*") if path.is_file()] if Path(folder).exists() else []


def test_an_acknowledged_file_is_on_disk_with_its_row_and_without_its_name(send, film, settings):
    upload = send(film, name="MUELLER_HANS_1950.png")
    assert upload.status == UploadStatus.RECEIVED
    assert storage.quarantine_path(upload.pk).read_bytes() == film
    assert "MUELLER" not in str(vars(upload)) + str(files_in(settings.QUARANTINE_ROOT))


def test_a_film_becomes_study_series_instance_and_a_queued_analysis(send, film, settings, team, admit):
    upload = send(film)
    assert admit(upload)
    upload.refresh_from_db()
    assert (upload.status, upload.code) == (UploadStatus.ACCEPTED, "accepted")
    assert upload.sentence == f"{texts.WAITING_FOR_ANALYSIS}. {texts.NO_PATIENT}"
    study = Study.objects.get()
    assert study.team == team and study.patient is None
    assert upload.instance.series.study == study
    assert (upload.instance.width, upload.instance.height) == (256, 288)
    assert Analysis.objects.get().status == JobStatus.QUEUED
    assert sorted(path.name for path in files_in(settings.MEDIA_ROOT)) == [
        "pixels.png",
        "preview.jpg",
        "thumbnail.jpg",
    ]
    assert files_in(settings.QUARANTINE_ROOT) == []


def test_every_move_leaves_an_event(send, film):
    upload = send(film)
    intake.admit(upload)
    event = Event.objects.get(object_id=upload.pk)
    assert (event.kind, event.old, event.new) == ("upload", "received", "accepted")


def test_the_same_bytes_in_the_same_team_are_one_film(send, film, admit):
    first, second = send(film), send(film)
    admit(first)
    admit(second)
    second.refresh_from_db()
    assert (second.status, second.sentence) == (UploadStatus.DUPLICATE, texts.ALREADY_HERE)
    assert Study.objects.count() == Instance.objects.count() == 1
    assert not storage.quarantine_path(second.pk).exists()


def test_a_film_that_cannot_be_opened_is_refused_in_words_and_leaves_nothing(send, film, settings, admit):
    upload = send(film[: len(film) // 2])
    admit(upload)
    upload.refresh_from_db()
    assert upload.status == UploadStatus.REFUSED
    assert upload.sentence == f"Cut off: the file ends at byte {in_words(len(film) // 2)}. Export it again."
    assert Study.objects.count() == Patient.objects.count() == 0
    assert files_in(settings.MEDIA_ROOT) == files_in(settings.QUARANTINE_ROOT) == []


def in_words(number: int) -> str:
    return f"{number:,}".replace(",", "\N{NO-BREAK SPACE}") if number >= 10_000 else str(number)


def test_what_is_plainly_no_film_is_refused_before_anything_is_stored(send, settings):
    upload = send(b"%PDF-1.7 ...")
    assert upload.status == UploadStatus.REFUSED
    assert upload.sentence == "Not a PNG, JPEG, TIFF or DICOM file (looks like: a PDF). Send one of these."
    assert files_in(settings.QUARANTINE_ROOT) == []


def test_more_bytes_than_the_limit_are_refused_and_not_kept(send, film, settings):
    settings.MAX_UPLOAD_BYTES = 1000
    upload = send(film)
    assert upload.status == UploadStatus.REFUSED and upload.sentence.startswith("Too big:")
    assert files_in(settings.QUARANTINE_ROOT) == []


def test_one_upload_is_admitted_once(send, film):
    upload = send(film)
    twin = Upload.objects.get(pk=upload.pk)
    assert intake.admit(upload) is True
    assert intake.admit(twin) is False
    assert Study.objects.count() == 1


def test_a_worker_that_was_given_up_cannot_finish_what_another_took_over(send, film, settings):
    upload = send(film)
    slow = Upload.objects.get(pk=upload.pk)
    intake.claimable_again(Upload.objects.filter(pk=upload.pk), losses=1)
    with pytest.raises(intake.LostRaceError):
        intake.refuse(slow, "too late")
    upload.refresh_from_db()
    assert intake.admit(upload)
    assert Study.objects.count() == 1


def test_an_upload_without_a_heartbeat_is_given_back_and_the_loss_counts(send, film, settings):
    upload = send(film)
    long_ago = workers.silent_since() - timedelta(seconds=1)
    Upload.objects.filter(pk=upload.pk).update(heartbeat_at=long_ago)
    assert intake.admit_waiting() == 0, "it is in another worker's hands"
    assert intake.give_back_lost() == 1
    assert intake.admit_waiting() == 1
    upload.refresh_from_db()
    assert (upload.status, upload.attempt) == (UploadStatus.ACCEPTED, 2)


def test_a_file_that_kills_its_worker_three_times_is_refused_in_words(send, film):
    upload = send(film)
    Upload.objects.filter(pk=upload.pk).update(attempt=MAX_ATTEMPTS + 1)
    upload.refresh_from_db()
    intake.admit(upload)
    upload.refresh_from_db()
    assert upload.status == UploadStatus.REFUSED
    assert upload.sentence == texts.NOT_READABLE.format(attempts=MAX_ATTEMPTS)


def test_a_full_disk_costs_time_and_no_film(send, film, settings, tmp_path):
    upload = send(film)
    media, settings.MEDIA_ROOT = settings.MEDIA_ROOT, tmp_path / "a-file"
    settings.MEDIA_ROOT.write_text("where a folder should be")
    assert intake.admit(upload)
    upload.refresh_from_db()
    assert upload.status == UploadStatus.RECEIVED and upload.heartbeat_at is None
    settings.MEDIA_ROOT = media
    assert intake.admit_waiting() == 1
    upload.refresh_from_db()
    assert upload.status == UploadStatus.ACCEPTED


def test_rows_that_cannot_be_written_leave_no_folder(send, film, settings, monkeypatch):
    upload = send(film)
    factories.InstanceFactory()
    monkeypatch.setattr("diagnosis.services.intake._accepted", lambda *_: ("accepted", None))
    with pytest.raises(Exception, match="sentence"):
        intake.admit(upload)
    assert files_in(settings.MEDIA_ROOT) == []
    upload.refresh_from_db()
    assert upload.status == UploadStatus.RECEIVED and Study.objects.count() == 1


def test_what_a_crash_left_behind_is_tidied_and_nothing_else(send, film, settings, admit):
    waiting = send(film)
    admit(kept := send(xrays.png(xrays.film(2))))
    orphan = settings.MEDIA_ROOT / "ab" / ("ab" + "0" * 30)
    orphan.mkdir(parents=True)
    (settings.QUARANTINE_ROOT / ("0" * 32)).write_bytes(b"nobody waits for this")
    (settings.MEDIA_ROOT / ".new-1").mkdir()
    assert intake.tidy(older_than=timedelta(hours=1)) == 0, "it may still be in the making"
    assert intake.tidy(older_than=timedelta(seconds=-5)) == 3
    kept.refresh_from_db()
    assert storage.quarantine_path(waiting.pk).exists() and kept.instance.folder.exists()


def test_a_file_that_never_ends_in_an_answer_is_refused(send, film, settings, monkeypatch):
    monkeypatch.setattr(engine.darkroom(), "timeout_s", 0.0)
    upload = send(film)
    intake.admit(upload)
    upload.refresh_from_db()
    assert upload.status == UploadStatus.REFUSED and upload.sentence.startswith("Could not be opened within")


def test_an_upload_is_refused_without_reading_a_name(batch):
    upload = intake.receive(SimpleUploadedFile("x" * 400 + "😷/../../etc.png", b"hello"), batch=batch)
    assert upload.status == UploadStatus.REFUSED
    assert upload.sentence == "Not a PNG, JPEG, TIFF or DICOM file (looks like: text). Send one of these."


def test_a_child_that_was_ended_for_no_fault_of_the_film_is_replaced(send, film):
    os.kill(engine.darkroom().run(os.getpid), signal.SIGKILL)
    upload = send(film)
    intake.admit(upload)
    upload.refresh_from_db()
    assert upload.status == UploadStatus.ACCEPTED
