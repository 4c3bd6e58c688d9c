"""Celery's door: one line a task. Messages carry nothing; the rows are the queue."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutdown

from diagnosis.services import analysis, intake, mails, operations


@shared_task
def admit_waiting() -> None:
    intake.admit_waiting()


@shared_task
def analyse_waiting() -> None:
    analysis.run_waiting()


@shared_task
def mail_waiting() -> None:
    mails.send_due()


@shared_task
def sweep() -> None:
    operations.sweep()


@shared_task
def tidy() -> None:
    operations.tidy()


@worker_ready.connect
def _started(sender: Any, **_: Any) -> None:
    operations.worker_started(queues=sorted(sender.app.amqp.queues.consume_from))


@worker_shutdown.connect
def _stopping(**_: Any) -> None:
    operations.worker_stopping()
