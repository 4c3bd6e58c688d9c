"""Patients are known by keyed hashes (rules A5, A8)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diagnosis import pseudonyms


def key(patient_id: str, issuer: str = "HOSP") -> str | None:
    return pseudonyms.patient_key(issuer=issuer, patient_id=patient_id)


def test_the_same_number_in_another_spelling_is_the_same_patient():
    assert key("ab-12 34") == key("AB1234") == key(" ab1234 ")


def test_another_issuer_is_another_patient():
    assert key("AB1234", "HOSP") != key("AB1234", "OTHER")


@pytest.mark.parametrize("placeholder", ["", "0", "000", "unknown", "Anon", "TEST", "n/a", " - "])
def test_a_placeholder_names_nobody(placeholder):
    assert key(placeholder) is None


def test_another_key_of_the_house_gives_other_pseudonyms(settings):
    before = key("AB1234")
    settings.PSEUDONYM_KEY = "rotated"
    assert key("AB1234") != before


def test_the_number_itself_is_not_in_the_key():
    assert "AB1234" not in (key("AB1234") or "").upper()


@given(st.integers(0, 16**64 - 1))
def test_a_pseudonym_is_two_groups_and_a_check_character(number):
    assert re.fullmatch(
        r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-Z*~$=]", pseudonyms.pseudonym_of(f"{number:064x}")
    )


@given(st.integers(0, 16**64 - 1), st.integers(0, 7), st.integers(1, 31))
def test_one_wrong_character_is_noticed(number, place, shift):
    name = pseudonyms.pseudonym_of(f"{number:064x}").replace("-", "")
    digits = [pseudonyms.ALPHABET.index(character) for character in name[:8]]
    digits[place] = (digits[place] + shift) % 32
    value = sum(digit * 32 ** (7 - position) for position, digit in enumerate(digits))
    assert pseudonyms.CHECK_ALPHABET[value % 37] != name[8]
