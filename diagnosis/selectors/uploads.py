"""One batch and its uploads."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Prefetch, Q, QuerySet

from diagnosis import access, texts
from diagnosis.models import Analysis, Batch, Study, Upload
from diagnosis.selectors.studies import FilmState, film_state
from diagnosis.states import StudyStatus, UploadStatus

ARCHIVE = "archive"  # the code of a ZIP that was unpacked


@dataclass(frozen=True)
class UploadState:
    """One upload; `film` only if whoever looks may open it, and never the film that it was stopped for."""

    upload: Upload
    film: FilmState | None
    is_withdrawn: bool = False

    @property
    def study(self) -> Study | None:
        return self.film.instance.series.study if self.film else None

    @property
    def waits(self) -> bool:
        return self.upload.is_waiting or bool(
            self.film and self.film.analysis and self.film.analysis.is_waiting
        )

    @property
    def outcome(self) -> str:
        """The finding; without one what the film waits for, or how its upload ended."""
        if self.film and self.film.is_hidden:
            return "hidden"
        if self.film and self.film.prediction:
            return self.film.prediction.finding or "on_request"
        if self.waits:
            return "waiting"
        if self.film:
            is_left_out = self.film.is_not_assessed or not self.film.analysis
            return "not_assessed" if is_left_out else "failed"
        if self.is_withdrawn:
            return "withdrawn"
        return self._ended

    @property
    def _ended(self) -> str:
        """How an upload ended that shows no film."""
        if self.upload.code == ARCHIVE:
            return "archive"
        is_stored = self.upload.status in (UploadStatus.ACCEPTED, UploadStatus.DUPLICATE)
        return "elsewhere" if is_stored else self.upload.status

    @property
    def sentence(self) -> str:
        if self.is_withdrawn:
            return texts.WITHDRAWN
        return self.upload.sentence or texts.STILL_READING

    @property
    def remarks(self) -> list[str]:
        """What to know of a film that this upload brought in, beside its answer."""
        if self.film is None or self.upload.status != UploadStatus.ACCEPTED:
            return []
        instance = self.film.instance
        lacks_patient = instance.series.study.patient_id is None
        is_conflict = lacks_patient and self.upload.code == "identity_conflict"
        return [texts.PATIENT_IN_CONFLICT] * is_conflict + texts.remarks(
            has_patient=not lacks_patient or is_conflict,
            is_lossy=instance.is_lossy,
            is_screenshot=instance.is_screenshot,
            text_suspected=instance.is_barred,
        )


def recent_batches(user: access.Viewer, *, most: int = 5) -> list[Batch]:
    """The user's own last drops, each with its number of files."""
    own = Batch.objects.filter(by=user.pk).annotate(n_files=Count("uploads")).filter(n_files__gt=0)
    return list(own.order_by("-created_at")[:most])


def uploads_of(batch: Batch, viewer: access.Viewer, *, since: datetime | None = None) -> list[UploadState]:
    """All uploads of a batch, or those that changed; files of a ZIP follow it in their order."""
    uploads = batch.uploads.filter(_changed(since)) if since else batch.uploads.all()
    return sorted(_states(uploads, viewer), key=_place)


def upload_state(upload: Upload, viewer: access.Viewer) -> UploadState:
    return _states(Upload.objects.filter(pk=upload.pk), viewer)[0]


def _changed(since: datetime) -> Q:
    """In several columns, each written once: received, finished, and the same of every analysis."""
    own = Q(received_at__gt=since) | Q(finished_at__gt=since)
    analyses = Analysis.objects.filter(Q(requested_at__gt=since) | Q(finished_at__gt=since))
    return own | Q(instance__in=analyses.values("instance"))


def _states(uploads: QuerySet[Upload], viewer: access.Viewer) -> list[UploadState]:
    analyses = Analysis.objects.order_by("-requested_at").select_related("prediction__checkpoint")
    if access.is_blindable(viewer):
        analyses = analyses.filter(~access.hidden_from(viewer, study="instance__series__study"))
    found = list(
        uploads.select_related("parent", "instance__series__study").prefetch_related(
            Prefetch("instance__analyses", queryset=analyses)
        )
    )
    studies = {upload.instance.series.study_id for upload in found if upload.instance}
    seen = set(access.studies_of(viewer).filter(pk__in=studies).values_list("pk", flat=True))
    hidden = access.hidden_among(viewer, seen)
    return [_state(upload, seen, hidden) for upload in found]


def _state(upload: Upload, seen: set[uuid.UUID], hidden: set[uuid.UUID]) -> UploadState:
    if upload.instance is None or upload.status == UploadStatus.STOPPED:
        return UploadState(upload, None)
    study = upload.instance.series.study
    if study.pk not in seen:
        is_withdrawn = upload.status == UploadStatus.ACCEPTED and study.status == StudyStatus.WITHDRAWN
        return UploadState(upload, None, is_withdrawn)
    return UploadState(upload, film_state(upload.instance, is_hidden=study.pk in hidden))


def _place(state: UploadState) -> tuple[int, datetime, bool, int]:
    upload = state.upload
    first = upload.parent or upload
    return first.position, first.received_at, upload.parent is not None, upload.position
