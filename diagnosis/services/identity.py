"""Whose study it is, in the hands of people: numbers checked and found, patients set, conflicts decided (A5, A7, A9).

A number that somebody types is hashed here and forgotten: no row, log, event or address ever holds it.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from diagnosis import pseudonyms, selectors, texts
from diagnosis.models import Event, IdentityConflict, Patient, Study, User
from diagnosis.services import limits, notices
from diagnosis.states import Check, ConflictStatus, NoticeKind, PatientOrigin, StudyStatus

NOBODY = "no patient"


class NotMovedError(Exception):
    """The patient was not changed; the sentence says why and what to do."""


class OtherPersonError(NotMovedError):
    """Sex or birth date speak against that patient; an administrator may insist."""


@dataclass(frozen=True)
class Number:
    """What somebody typed: a record or accession number and, if they know it, who issued it."""

    text: str
    issuer: str = ""

    @property
    def key(self) -> str:
        """The key of the patient with this number; empty for a placeholder."""
        return pseudonyms.patient_key(issuer=self.issuer, patient_id=self.text) or ""

    @property
    def record_hash(self) -> str:
        return pseudonyms.record_hash(self.text)

    @property
    def accession_hash(self) -> str:
        return pseudonyms.accession_hash(self.text)


# --- checking and finding ---


def check(study: Study, number: Number, *, by: User) -> str:
    """Compare a number with one study: one of states.Check. Raises LimitReachedError; the audit keeps the answer."""
    _count(by)
    outcome = _compared(study, number)
    Event.objects.create(kind="patient check", object_id=study.pk, old="", new=outcome, by=by)
    return outcome


def find(number: Number, *, by: User) -> list[Study]:
    """The studies with exactly this record or accession number that the user may open, newest first."""
    _count(by)
    found = selectors.studies_with(
        by, key=number.key, record_hash=number.record_hash, accession_hash=number.accession_hash
    )
    names = ", ".join(study.number for study in found)
    Event.objects.create(
        kind="number search", object_id=uuid.uuid4(), old="", new=f"{len(found)} found", by=by, reason=names
    )
    return found


def _count(user: User) -> None:
    limits.take(user, "numbers", most=settings.NUMBERS_A_MINUTE, per=timedelta(minutes=1))


def _compared(study: Study, number: Number) -> str:
    if not number.key:
        return Check.PLACEHOLDER
    if not (study.patient or study.record_hash or study.accession_hash):
        return Check.NOTHING
    conflict = open_conflict(study)
    patient = study.patient or (conflict.patient if conflict else None)
    if (patient and number.key == patient.key) or (
        not number.issuer and number.record_hash == study.record_hash
    ):
        return Check.CONFLICT if conflict else Check.RECORD
    # An accession number has no issuer of patient numbers.
    if not number.issuer and number.accession_hash == study.accession_hash:
        return Check.ACCESSION
    return Check.NO_MATCH


def open_conflict(study: Study) -> IdentityConflict | None:
    """The conflict that keeps this study from its patient."""
    found = IdentityConflict.objects.filter(study=study, status=ConflictStatus.OPEN)
    return found.select_related("patient").first()


# --- another patient ---


def move(
    study: Study, number: Number, *, seen: str, by: User, reason: str, although: bool = False
) -> Patient:
    """Give a study to the patient with this number, who is made if need be. Raises NotMovedError, LimitReachedError.

    `seen`: the pseudonym that the study had when this was decided, empty for none. `although`: an administrator has
    made sure that it is the same person in spite of another sex or birth date.
    """
    # Counted for itself: a refusal, which says something of a patient, is not for nothing.
    _count(by)
    if not number.key:
        raise NotMovedError(texts.PLACEHOLDER_NUMBER)
    with transaction.atomic():
        return _move(_locked(study, seen), number, by=by, reason=reason, although=although)


@transaction.atomic
def remove_patient(study: Study, *, seen: str, by: User, reason: str) -> None:
    """Leave a study without a patient. Raises NotMovedError with its sentence."""
    study = _locked(study, seen)
    if study.patient is None:
        raise NotMovedError(texts.NO_PATIENT_TO_REMOVE)
    _assign(study, None, record_hash="", origin=PatientOrigin.MOVED, by=by, reason=reason)


def _move(study: Study, number: Number, *, by: User, reason: str, although: bool) -> Patient:
    if study.patient and study.patient.key == number.key:
        raise NotMovedError(texts.ALREADY_THAT_PATIENT)
    _require_decided(study, by)
    known = Patient.objects.filter(key=number.key).first()
    if known:
        _require_same_person(study, known, by, although=although)
    patient = known or _new_patient(study, number)
    _settle_conflict(study, patient, by=by, reason=reason)
    origin = PatientOrigin.MOVED if study.patient or study.patient_origin else PatientOrigin.TYPED
    _assign(study, patient, record_hash=number.record_hash, origin=origin, by=by, reason=reason)
    return patient


def _locked(study: Study, seen: str) -> Study:
    """The row as it is now, kept from intake and from other people until the end of the transaction."""
    now = Study.objects.select_for_update().filter(pk=study.pk, status=StudyStatus.ACTIVE).first()
    if now is None or (now.patient.pseudonym if now.patient else "") != seen:
        raise NotMovedError(texts.CHANGED_MEANWHILE)
    return now


def _require_decided(study: Study, by: User) -> None:
    if open_conflict(study) and not by.is_administrator:
        raise NotMovedError(texts.CONFLICT_FIRST)


def _require_same_person(study: Study, patient: Patient, by: User, *, although: bool) -> None:
    differs_in = differences(study, patient)
    if not differs_in or (although and by.is_administrator):
        return
    advice = texts.CONFIRM_OTHER_PERSON if by.is_administrator else texts.ASK_ADMINISTRATOR
    raise OtherPersonError(texts.OTHER_PERSON.format(differs_in=differs_in) + advice)


def differences(study: Study, patient: Patient) -> str:
    """What speaks against this patient: '', 'sex', 'birth date' or 'sex and birth date'.

    A study keeps no birth date; that of the patient it belongs to stands for it, or what its conflict was about.
    """
    conflict = IdentityConflict.objects.filter(study=study, patient=patient).first()
    if conflict and conflict.status != ConflictStatus.LINKED:
        return conflict.differs_in
    born = study.patient.birth_hash if study.patient else ""
    pairs = (("sex", study.sex, patient.sex), ("birth date", born, patient.birth_hash))
    return " and ".join(name for name, one, other in pairs if one and other and one != other)


def _new_patient(study: Study, number: Number) -> Patient:
    """What a film states of its person is kept with its first number; after a move it may be another person's."""
    sex = study.sex if study.patient is None else ""
    defaults = {"pseudonym": pseudonyms.pseudonym_of(number.key), "sex": sex}
    return Patient.objects.get_or_create(key=number.key, defaults=defaults)[0]


def _settle_conflict(study: Study, patient: Patient, *, by: User, reason: str) -> None:
    """Whoever sets the patient has decided."""
    conflict = open_conflict(study)
    if conflict:
        decision = ConflictStatus.LINKED if patient == conflict.patient else ConflictStatus.APART
        conflict.move(ConflictStatus.OPEN, decision, by=by, reason=reason)


def _assign(
    study: Study, patient: Patient | None, *, record_hash: str, origin: str, by: User, reason: str
) -> None:
    """Change the patient, and forget what ties the study to the former one.

    Without its `uid_hash`, films of the same StudyInstanceUID that come later begin a study of their own, under the
    patient that their own header names: none of them lands under a patient whom it does not name. The accession number
    was that of the former patient's examination; a film that never had a patient keeps it.
    """
    former = study.patient
    study.patient, study.patient_origin = patient, origin
    study.record_hash, study.uid_hash = record_hash, ""
    study.accession_hash = "" if former else study.accession_hash
    study.save(update_fields=["patient", "patient_origin", "record_hash", "uid_hash", "accession_hash"])
    new = patient.pseudonym if patient else NOBODY
    Event.record(study, former.pseudonym if former else NOBODY, new, by=by, reason=reason)
    if study.uploaded_by != by:
        words = texts.MOVED_NOTICE.format(number=study.number)
        notices.tell(
            [study.uploaded_by], NoticeKind.STUDY_CORRECTED, words, address=reverse("study", args=[study.pk])
        )


# --- conflicts ---


@transaction.atomic
def decide(conflict: IdentityConflict, *, is_same: bool, by: User, reason: str) -> bool:
    """Link the study to the known patient, or keep it apart without one. False: somebody decided before.

    Final: what was linked can be moved again, what was kept apart can be given a number.
    """
    decision = ConflictStatus.LINKED if is_same else ConflictStatus.APART
    # The study first, as everywhere: two rows locked in different orders could wait for each other for ever.
    study = Study.objects.select_for_update().get(pk=conflict.study_id)
    if not conflict.move(ConflictStatus.OPEN, decision, by=by, reason=reason):
        return False
    if is_same:
        study.patient = conflict.patient
    else:
        # Its number is another person's: it must not answer to it.
        study.record_hash = ""
    study.save(update_fields=["patient", "record_hash"])
    if is_same:
        Event.record(study, NOBODY, conflict.patient.pseudonym, by=by, reason=reason)
    return True
