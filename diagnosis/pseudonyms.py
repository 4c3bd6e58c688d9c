"""Keyed hashes in place of what names a patient (rules A5, A8)."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime

from django.conf import settings

# Crockford's base 32: no I, L, O or U, so that a pseudonym read aloud or copied by hand stays itself.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CHECK_ALPHABET = ALPHABET + "*~$=U"
LENGTH = 8
EARLIEST_BIRTH = 1900  # machines write 1 January 1900 and earlier when nobody entered a date


def keyed_hash(kind: str, value: str) -> str:
    """64 hex digits; the same value of another kind has another hash."""
    message = f"{kind}\0{value}".encode()
    return hmac.new(settings.PSEUDONYM_KEY.encode(), message, hashlib.sha256).hexdigest()


def normalised(patient_id: str) -> str:
    """Case, blanks and punctuation do not make another patient."""
    return "".join(character for character in patient_id.upper() if character.isalnum())


def patient_key(*, issuer: str, patient_id: str) -> str | None:
    """The key of a patient, or None for an empty or placeholder ID: such films belong to nobody (rule A5)."""
    number = normalised(patient_id)
    if _names_nobody(number):
        return None
    return keyed_hash("patient", f"{normalised(issuer)}\0{number}")


def record_hash(number: str) -> str:
    """The key of a patient's number without its issuer: what *check patient* compares. Empty for a placeholder."""
    return patient_key(issuer="", patient_id=number) or ""


def accession_hash(number: str) -> str:
    """Finds a study by its accession number. Empty for a placeholder."""
    return "" if _names_nobody(normalised(number)) else keyed_hash("accession", normalised(number))


def birth_hash(birth_date: str) -> str:
    """Tells two birth dates apart ('19500131', '1950.01.31'). Empty for what is no date of somebody alive."""
    digits = "".join(character for character in birth_date if character.isdecimal())
    try:
        born = datetime.strptime(digits, "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return ""
    return keyed_hash("birth", f"{born:%Y%m%d}") if born.year > EARLIEST_BIRTH else ""


def _names_nobody(number: str) -> bool:
    placeholders = {normalised(placeholder) for placeholder in settings.PLACEHOLDER_PATIENT_IDS}
    return not number.strip("0") or number in placeholders


def pseudonym_of(key: str) -> str:
    """Two groups of four and a check character, 'K7QM-2X9D-5' (Crockford's modulo 37)."""
    number = int(key, 16) % 32**LENGTH
    check = CHECK_ALPHABET[number % 37]
    digits = ""
    for _ in range(LENGTH):
        number, digit = divmod(number, 32)
        digits = ALPHABET[digit] + digits
    return f"{digits[:4]}-{digits[4:]}-{check}"
