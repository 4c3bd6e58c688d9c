"""The only module that puts work on a queue. A message is a doorbell: losing one costs seconds, never a film."""

from __future__ import annotations

import logging
from typing import Any

from django.db import transaction
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)


def admit_waiting() -> None:
    """Tell the intake worker, once the surrounding transaction is committed, that uploads wait."""
    from diagnosis import tasks

    _ring_on_commit(tasks.admit_waiting)


def analyse_waiting() -> None:
    """Tell the inference worker, once the surrounding transaction is committed, that analyses wait."""
    from diagnosis import tasks

    _ring_on_commit(tasks.analyse_waiting)


def mail_waiting() -> None:
    """Tell the worker that does small things, once the surrounding transaction is committed, that mails wait."""
    from diagnosis import tasks

    _ring_on_commit(tasks.mail_waiting)


def _ring_on_commit(task: Any) -> None:
    transaction.on_commit(lambda: _ring(task), robust=True)


def _ring(task: Any) -> None:
    """A broker that is away is logged, not raised: the row is stored and the scheduler rings again."""
    try:
        task.apply_async(retry=False)
    except (OperationalError, OSError) as error:
        log.warning("the bell of %s did not ring: %s", task.name, error)
