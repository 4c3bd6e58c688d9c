"""Films that are here already (rule A6): same bytes or same pixels, over all teams, are stored once.

Nobody learns of a study that they may not open; the same pixels under another patient are never merged. Synthetic films
are compared with nothing (rule E6), and films of withdrawn studies are not known any more.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet
from django.urls import reverse

from diagnosis import access, texts
from diagnosis.models import Instance, Notice, Study, Upload
from diagnosis.services import notices, patients
from diagnosis.states import NoticeKind, PatientOrigin, StudyStatus, UploadStatus


@dataclass(frozen=True)
class Verdict:
    """How an upload of a film that is known ends; `instance` is kept with it."""

    status: str
    code: str
    sentence: str
    instance: Instance | None = None


def of_bytes(upload: Upload) -> Verdict | None:
    """The answer for a file that was received before, so that it need not be opened again; None if it must be.

    It must be when its patient is not for certain the one it was stored under: when either was named beside the file,
    or the study was moved since.
    """
    if upload.is_demo or upload.patient_key:
        return None
    same = _known().filter(sha256=upload.sha256, series__study__patient_origin__in=("", PatientOrigin.HEADER))
    known = same.order_by("created_at").first()
    return _here(upload, known, lacks_patient=False) if known else None


def of_pixels(upload: Upload, pixel_sha256: str, claim: patients.Claim) -> Verdict | None:
    """The answer for a film whose grey levels are known; None for a new one."""
    if upload.is_demo:
        return None
    known = _known().filter(pixels_once=pixel_sha256).first()
    if known is None:
        return None
    if not claim.key:
        return _here(upload, known, lacks_patient=False)
    owner = _owner(known.series.study)
    if owner and not claim.is_of(*owner):
        return _stopped(known)
    return _here(upload, known, lacks_patient=owner is None)


def tell_of_stopped(upload: Upload) -> None:
    """Whoever sent it must know; administrators settle whose film it is. Many films are one notice until it is read."""
    _tell_sender(upload)
    address = reverse("identity")
    told = Notice.objects.filter(kind=NoticeKind.UPLOAD_STOPPED, address=address, read_at=None).values_list(
        "user", flat=True
    )
    untold = [user for user in notices.administrators() if user.pk not in set(told)]
    notices.tell(untold, NoticeKind.UPLOAD_STOPPED, texts.STOPPED_NOTICE, address=address)


def _tell_sender(upload: Upload) -> None:
    sender, address = upload.batch.by, reverse("batch", args=[upload.batch_id])
    words = texts.upload_stopped(upload.batch.uploads.filter(status=UploadStatus.STOPPED).count())
    unread = Notice.objects.filter(user=sender, kind=NoticeKind.UPLOAD_STOPPED, address=address, read_at=None)
    if not unread.update(text=words):
        notices.tell([sender], NoticeKind.UPLOAD_STOPPED, words, address=address)


def _known() -> QuerySet[Instance]:
    films = Instance.objects.filter(series__study__status=StudyStatus.ACTIVE, series__study__is_demo=False)
    return films.select_related("series__study__patient", "series__study__conflict__patient")


def _owner(study: Study) -> tuple[str, str] | None:
    """Key and record hash of the patient that a study shows, or that it claims in a conflict."""
    conflict = getattr(study, "conflict", None)
    patient = study.patient or (conflict.patient if conflict else None)
    return (patient.key, study.record_hash) if patient else None


def _here(upload: Upload, known: Instance, *, lacks_patient: bool) -> Verdict:
    if not access.studies_of(upload.batch.by).filter(pk=known.series.study_id).exists():
        return Verdict(UploadStatus.DUPLICATE, "duplicate_elsewhere", texts.STORED_ELSEWHERE)
    if lacks_patient:
        return Verdict(UploadStatus.DUPLICATE, "duplicate_no_patient", texts.ALREADY_HERE_NO_PATIENT, known)
    return Verdict(UploadStatus.DUPLICATE, "duplicate", texts.ALREADY_HERE, known)


def _stopped(known: Instance) -> Verdict:
    return Verdict(UploadStatus.STOPPED, "stopped_other_patient", texts.STOPPED_OTHER_PATIENT, known)
