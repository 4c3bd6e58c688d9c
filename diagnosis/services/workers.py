"""What a worker process says of itself: that it lives, what it serves, and which rows it has in hand."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection
from django.utils import timezone

from diagnosis import engine
from diagnosis.models import Analysis, Upload, Worker
from diagnosis.states import JobStatus, UploadStatus

log = logging.getLogger(__name__)

Held = Analysis | Upload
_in_hand: set[Held] = set()
_lock = threading.Lock()


@contextlib.contextmanager
def in_hand(rows: list[Analysis] | list[Upload]) -> Iterator[None]:
    """While this lasts, the heartbeat thread vouches for these rows, and the sweeper leaves them alone."""
    with _lock:
        _in_hand.update(rows)
    try:
        yield
    finally:
        with _lock:
            _in_hand.difference_update(rows)


class Heartbeat:
    """A thread that writes `seen_at` and `heartbeat_at` every few seconds, while the main thread computes."""

    def __init__(self, *, queue: str) -> None:
        self.queue = queue
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> Heartbeat:
        """Say hello at once; workers of this host and queue that fell silent or are gone are forgotten."""
        forget_gone(self.queue)
        now = timezone.now()
        Worker.objects.update_or_create(
            host=socket.gethostname(),
            pid=os.getpid(),
            queue=self.queue,
            defaults={"started_at": now, "seen_at": now},
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop beating and sign off."""
        self._stop.set()
        self._thread.join(timeout=5)
        Worker.objects.filter(host=socket.gethostname(), pid=os.getpid(), queue=self.queue).delete()

    def _run(self) -> None:
        while not self._stop.wait(settings.HEARTBEAT_S):
            try:
                beat(queue=self.queue)
            except DatabaseError as error:
                log.warning("a heartbeat was not written: %s", error)
                close_old_connections()
        connection.close()


def forget_gone(queue: str) -> None:
    """Remove what the predecessors of this process left: a worker that was killed could not sign off itself."""
    rows = Worker.objects.filter(host=socket.gethostname(), queue=queue)
    gone = [row.pk for row in rows if row.seen_at < silent_since() or not _is_running(row.pid)]
    Worker.objects.filter(pk__in=gone).delete()


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's, but there
    return True


def beat(*, queue: str) -> None:
    """Write one heartbeat for this process and every row in its hands."""
    now = timezone.now()
    Worker.objects.filter(host=socket.gethostname(), pid=os.getpid(), queue=queue).update(
        seen_at=now, serves_sha256=engine.served_sha256()
    )
    with _lock:
        analyses = [row.pk for row in _in_hand if isinstance(row, Analysis)]
        uploads = [row.pk for row in _in_hand if isinstance(row, Upload)]
    if analyses:
        Analysis.objects.filter(pk__in=analyses, status=JobStatus.RUNNING).update(heartbeat_at=now)
    if uploads:
        Upload.objects.filter(pk__in=uploads, status=UploadStatus.RECEIVED).update(heartbeat_at=now)


def silent_since() -> datetime:
    """A row or worker whose last heartbeat is older than this is lost."""
    return timezone.now() - timedelta(seconds=settings.LOST_AFTER_S)
