"""The queries behind pages. Each page asks a constant number of them, however many films there are."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet
from django.utils import timezone

from diagnosis import access
from diagnosis.models import Analysis, Batch, Checkpoint, Instance, Prediction, Study, Upload, Worker
from diagnosis.states import JobStatus, UploadStatus

PAGE_SIZE = 30
DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Filters:
    """What the study list is narrowed to; empty means all."""

    search: str = ""
    show: str = ""
    team: int | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_set(self) -> bool:
        return any((self.search, self.show, self.team, self.since, self.until))


@dataclass(frozen=True)
class FilmState:
    """One instance with its latest analysis and its latest prediction (which an analysis that waits does not hide)."""

    instance: Instance
    analysis: Analysis | None
    prediction: Prediction | None


@dataclass(frozen=True)
class StudyState:
    """A study as lists show it; `leading` is the instance whose score is the highest, else the first."""

    study: Study
    films: list[FilmState] = field(default_factory=list)

    @property
    def leading(self) -> FilmState | None:
        scored = [film for film in self.films if film.prediction]
        if scored:
            return max(scored, key=lambda film: film.prediction.probability if film.prediction else 0)
        return self.films[0] if self.films else None


@dataclass(frozen=True)
class Page:
    studies: list[StudyState]
    older: str = ""


def film_state(instance: Instance) -> FilmState:
    analyses = sorted(instance.analyses.all(), key=lambda row: row.requested_at, reverse=True)
    predictions = [row.prediction for row in analyses if hasattr(row, "prediction")]
    return FilmState(instance, analyses[0] if analyses else None, predictions[0] if predictions else None)


def study_state(study: Study) -> StudyState:
    instances = [instance for series in study.series.all() for instance in series.instances.all()]
    return StudyState(
        study, [film_state(instance) for instance in sorted(instances, key=lambda i: i.created_at)]
    )


def with_films(studies: QuerySet[Study]) -> QuerySet[Study]:
    analyses = Analysis.objects.order_by("-requested_at").select_related(
        "prediction__checkpoint", "prediction__heatmap", "requested_by"
    )
    return studies.select_related("patient", "team").prefetch_related(
        "series__instances", Prefetch("series__instances__analyses", queryset=analyses)
    )


def studies_page(user: access.Viewer, filters: Filters, *, before: str = "") -> Page:
    """One page, newest first; `before` is the cursor that the page before gave."""
    found = narrowed(access.studies_of(user), filters).order_by("-received_at", "-pk")
    cursor = parsed_cursor(before)
    if cursor:
        received_at, pk = cursor
        found = found.filter(Q(received_at__lt=received_at) | Q(received_at=received_at, pk__lt=pk))
    studies = list(with_films(found)[: PAGE_SIZE + 1])
    older = cursor_of(studies[PAGE_SIZE - 1]) if len(studies) > PAGE_SIZE else ""
    return Page([study_state(study) for study in studies[:PAGE_SIZE]], older)


def cursor_of(study: Study) -> str:
    return f"{study.received_at.isoformat()}_{study.pk.hex}"


def parsed_cursor(text: str) -> tuple[datetime, uuid.UUID] | None:
    """None for an empty or damaged cursor: the first page is a better answer than an error."""
    try:
        received_at, pk = text.rsplit("_", 1)
        return datetime.fromisoformat(received_at).astimezone(UTC), uuid.UUID(hex=pk)
    except (ValueError, OverflowError):
        return None


def narrowed(studies: QuerySet[Study], filters: Filters) -> QuerySet[Study]:
    if filters.search:
        studies = studies.filter(matching(filters.search))
    if filters.team:
        studies = studies.filter(team=filters.team)
    if filters.since:
        studies = studies.filter(received_at__gte=filters.since)
    if filters.until:
        studies = studies.filter(received_at__lt=filters.until)
    return showing(studies, filters.show) if filters.show else studies


def matching(search: str) -> Q:
    """A study number (or its beginning, or 'Study' before it) or a pseudonym, with or without its dashes."""
    word = search.upper().replace("-", "").replace(" ", "").removeprefix("STUDY")
    grouped = f"{word[:4]}-{word[4:8]}-{word[8:]}".rstrip("-")
    found = Q(patient__pseudonym__startswith=grouped) if word else Q(pk=None)
    return found | number_range(word)


def number_range(word: str) -> Q:
    """Study numbers are the first digits of the key, so a search for one is a range of keys."""
    if not word or len(word) > 8 or any(character not in "0123456789ABCDEF" for character in word):
        return Q(pk=None)
    return Q(pk__gte=uuid.UUID(hex=word.ljust(32, "0")), pk__lte=uuid.UUID(hex=word.ljust(32, "F")))


def showing(studies: QuerySet[Study], show: str) -> QuerySet[Study]:
    """By the finding that a study shows, or by what it waits for."""
    jobs = Analysis.objects.filter(instance__series__study=OuterRef("pk"))
    waiting, failed = (
        Exists(jobs.filter(status__in=JobStatus.WAITING)),
        Exists(jobs.filter(status=JobStatus.FAILED)),
    )
    if show == "waiting":
        return studies.filter(waiting)
    if show == "failed":
        return studies.filter(~waiting, failed, leading=None)
    return studies.filter(leading__finding=show)


# --- one study ---


def study_for_page(study: Study) -> StudyState:
    return study_state(with_films(Study.objects.filter(pk=study.pk)).get())


# --- one batch ---


@dataclass(frozen=True)
class UploadState:
    upload: Upload
    film: FilmState | None

    @property
    def waits(self) -> bool:
        return self.upload.is_waiting or bool(
            self.film and self.film.analysis and self.film.analysis.is_waiting
        )

    @property
    def outcome(self) -> str:
        """The finding; without one 'waiting', 'failed' or 'refused'."""
        if self.film and self.film.prediction:
            return self.film.prediction.finding
        if self.waits:
            return "waiting"
        return "failed" if self.film else "refused"


def recent_batches(user: access.Viewer, *, most: int = 5) -> list[Batch]:
    """The user's own last drops, each with its number of files."""
    own = Batch.objects.filter(by=user.pk).annotate(n_files=Count("uploads")).filter(n_files__gt=0)
    return list(own.order_by("-created_at")[:most])


def uploads_of(batch: Batch) -> list[UploadState]:
    analyses = Analysis.objects.order_by("-requested_at").select_related("prediction__checkpoint")
    uploads = batch.uploads.select_related("instance__series__study").prefetch_related(
        Prefetch("instance__analyses", queryset=analyses)
    )
    return [
        UploadState(upload, film_state(upload.instance) if upload.instance else None) for upload in uploads
    ]


# --- the system page ---


@dataclass(frozen=True)
class System:
    workers: list[Worker]
    champion: Checkpoint | None
    uploads_waiting: int
    analyses_queued: int
    analyses_running: int
    day: dict[str, int]
    p50_s: float | None
    p95_s: float | None


def system() -> System:
    since = timezone.now() - DAY
    jobs = dict(Analysis.objects.values_list("status").annotate(n=Count("pk")))
    durations = result_times(since)
    return System(
        workers=list(Worker.objects.order_by("queue", "host", "pid")),
        champion=Checkpoint.champion(),
        uploads_waiting=Upload.objects.filter(status=UploadStatus.RECEIVED).count(),
        analyses_queued=jobs.get(JobStatus.QUEUED, 0),
        analyses_running=jobs.get(JobStatus.RUNNING, 0),
        day=counts_since(since),
        p50_s=percentile(durations, 0.5),
        p95_s=percentile(durations, 0.95),
    )


def counts_since(since: datetime) -> dict[str, int]:
    """Films received = accepted + refused + duplicate + stopped + waiting; and what became of the analyses."""
    uploads = dict(
        Upload.objects.filter(received_at__gte=since).values_list("status").annotate(n=Count("pk"))
    )
    jobs = dict(
        Analysis.objects.filter(requested_at__gte=since).values_list("status").annotate(n=Count("pk"))
    )
    return {
        "received": sum(uploads.values()),
        "accepted": uploads.get(UploadStatus.ACCEPTED, 0),
        "refused": uploads.get(UploadStatus.REFUSED, 0),
        "duplicate": uploads.get(UploadStatus.DUPLICATE, 0),
        "analysed": jobs.get(JobStatus.SUCCEEDED, 0),
        "failed": jobs.get(JobStatus.FAILED, 0),
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
