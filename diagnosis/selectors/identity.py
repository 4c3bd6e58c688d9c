"""What administrators settle: conflicts, stopped uploads, studies without a patient, withdrawn studies."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Prefetch, Q, QuerySet

from diagnosis import access, pseudonyms
from diagnosis.models import Event, IdentityConflict, Instance, Study, Upload, User
from diagnosis.selectors.studies import StudyState, study_state, with_films
from diagnosis.states import ConflictStatus, StudyStatus, UploadStatus

MOST = 50


@dataclass(frozen=True)
class Stopped:
    """A film that is stored under one patient and was sent under another."""

    upload: Upload
    stored: Instance | None
    claimed: str


@dataclass(frozen=True)
class Withdrawn:
    study: Study
    withdrawal: Event | None


@dataclass(frozen=True)
class Listed:
    """The newest of something, and how many there are."""

    rows: list[Any]
    n: int

    @property
    def n_more(self) -> int:
        return self.n - len(self.rows)


def studies_with(user: access.Viewer, *, key: str, record_hash: str, accession_hash: str) -> list[Study]:
    """Exact matches among what the user may see. Empty hashes match nothing."""
    wanted = [("patient__key", key), ("record_hash", record_hash), ("accession_hash", accession_hash)]
    either = Q(pk=None)
    for name, value in wanted:
        either |= Q(**{name: value}) if value else Q(pk=None)
    return list(access.studies_of(user).filter(either).distinct().order_by("-received_at", "-pk")[:MOST])


def studies_by_key(user: access.Viewer, keys: Iterable[str]) -> list[StudyState]:
    """Those of these studies that the user may see now, newest first."""
    wanted = [uuid.UUID(hex=key) for key in keys]
    found = access.studies_of(user).filter(pk__in=wanted).distinct().order_by("-received_at", "-pk")
    return [study_state(study) for study in with_films(found, user)]


def open_conflicts() -> Listed:
    """Oldest first: whoever waits longest is settled first."""
    found = (
        _open_conflicts()
        .select_related("patient", "study__team")
        .prefetch_related(
            Prefetch("patient__studies", queryset=_active().order_by("-received_at")),
            "study__series__instances",
        )
    )
    return Listed(list(found.order_by("found_at")[:MOST]), found.count())


def _open_conflicts() -> QuerySet[IdentityConflict]:
    return IdentityConflict.objects.filter(status=ConflictStatus.OPEN, study__status=StudyStatus.ACTIVE)


def _active() -> QuerySet[Study]:
    return Study.objects.filter(status=StudyStatus.ACTIVE)


def stopped_uploads() -> Listed:
    """Newest first."""
    found = Upload.objects.filter(status=UploadStatus.STOPPED)
    rows = found.select_related("batch__by", "batch__team", "instance__series__study__patient")
    newest = rows.order_by("-received_at")[:MOST]
    return Listed([_stopped(upload) for upload in newest], found.count())


def _stopped(upload: Upload) -> Stopped:
    claimed = pseudonyms.pseudonym_of(upload.patient_key) if upload.patient_key else ""
    instance = upload.instance
    is_shown = instance is not None and instance.series.study.status == StudyStatus.ACTIVE
    return Stopped(upload, instance if is_shown else None, claimed)


def without_patient() -> Listed:
    """Studies that are compared with no prior and used in no training; conflicts have their own list."""
    found = _active().filter(patient=None, is_demo=False).exclude(conflict__status=ConflictStatus.OPEN)
    rows = found.select_related("team", "uploaded_by").annotate(n_films=Count("series__instances"))
    return Listed(list(rows.order_by("-received_at")[:MOST]), found.count())


def withdrawn_studies(user: User) -> Listed:
    """Each with who withdrew it, when and why; the last withdrawn first."""
    found = access.withdrawn_studies_of(user)
    studies = list(found.order_by("-withdrawn_at")[:MOST])
    events = Event.objects.filter(
        kind="study", new=StudyStatus.WITHDRAWN, object_id__in=[study.pk for study in studies]
    )
    latest = {event.object_id: event for event in events.select_related("by").order_by("pk")}
    return Listed([Withdrawn(study, latest.get(study.pk)) for study in studies], found.count())


def patient_change(study: Study) -> Event | None:
    """The last time that somebody set or removed the patient of this study."""
    moves = (StudyStatus.ACTIVE, StudyStatus.WITHDRAWN)
    events = Event.objects.filter(kind="study", object_id=study.pk).exclude(new__in=moves)
    return events.select_related("by").order_by("-pk").first()
