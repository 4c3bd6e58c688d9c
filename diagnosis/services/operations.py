"""What keeps the house running: lost work queued again, bells rung, lateness noticed."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from diagnosis import dispatch, engine
from diagnosis.models import Analysis, Upload
from diagnosis.services import (
    adjudicators,
    analysis,
    intake,
    limits,
    mails,
    notices,
    reading,
    revisions,
    submissions,
    workers,
    worklist,
)
from diagnosis.states import JobStatus, UploadStatus

log = logging.getLogger(__name__)

_heartbeats: list[workers.Heartbeat] = []


def sweep() -> None:
    """Every few seconds: queue lost analyses again, ring for whatever waits, tell of final reads."""
    lost = analysis.requeue_lost() + intake.give_back_lost()
    if lost:
        log.warning("%d rows were lost by their worker and given back", lost)
    if Analysis.waiting().exists():
        dispatch.analyse_waiting()
    if intake.claimable().exists():
        dispatch.admit_waiting()
    if mails.due().exists():
        dispatch.mail_waiting()
    worklist.age()
    revisions.refresh_outdated()
    reading.announce()
    adjudicators.announce()


def tidy() -> None:
    """Every hour: remove what nobody will ask for again, and mark what a change of rules has missed."""
    intake.tidy()
    submissions.forget_old()
    limits.forget_old()
    notices.forget_old()
    mails.forget_old()
    revisions.mark_misplaced()


def oldest_waiting() -> datetime | None:
    """When the film that has waited longest came in; None if none waits. Nobody waits for an imported one."""
    received = Upload.objects.filter(status=UploadStatus.RECEIVED).order_by("received_at").first()
    waiting = Analysis.objects.filter(status__in=JobStatus.WAITING, priority=0)
    asked = waiting.order_by("requested_at").first()
    times = [received.received_at] if received else []
    times += [asked.requested_at] if asked else []
    return min(times, default=None)


def late_minutes() -> int | None:
    """Whole minutes that the oldest film has waited, if that is longer than the site allows (rule A14)."""
    oldest = oldest_waiting()
    waited = timezone.now() - oldest if oldest else timedelta(0)
    return int(waited.total_seconds() // 60) if waited.total_seconds() > settings.LATE_AFTER_S else None


def worker_started(*, queues: list[str]) -> None:
    """Called in a worker process before its first task, and again whenever it found its broker again."""
    if _heartbeats:
        return
    if "inference" in queues:
        analysis.warm_up()
    if "intake" in queues:
        engine.warm_darkroom()
    _heartbeats.append(workers.Heartbeat(queue=",".join(queues)).start())


def worker_stopping() -> None:
    """Called in a worker process after its last task."""
    while _heartbeats:
        _heartbeats.pop().stop()
    engine.darkroom().close()
