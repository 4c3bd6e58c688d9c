"""Eight at once on one row: one winner, one event. tests/test_postgres.py runs the same on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection

from diagnosis.models import Analysis, Event, Upload
from diagnosis.services import intake
from diagnosis.states import JobStatus
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
