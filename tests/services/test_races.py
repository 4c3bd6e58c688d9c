"""Eight at once on one row: one winner, one event. tests/test_postgres.py runs the same on PostgreSQL."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse

from diagnosis import engine
from diagnosis.models import (
    Analysis,
    Batch,
    Event,
    IdentityConflict,
    Instance,
    Patient,
    Series,
    Study,
    Upload,
)
from diagnosis.services import analysis, duplicates, identity, intake, protocols, revisions, withdrawal
from diagnosis.states import ConflictStatus, JobStatus, Role, StudyStatus, UploadStatus
from tests import factories, xrays

T = TypeVar("T")

pytestmark = pytest.mark.django_db(transaction=True)

N_THREADS = 8


def at_once(action: Callable[[], bool]) -> list[bool]:
    answers: list[bool] = []
    start = threading.Barrier(N_THREADS)

    def run() -> None:
        start.wait()
        try:
            answers.append(action())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(N_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.parametrize("turn", range(10))
def test_a_move_has_one_winner_and_one_event(turn):
    row = factories.AnalysisFactory()
    moved = at_once(lambda: Analysis.objects.get(pk=row.pk).move(JobStatus.QUEUED, JobStatus.RUNNING))
    assert sorted(moved) == [False] * (N_THREADS - 1) + [True]
    assert Event.objects.filter(object_id=row.pk).count() == 1


def test_an_upload_is_claimed_once():
    upload = factories.UploadFactory()
    claimed = at_once(
        lambda: bool(intake.claimable().filter(pk=upload.pk).update(heartbeat_at="2026-01-01T00:00Z"))
    )
    assert sorted(claimed) == [False] * (N_THREADS - 1) + [True]
    assert Upload.objects.get().heartbeat_at is not None


# --- films ---


def each_at_once(actions: list[Callable[[], T]]) -> list[T]:
    """All of them, eight threads at a time; an error of any comes through."""

    def run(action: Callable[[], T]) -> T:
        try:
            return action()
        finally:
            connection.close()

    with ThreadPoolExecutor(N_THREADS) as threads:
        return list(threads.map(run, actions))


def received(batch: Batch, *contents: bytes) -> list[Upload]:
    return [intake.receive(SimpleUploadedFile("film", content), batch=batch) for content in contents]


def of_study(seed: int, **header: Any) -> bytes:
    shared = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.1"}
    return xrays.dicom(xrays.film(seed, bits=12), **shared, **header)


@pytest.fixture
def warm() -> None:
    """One child for all threads, started before they are."""
    engine.warm_darkroom()


@pytest.fixture
def waiting(monkeypatch: Any) -> None:
    """What is received waits until a test admits it."""
    monkeypatch.setattr("diagnosis.dispatch._ring", lambda task: None)


def files_in(folder: Path) -> list[Path]:
    return [path for path in Path(folder).rglob("*") if path.is_file()]


def test_the_same_file_fifty_times_at_once_from_two_teams_is_stored_once(warm, settings, caplog):
    content = xrays.dicom(xrays.film(1, bits=12))
    users = [factories.AcknowledgementFactory(user__team=factories.TeamFactory()).user for _ in range(2)]
    browsers = [Client() for _ in users]
    for browser, user in zip(browsers, users, strict=True):
        browser.force_login(user)

    def post(n: int) -> int:
        visitor = Client(headers={"accept": "application/json"})
        visitor.cookies = browsers[n % 2].cookies
        return visitor.post(reverse("uploads"), {"file": SimpleUploadedFile("film", content)}).status_code

    assert set(each_at_once([lambda n=n: post(n) for n in range(50)])) == {201}
    intake.admit_waiting()
    ends = Counter(Upload.objects.values_list("status", "code"))
    winner = Upload.objects.get(status=UploadStatus.ACCEPTED).batch.by
    assert ends == {
        ("accepted", "accepted"): 1,
        ("duplicate", "duplicate"): 24,
        ("duplicate", "duplicate_elsewhere"): 25,
    }
    assert set(Upload.objects.exclude(instance=None).values_list("batch__by", flat=True)) == {winner.pk}
    assert [model.objects.count() for model in (Instance, Series, Study, Patient, Analysis)] == [1] * 5
    assert files_in(settings.QUARANTINE_ROOT) == []
    assert {path.parent for path in files_in(settings.MEDIA_ROOT)} == {Instance.objects.get().folder}
    assert "Traceback" not in caplog.text


def test_a_film_that_two_workers_hold_at_once_is_stored_by_one(warm, waiting, settings):
    """None of them finds it when it looks, as all look before one stores."""
    uploads = received(factories.BatchFactory(), *[xrays.png(xrays.film(1))] * N_THREADS)
    look, all_have_looked = duplicates.of_pixels, threading.Barrier(N_THREADS)
    looked: set[object] = set()

    def look_together(upload: Upload, *args: Any) -> Any:
        found = look(upload, *args)
        if upload.pk not in looked:
            looked.add(upload.pk)
            all_have_looked.wait(timeout=20)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "of_pixels", look_together)
        patch.setattr(duplicates, "of_bytes", lambda upload: None)
        each_at_once([lambda upload=upload: intake.admit(upload) for upload in uploads])
    assert Counter(Upload.objects.values_list("code", flat=True)) == {
        "accepted": 1,
        "duplicate": N_THREADS - 1,
    }
    assert Instance.objects.count() == Study.objects.count() == 1
    assert {path.parent for path in files_in(settings.MEDIA_ROOT)} == {Instance.objects.get().folder}


def test_films_of_one_study_at_the_same_moment_are_one_study(warm, waiting):
    uploads = received(factories.BatchFactory(), *[of_study(seed) for seed in range(N_THREADS)])
    each_at_once([lambda upload=upload: intake.admit(upload) for upload in uploads])
    assert [model.objects.count() for model in (Study, Series, Patient)] == [1, 1, 1]
    assert Instance.objects.count() == Analysis.objects.count() == N_THREADS


def test_of_two_sexes_at_the_same_moment_one_is_linked(warm, waiting):
    films = [xrays.dicom(xrays.film(seed, bits=12), PatientSex="FM"[seed % 2]) for seed in range(N_THREADS)]
    uploads = received(factories.BatchFactory(), *films)
    each_at_once([lambda upload=upload: intake.admit(upload) for upload in uploads])
    assert IdentityConflict.objects.count() == Study.objects.filter(patient=None).count() == N_THREADS // 2
    linked = Study.objects.exclude(patient=None).values_list("sex", flat=True)
    assert set(linked) == {Patient.objects.get().sex}


def test_near_duplicates_at_the_same_moment_share_a_cluster(warm, waiting):
    films = [xrays.film(1, width=512, height=576).copy() for _ in range(N_THREADS)]
    for n, film in enumerate(films):
        film[300, 200] = n
    uploads = received(factories.BatchFactory(), *[xrays.png(film) for film in films])
    each_at_once([lambda upload=upload: intake.admit(upload) for upload in uploads])
    assert Instance.objects.count() == N_THREADS
    assert Instance.objects.values("cluster").distinct().count() == 1


# --- people at once (rule A9) ---


def test_two_administrators_who_decide_at_once_leave_one_decision():
    conflict = factories.IdentityConflictFactory()
    chief = factories.UserFactory(role=Role.ADMINISTRATOR)
    turns = iter([True, False] * (N_THREADS // 2))
    decided: list[bool] = []

    def decide() -> bool:
        is_same = next(turns)
        own = IdentityConflict.objects.get(pk=conflict.pk)
        won = identity.decide(own, is_same=is_same, by=chief, reason=str(is_same))
        decided.extend([is_same] if won else [])
        return won

    assert sorted(at_once(decide)) == [False] * (N_THREADS - 1) + [True]
    conflict.refresh_from_db()
    study = Study.objects.get(pk=conflict.study_id)
    assert (study.patient == conflict.patient) == decided[0]
    assert conflict.status == (ConflictStatus.LINKED if decided[0] else ConflictStatus.APART)
    assert Event.objects.filter(kind="identityconflict").count() == 1


def test_a_study_that_eight_move_at_once_goes_to_one_patient():
    study = factories.StudyFactory()
    numbers = iter(f"MRN-{n}" for n in range(1, N_THREADS + 1))

    def move() -> bool:
        number = identity.Number(next(numbers))
        try:
            identity.move(study, number, seen="", by=study.uploaded_by, reason="at once")
        except identity.NotMovedError:
            return False
        return True

    assert sorted(at_once(move)) == [False] * (N_THREADS - 1) + [True]
    event = Event.objects.get(kind="study")
    study.refresh_from_db()
    assert event.new == study.patient.pseudonym


@pytest.mark.parametrize("turn", range(5))
def test_a_study_that_is_withdrawn_while_workers_claim_its_film_has_nothing_under_way(turn):
    study = factories.StudyFactory()
    row = factories.AnalysisFactory(instance__series__study=study)
    turns = iter(["withdraw", *["claim"] * (N_THREADS - 1)])

    def act() -> bool:
        if next(turns) == "withdraw":
            return withdrawal.withdraw(study, by=study.uploaded_by, reason="at once")
        return bool(analysis.claim())

    assert sum(at_once(act)) in {1, 2}
    row.refresh_from_db()
    assert row.status == JobStatus.CANCELLED and Study.objects.get().status == StudyStatus.WITHDRAWN
    # Whoever claimed it finds that it has moved on.
    assert not row.move(JobStatus.RUNNING, JobStatus.SUCCEEDED)


def test_a_study_that_eight_bring_back_at_once_is_back_once():
    study = factories.StudyFactory()
    factories.AnalysisFactory(instance=factories.InstanceFactory(series__study=study, pixels_once="p" * 64))
    withdrawal.withdraw(study, by=study.uploaded_by, reason="at once")
    restored = at_once(lambda: withdrawal.restore(Study.objects.get(pk=study.pk), by=study.uploaded_by))
    # Whoever came late found it active already.
    assert restored.count(True) == 1
    assert Study.objects.get().status == StudyStatus.ACTIVE
    assert Analysis.waiting().count() == 1
    assert Instance.objects.get().pixels_once == Instance.objects.get().pixel_sha256


# --- protocols ---


def test_of_eight_who_revise_what_they_all_looked_at_one_makes_the_next_version():
    rest, chief = protocols.rest(), factories.UserFactory(role=Role.ADMINISTRATOR)
    factories.UserFactory(role=Role.RADIOLOGIST)

    def revise() -> bool:
        try:
            revisions.revise(rest, seen=1, by=chief, reason="at once", adjudicators=[], random_share=0.5)
        except protocols.ProtocolError:
            return False
        return True

    assert sorted(at_once(revise)) == [False] * (N_THREADS - 1) + [True]
    assert list(rest.protocols.order_by("version").values_list("version", flat=True)) == [1, 2]


def test_revisions_that_look_at_nothing_follow_one_another_without_a_gap():
    rest = protocols.rest()
    factories.UserFactory(role=Role.RADIOLOGIST)
    assert all(at_once(lambda: bool(protocols.revise(rest, by=None, reason="at once", random_share=0.5))))
    versions = rest.protocols.order_by("version").values_list("version", flat=True)
    assert list(versions) == list(range(1, N_THREADS + 2))
