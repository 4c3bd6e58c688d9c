"""Where a film hangs: in the study of its UID, team and patient, whatever order the films come in (rule A10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from diagnosis import pseudonyms
from diagnosis.models import Instance, Patient, Series, Study, Upload
from diagnosis.services import patients, worklist
from diagnosis.states import StudyStatus

if TYPE_CHECKING:
    from ml.film import DicomFacts


@dataclass(frozen=True)
class Place:
    """The series that a film hangs in, and what whoever sent it is told about that."""

    series: Series
    is_conflict: bool = False

    @property
    def study(self) -> Study:
        return self.series.study


def place_for(upload: Upload, facts: DicomFacts | None, claim: patients.Claim) -> Place:
    """Find or make patient, study and series. In a transaction, whose end frees the study's row for the next film."""
    patient = patients.patient_of(claim)
    differs_in = patients.differences(patient, claim) if patient else ""
    hashed = study_hash(facts, claim, is_conflict=bool(differs_in), is_demo=upload.is_demo)
    study = _known(upload, hashed)
    if study is None:
        try:
            with transaction.atomic():
                study = _new(upload, facts, claim, hashed, patient=None if differs_in else patient)
        except IntegrityError:  # another film of this study was faster
            study = _known(upload, hashed)
            if study is None:
                raise
        else:
            if patient and differs_in:
                patients.list_conflict(study, patient, differs_in)
            worklist.enter(study)
    _complete(study, facts)
    return Place(_series(study, facts), is_conflict=bool(differs_in) and study.patient is None)


def uid_hash(kind: str, uid: str) -> str:
    return pseudonyms.keyed_hash(kind, uid) if uid else ""


def study_hash(
    facts: DicomFacts | None, claim: patients.Claim, *, is_conflict: bool, is_demo: bool = False
) -> str:
    """The patient is part of what is hashed, so that one UID under two patients never joins their films.

    Films in conflict with their patient hang together, not with those that are linked; synthetic films by themselves.
    """
    if facts is None or not facts.study_uid:
        return ""
    apart = f"\0{claim.sex}\0{claim.birth_hash}" if is_conflict else ""
    apart += "\0synthetic" if is_demo else ""
    return uid_hash("study", f"{facts.study_uid}\0{claim.key}{apart}")


def _known(upload: Upload, hashed: str) -> Study | None:
    if not hashed:
        return None
    same = Study.objects.filter(team=upload.batch.team, uid_hash=hashed, status=StudyStatus.ACTIVE)
    return same.select_for_update().first()


def _new(
    upload: Upload, facts: DicomFacts | None, claim: patients.Claim, hashed: str, *, patient: Patient | None
) -> Study:
    return Study.objects.create(
        team=upload.batch.team,
        patient=patient,
        patient_origin=claim.origin if claim.key else "",
        record_hash=claim.record_hash,
        uid_hash=hashed,
        uploaded_by=upload.batch.by,
        is_demo=upload.is_demo,
        **as_sent(facts),
    )


def as_sent(facts: DicomFacts | None) -> dict[str, str | int | None]:
    """What a study keeps of its first film's header."""
    if facts is None:
        return {}
    return {
        "accession_hash": pseudonyms.accession_hash(facts.accession),
        "sex": patients.sex_of(facts.sex),
        "age_years": facts.age_years,
        "acquired_date": (facts.acquisition_date or facts.study_date)[:8],
        "acquired_time": (facts.acquisition_time if facts.acquisition_date else facts.study_time)[:16],
    }


def _complete(study: Study, facts: DicomFacts | None) -> None:
    """The first film of a study may lack the number that a later one brings."""
    if facts and not study.accession_hash and (hashed := pseudonyms.accession_hash(facts.accession)):
        study.accession_hash = hashed
        study.save(update_fields=["accession_hash"])


def _series(study: Study, facts: DicomFacts | None) -> Series:
    hashed = uid_hash("series", facts.series_uid if facts else "")
    known = study.series.filter(uid_hash=hashed).first() if hashed else None
    return known or Series.objects.create(
        study=study, uid_hash=hashed, modality=facts.modality[:4] if facts else ""
    )


def is_changed(instance: Instance) -> bool:
    """Whether its study already has other pixels under its SOP Instance UID: a corrected picture, or a worse copy."""
    same = Instance.objects.filter(series__study=instance.series.study_id, uid_hash=instance.uid_hash)
    return bool(instance.uid_hash) and same.exclude(pixel_sha256=instance.pixel_sha256).exists()
