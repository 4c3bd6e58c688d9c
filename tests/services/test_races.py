"""Eight at once on one row: one winner, one event. tests/test_postgres.py runs the same on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection

from diagnosis.models import Analysis, Event, IdentityConflict, Instance, Study, Upload
from diagnosis.services import analysis, identity, intake, withdrawal
from diagnosis.states import ConflictStatus, JobStatus, Role, StudyStatus
from tests import factories

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
