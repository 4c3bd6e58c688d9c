"""One batch and its uploads."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Prefetch

from diagnosis import access
from diagnosis.models import Analysis, Batch, Upload
from diagnosis.selectors.studies import FilmState, film_state
from diagnosis.states import UploadStatus


@dataclass(frozen=True)
class UploadState:
    """One upload; `film` only if whoever looks may open it, and never the film that it was stopped for."""

    upload: Upload
    film: FilmState | None

    @property
    def waits(self) -> bool:
        return self.upload.is_waiting or bool(
            self.film and self.film.analysis and self.film.analysis.is_waiting
        )

    @property
    def outcome(self) -> str:
        """The finding; without one what the film waits for, or how its upload ended."""
        if self.film and self.film.prediction:
            return self.film.prediction.finding
        if self.waits:
            return "waiting"
        if self.film:
            return "not_assessed" if self.film.is_not_assessed else "failed"
        is_stored = self.upload.status in (UploadStatus.ACCEPTED, UploadStatus.DUPLICATE)
        return "elsewhere" if is_stored else self.upload.status


def recent_batches(user: access.Viewer, *, most: int = 5) -> list[Batch]:
    """The user's own last drops, each with its number of files."""
    own = Batch.objects.filter(by=user.pk).annotate(n_files=Count("uploads")).filter(n_files__gt=0)
    return list(own.order_by("-created_at")[:most])


def uploads_of(batch: Batch, viewer: access.Viewer) -> list[UploadState]:
    analyses = Analysis.objects.order_by("-requested_at").select_related("prediction__checkpoint")
    uploads = batch.uploads.select_related("instance__series__study").prefetch_related(
        Prefetch("instance__analyses", queryset=analyses)
    )
    return _states(list(uploads), viewer)


def upload_state(upload: Upload, viewer: access.Viewer) -> UploadState:
    return _states([upload], viewer)[0]


def _states(uploads: list[Upload], viewer: access.Viewer) -> list[UploadState]:
    kept = {
        upload: upload.instance
        for upload in uploads
        if upload.instance and upload.status != UploadStatus.STOPPED
    }
    studies = {instance.series.study_id for instance in kept.values()}
    open_to = set(access.studies_of(viewer).filter(pk__in=studies).values_list("pk", flat=True))
    seen = {upload: film for upload, film in kept.items() if film.series.study_id in open_to}
    return [UploadState(upload, film_state(seen[upload]) if upload in seen else None) for upload in uploads]
