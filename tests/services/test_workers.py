"""What worker processes say of themselves."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import timedelta

import pytest

from diagnosis.models import Worker
from diagnosis.services import workers
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def ended() -> int:
    """The id of a process that is over."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def of_this_host(**facts: object) -> Worker:
    return factories.WorkerFactory(host=socket.gethostname(), **facts)


def left(queue: str) -> set[int]:
    workers.forget_gone(queue)
    return set(Worker.objects.values_list("pid", flat=True))


def test_a_killed_worker_is_forgotten_by_its_successor_at_once(ended):
    of_this_host(pid=ended)
    assert left("inference") == set()


def test_a_worker_beside_it_that_lives_is_kept():
    of_this_host(pid=os.getpid())
    assert left("inference") == {os.getpid()}


def test_a_worker_that_fell_silent_is_forgotten_though_its_process_runs():
    of_this_host(pid=os.getpid(), seen_at=workers.silent_since() - timedelta(seconds=1))
    assert left("inference") == set()


def test_what_other_hosts_and_queues_left_is_not_touched(ended):
    factories.WorkerFactory(host="elsewhere", pid=ended)
    of_this_host(pid=ended, queue="training")
    assert left("inference") == {ended}
    assert Worker.objects.count() == 2
