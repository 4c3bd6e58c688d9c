"""One batch and its uploads."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Prefetch

from diagnosis import access
from diagnosis.models import Analysis, Batch, Upload
from diagnosis.selectors.studies import FilmState, film_state


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
