"""Which patient a film is of, when its file does not say: a number that is hashed at once and kept nowhere."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from diagnosis import pseudonyms
from diagnosis.states import PatientOrigin


@dataclass(frozen=True)
class Reference:
    """The keyed hashes of a patient's number, and where it came from. A ZIP with the origin 'folder' names one for
    each of its folders.
    """

    key: str = ""
    record_hash: str = ""
    origin: str = ""

    @property
    def by_folder(self) -> bool:
        """Whether folder names inside a ZIP are patient numbers."""
        return self.origin == PatientOrigin.FOLDER


NOBODY = Reference()
FOLDERS = Reference(origin=PatientOrigin.FOLDER)


def reference(number: str, *, origin: str) -> Reference:
    """Hash a number. An empty or placeholder one names nobody (rule A5), wherever it came from."""
    # One name has two spellings in Unicode, and file systems differ in which they give.
    composed = unicodedata.normalize("NFC", number)
    key = pseudonyms.patient_key(issuer="", patient_id=composed)
    if key is None:
        return FOLDERS if origin == PatientOrigin.FOLDER else NOBODY
    return Reference(key, pseudonyms.record_hash(composed), origin)
