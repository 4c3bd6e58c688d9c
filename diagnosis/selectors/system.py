"""What administrators see of the site itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count
from django.utils import timezone

from diagnosis.models import Analysis, Checkpoint, Upload, Worker
from diagnosis.states import JobStatus, UploadStatus

DAY = timedelta(hours=24)


@dataclass(frozen=True)
class System:
    workers: list[Worker]
    champion: Checkpoint | None
    uploads_waiting: int
    analyses_queued: int
    analyses_running: int
    imported_queued: int
    day: dict[str, int]
    p50_s: float | None
    p95_s: float | None


def system() -> System:
    since = timezone.now() - DAY
    asked = Analysis.objects.filter(priority=0)
    jobs = dict(asked.values_list("status").annotate(n=Count("pk")))
    durations = result_times(since)
    return System(
        workers=list(Worker.objects.order_by("queue", "host", "pid")),
        champion=Checkpoint.champion(),
        uploads_waiting=Upload.objects.filter(status=UploadStatus.RECEIVED).count(),
        analyses_queued=jobs.get(JobStatus.QUEUED, 0),
        analyses_running=jobs.get(JobStatus.RUNNING, 0),
        imported_queued=Analysis.waiting().filter(priority__gt=0).count(),
        day=counts_since(since),
        p50_s=percentile(durations, 0.5),
        p95_s=percentile(durations, 0.95),
    )


def counts_since(since: datetime) -> dict[str, int]:
    """Films received = accepted + refused + duplicate + stopped + waiting; and what became of the analyses.

    Imported films were not received: they would hide a day's work behind thousands.
    """
    uploads = dict(
        Upload.objects.filter(received_at__gte=since).values_list("status").annotate(n=Count("pk"))
    )
    jobs = dict(
        Analysis.objects.filter(requested_at__gte=since, priority=0)
        .values_list("status")
        .annotate(n=Count("pk"))
    )
    return {
        "received": sum(uploads.values()),
        "accepted": uploads.get(UploadStatus.ACCEPTED, 0),
        "refused": uploads.get(UploadStatus.REFUSED, 0),
        "duplicate": uploads.get(UploadStatus.DUPLICATE, 0),
        "stopped": uploads.get(UploadStatus.STOPPED, 0),
        "analysed": jobs.get(JobStatus.SUCCEEDED, 0),
        "failed": jobs.get(JobStatus.FAILED, 0),
        "not assessed": jobs.get(JobStatus.NOT_ASSESSED, 0),
    }


def result_times(since: datetime, *, most: int = 1000) -> list[float]:
    """Seconds from upload to result of the newest films, in ascending order."""
    rows = Upload.objects.filter(
        received_at__gte=since, status=UploadStatus.ACCEPTED, instance__analyses__status=JobStatus.SUCCEEDED
    ).order_by("-received_at")
    times = rows.values_list("received_at", "instance__analyses__finished_at")[:most]
    return sorted((finished - received).total_seconds() for received, finished in times if finished)


def percentile(ascending: list[float], share: float) -> float | None:
    """The nearest-rank percentile; None of nothing."""
    return ascending[max(0, -(-len(ascending) * int(share * 100) // 100) - 1)] if ascending else None
