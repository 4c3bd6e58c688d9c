"""Whose film it is: what a film says of its patient, and whether that fits what is known (rule A5).

Only keyed hashes leave this module. A number that was typed goes through `key_of_typed` and `record_of_typed` in the
web process and waits in the Upload as these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.urls import reverse

from diagnosis import pseudonyms, texts
from diagnosis.models import IdentityConflict, Patient, Study, Upload
from diagnosis.services import notices
from diagnosis.states import PatientOrigin

if TYPE_CHECKING:
    from ml.film import DicomFacts

SEXES = ("M", "F", "O")


class TwoPatientsError(Exception):
    """The file names one patient, whoever sent it another."""


@dataclass(frozen=True)
class Claim:
    """The patient that a film is said to show; `key` is empty if nobody says."""

    key: str = ""
    record_hash: str = ""
    origin: str = ""
    sex: str = ""
    birth_hash: str = ""

    def is_of(self, key: str, record_hash: str) -> bool:
        """Whether this is the patient of that key. A number without issuer is the same number with one."""
        if self.key == key:
            return True
        without_issuer = self.record_hash in (self.key, key)
        return bool(self.record_hash) and self.record_hash == record_hash and without_issuer


def key_of_typed(number: str, *, issuer: str = "") -> str:
    """The key of a patient whose number was typed, or read from a table or a folder's name. Empty for a placeholder."""
    return pseudonyms.patient_key(issuer=issuer, patient_id=number) or ""


def record_of_typed(number: str) -> str:
    """What finds studies by this number, whoever issued it. Empty for a placeholder."""
    return pseudonyms.record_hash(number)


def sex_of(text: str) -> str:
    """M, F or O; empty for everything else that headers say."""
    letter = text[:1].upper()
    return letter if letter in SEXES else ""


def claim_of(upload: Upload, facts: DicomFacts | None) -> Claim:
    """The patient that the file names, else the one that was named beside it. Raises TwoPatientsError."""
    typed = Claim(upload.patient_key, upload.record_hash, upload.patient_origin)
    key = pseudonyms.patient_key(issuer=facts.issuer, patient_id=facts.patient_id) if facts else None
    if facts is None or key is None:
        return typed
    header = Claim(
        key,
        pseudonyms.record_hash(facts.patient_id),
        PatientOrigin.HEADER,
        sex_of(facts.sex),
        pseudonyms.birth_hash(facts.birth_date),
    )
    if typed.key and not header.is_of(typed.key, typed.record_hash):
        raise TwoPatientsError
    return header


def patient_of(claim: Claim) -> Patient | None:
    """The patient of this key, made if need be; what is first stated of sex and birth is kept. In a transaction."""
    if not claim.key:
        return None
    stated = {
        "pseudonym": pseudonyms.pseudonym_of(claim.key),
        "sex": claim.sex,
        "birth_hash": claim.birth_hash,
    }
    found, is_new = Patient.objects.get_or_create(key=claim.key, defaults=stated)
    if is_new:
        return found
    # Locked, so that of two films that state different sexes at the same moment the second one sees the first.
    patient = Patient.objects.select_for_update().get(pk=found.pk)
    if not differences(patient, claim):
        patient.sex = patient.sex or claim.sex
        patient.birth_hash = patient.birth_hash or claim.birth_hash
        patient.save(update_fields=["sex", "birth_hash"])
    return patient


def differences(patient: Patient, claim: Claim) -> str:
    """What both state and state differently: '', 'sex', 'birth date' or 'sex and birth date'."""
    found = [
        name
        for name, known, said in (
            ("sex", patient.sex, claim.sex),
            ("birth date", patient.birth_hash, claim.birth_hash),
        )
        if known and said and known != said
    ]
    return " and ".join(found)


def list_conflict(study: Study, patient: Patient, differs_in: str) -> None:
    """The study stays without a patient until an administrator decides."""
    IdentityConflict.objects.create(study=study, patient=patient, differs_in=differs_in)
    words = texts.CONFLICT_NOTICE.format(number=study.number, differs_in=differs_in)
    notices.tell(notices.administrators(), "conflict", words, address=reverse("study", args=[study.pk]))
