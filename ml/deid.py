"""De-identification by an allow-list (PS3.15 Annex E): what `deid.csv` does not name does not come along.

Text is kept only where its row's pattern leaves no room for a name: coded words, dates, numbers within their range.
Two could still be typed into: Manufacturer (words of makers' names only) and Manufacturer's Model Name (a pattern,
and no word that names somebody elsewhere in the same header). What remains is a name in the model's place that the
header has nowhere else, which no device writes.
"""

import csv
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

Value = str | float | list["Value"] | dict[str, "Value"]
Attributes = dict[str, Value]

TABLE = Path(__file__).with_name("deid.csv")
# CID 7050. Clean Pixel Data is not among them: text in the pixels is suspected and cleared, never painted over.
BASIC_PROFILE, FULL_DATES, PATIENT_CHARACTERISTICS = "113100", "113106", "113108"
METHODS = {
    BASIC_PROFILE: "Basic Application Confidentiality Profile",
    FULL_DATES: "Retain Longitudinal Temporal Information Full Dates Option",
    PATIENT_CHARACTERISTICS: "Retain Patient Characteristics Option",
}
_NUMBERS = {"DS": float, "IS": int, "US": int, "SS": int}
_ONLY_INSIDE = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
_FREE_TEXT = ("ManufacturerModelName",)
# Whoever a header names beside the patient: these, and every attribute that is a person's name (PN).
_NAMING = (
    "PatientID", "OtherPatientIDs", "AccessionNumber", "StudyID", "PatientBirthDate", "PatientAddress",
    "InstitutionName", "InstitutionalDepartmentName", "StationName", "DeviceSerialNumber",
)  # fmt: skip
_MARKS = {"DA": ".", "TM": ":"}
_LONGEST = 64
_NESTED = 8  # deeper data sets are not read, and so not kept


@dataclass(frozen=True)
class Rule:
    """One row of the allow-list: an attribute, the values that it may have, and the option that lets it stay."""

    keyword: str
    tag: str
    vr: str
    values: str
    n: str
    option: str
    reason: str


@cache
def rules() -> dict[str, Rule]:
    """The allow-list by keyword."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        return {row["keyword"]: Rule(**row) for row in csv.DictReader(file)}


def allowed(ds: Dataset) -> Attributes:
    """What may be kept of a header, as JSON values by keyword; whatever else it says is left behind."""
    kept = _kept(ds, [rule for rule in rules().values() if rule.keyword not in _ONLY_INSIDE])
    if any(keyword in kept for keyword in _FREE_TEXT):
        names = set(_naming_words(ds, depth=0))
        for keyword in _FREE_TEXT:
            if names & set(_words(kept.get(keyword, ""))):
                del kept[keyword]
    return kept


def methods_of(attributes: Mapping[str, Any]) -> list[str]:
    """Codes of CID 7050 for what was done: the basic profile, and each option that some kept attribute needs."""
    options = {rule.option for keyword, rule in rules().items() if keyword in attributes and rule.option}
    return [BASIC_PROFILE, *sorted(options)]


def window_name(name: str) -> str:
    """The name of a window if it is made of words that windows have, else empty."""
    return _coded(rules()["WindowCenterWidthExplanation"])(name) or ""


# --- values ---


def _kept(ds: Dataset, allowed_rules: list[Rule]) -> Attributes:
    values = {rule.keyword: _value(ds, rule) for rule in allowed_rules}
    return {keyword: value for keyword, value in values.items() if value is not None}


def _value(ds: Dataset, rule: Rule) -> Value | None:
    """The attribute's value, or None where it is missing, damaged or not what its row allows."""
    try:
        found = ds[rule.keyword].value if rule.keyword in ds else None
    except Exception:  # pydicom raises almost anything on damaged values
        return None
    if rule.vr == "SQ":
        return _items(found)
    several = list(found) if isinstance(found, MultiValue | list) else [found]
    fewest, most = _ends(rule.n)
    if not fewest <= len(several) <= most:
        return None
    read = _numeric(rule) if rule.vr in _NUMBERS else _coded(rule)
    checked = [read(one) for one in several]
    if any(one is None for one in checked):
        return None
    kept: list[Value] = [one for one in checked if one is not None]
    return kept if len(kept) > 1 else kept[0]


def _items(found: Any) -> Value | None:
    """Items whole or not at all: one attribute that is not allowed takes its sequence with it."""
    if not isinstance(found, Sequence) or not found:
        return None
    inner = [rules()[keyword] for keyword in _ONLY_INSIDE]
    items: list[Value] = []
    for item in found:
        kept = _kept(item, inner)
        if len(kept) != len(item) or len(kept) != len(inner):
            return None
        items.append(dict(kept))
    return items


def _coded(rule: Rule) -> Callable[[Any], str | None]:
    pattern = re.compile(rule.values, re.ASCII)

    def read(value: Any) -> str | None:
        text = value.strip(" \0") if isinstance(value, str) else ""
        if not text or len(text) > _LONGEST or not pattern.fullmatch(text):
            return None
        # Older senders write 1993.02.24 and 17:58:00: the same wall clock without its marks.
        return str(text).replace(_MARKS.get(rule.vr, "\0"), "")

    return read


def _numeric(rule: Rule) -> Callable[[Any], float | None]:
    low, high = _ends(rule.values)

    def read(value: Any) -> float | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        number = _NUMBERS[rule.vr](value) if math.isfinite(value) else math.nan
        return number if number == value and low <= number <= high else None

    return read


def _ends(span: str) -> tuple[float, float]:
    low, high = span.split("..")
    return float(low), float(high)


# --- names elsewhere in the header ---


def _naming_words(ds: Dataset, *, depth: int) -> Iterator[str]:
    for tag in list(ds.keys()):
        try:
            element = ds[tag]
            if element.VR == "SQ" and depth < _NESTED:
                for item in element.value:
                    yield from _naming_words(item, depth=depth + 1)
            elif element.VR == "PN" or tag in _naming_tags():
                yield from _words(str(element.value))
        except Exception:  # a value that cannot be read names nobody that could be repeated
            continue


@cache
def _naming_tags() -> frozenset[BaseTag]:
    return frozenset(BaseTag(tag_for_keyword(keyword) or 0) for keyword in _NAMING)


def _words(text: Any) -> list[str]:
    """Words and numbers of three characters and more: fewer would be met by chance."""
    return [word for word in re.split(r"[\W_]+", str(text).upper()) if len(word) >= 3]
