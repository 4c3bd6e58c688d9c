"""Readers' agreement to take along: every number with its interval, what it rests on, and what it means.

Readers are R-nn, whoever takes it along (rule D14). Each taking is recorded (rule E8).
"""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.conf import settings
from django.utils import timezone

from diagnosis import selectors
from diagnosis.models import Event, User
from diagnosis.selectors import Extent
from diagnosis.services import agreement_page
from diagnosis.services.agreement import Numbers
from diagnosis.services.exports import harmless, stamp
from diagnosis.services.scales import SCALES
from diagnosis.texts import agreement as words

FORMAT = 1
COLUMNS = (
    "part", "scale", "since", "reader", "other", "statistic", "value", "low", "high", "n", "why", "definition",
)  # fmt: skip
Line = tuple[Any, ...]


def as_json(numbers: Numbers, extent: Extent) -> str:
    names = _numbers_of_readers(numbers)
    document = {
        "format": FORMAT,
        "site": settings.SITE_NAME,
        "version": settings.VERSION,
        "made_at": stamp(timezone.now()),
        "cohort": extent.cohort.name if extent.cohort else None,
        "read_since": stamp(extent.since) if extent.since else None,
        "read_before": stamp(extent.until) if extent.until else None,
        "counted": words.COUNTED,
        "intervals": words.INTERVALS,
        "scales": {
            name: {"definition": words.SCALES[name][1], "categories": list(scale.categories)}
            for name, scale in SCALES.items()
        },
        "statistics": {name: about for name, (_, about) in words.STATISTICS.items()},
        "reasons": words.WHY,
        "numbers": _with_names(numbers, names),
    }
    return json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def as_csv(numbers: Numbers, extent: Extent) -> str:
    """One line a statistic. The extent is in the file's first line of numbers, its cohort's name in column `other`."""
    names = _numbers_of_readers(numbers)
    text = io.StringIO()
    out = csv.writer(text)
    out.writerow(COLUMNS)
    for line in (*_extent(extent), *_lines(numbers, names)):
        out.writerow(["" if value is None else harmless(value) for value in line])
    return text.getvalue()


WRITERS = {"csv": as_csv, "json": as_json}


def record(what: str, extent: Extent, *, by: User) -> None:
    """Who took what along, and of which cohort and time (rule E8)."""
    asked = {"cohort": extent.cohort, "since": extent.since, "until": extent.until}
    reason = ", ".join(f"{name}={value}" for name, value in asked.items() if value)
    Event.objects.create(
        kind="agreement export", object_id=uuid.uuid4(), old="", new=what, by=by, reason=reason or "all"
    )


# --- readers ---


def _numbers_of_readers(numbers: Numbers) -> dict[int, str]:
    found = selectors.readers_by_pk(list(agreement_page.readers_in(numbers)))
    return {pk: reader.reader_name for pk, reader in found.items()}


def _with_names(value: Any, names: Mapping[int, str]) -> Any:
    """The same numbers, with R-nn in place of keys."""
    if isinstance(value, list):
        return [_with_names(one, names) for one in value]
    if not isinstance(value, dict):
        return value
    changed = {key: _with_names(one, names) for key, one in value.items()}
    if "reader" in value:
        changed["reader"] = names.get(value["reader"])
    if "readers" in value and "table" in value:
        changed["readers"] = [names[reader] for reader in value["readers"]]
    return changed


# --- lines ---


def _extent(extent: Extent) -> Iterator[Line]:
    since = stamp(extent.since) if extent.since else ""
    until = stamp(extent.until) if extent.until else ""
    cohort = extent.cohort.name if extent.cohort else words.ALL_COHORTS
    yield "extent", "", since, "", cohort, "read before", until, None, None, None, "", words.COUNTED


def _lines(numbers: Numbers, names: Mapping[int, str]) -> Iterator[Line]:
    for scale, found in numbers["scales"].items():
        yield from _of("all readers", scale, found["overall"])
        for pair in found["pairs"]:
            yield from _of("pair", scale, pair, readers=[names[reader] for reader in pair["readers"]])
        for part in found["periods"]:
            yield from _of(f"each {numbers['unit']}", scale, part, since=part["since"])
    for pair in numbers["indices"]:
        yield from _of("pair", "COVID-19 or not", pair, readers=[names[reader] for reader in pair["readers"]])
    for row in numbers["ai"]["rows"]:
        yield from _of("reader and AI, random sample", "classes", row, readers=[_name(row, names), "AI"])
    for scale, rows in numbers["repeats"]["rows"].items():
        for row in rows:
            yield from _of("hidden repeats", scale, row, readers=[_name(row, names), "the same reader"])
    for row in numbers["readers"]:
        yield from _of_reader(row, names)


def _name(row: Numbers, names: Mapping[int, str]) -> str:
    return names[row["reader"]] if row["reader"] else "all readers"


def _of(
    part: str, scale: str, row: Numbers, *, readers: Iterable[str] = ("", ""), since: str = ""
) -> Iterator[Line]:
    for name, of in row["statistics"].items():
        values = (of["value"], of["low"], of["high"], of["n"], of["why"])
        yield part, scale, since, *readers, name, *values, words.STATISTICS[name][1]


def _of_reader(row: Numbers, names: Mapping[int, str]) -> Iterator[Line]:
    n = row["n_reads"]
    about = words.READER_LINES
    head = ("reader", "", "", names[row["reader"]], "")
    yield *head, "reads", n, None, None, n, "", about["reads"]
    yield *head, "median_ms", row["median_ms"], None, None, row["n_timed"], "", about["median_ms"]
    for answer, k in row["answers"].items():
        yield *head, f"share of {answer}", k / n, None, None, n, "", about["share"]
