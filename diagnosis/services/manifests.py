"""The table of an import: one line a film, checked before any film is opened."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from django.utils.text import slugify

from diagnosis import texts
from diagnosis.states import Label, choices

NEEDED = ("file", "label")
# The first of these that the manifest has names the source; the other its full name.
NAMES_SOURCE = ("source_slug", "source")
OLDEST = 120
LABELS = {value for value, _ in choices(Label)}
SEXES = {
    "": "",
    "UNKNOWN": "",
    "U": "",
    "M": "M",
    "MALE": "M",
    "F": "F",
    "FEMALE": "F",
    "O": "O",
    "OTHER": "O",
}
NO_VIEW = {"", "UNKNOWN", "NONE", "NA"}
# How many films a source must have before 'never two of one patient' is worth a question.
WORTH_ASKING = 20


class ManifestError(Exception):
    """The table cannot be used at all; `str()` says what is missing and where."""


class RowError(ValueError):
    """One line that cannot be imported; `str()` is the reason."""


@dataclass(frozen=True)
class Row:
    """One film as its line describes it; empty means not stated."""

    line: int
    file: str
    label: str
    source: str
    source_name: str
    patient_id: str = ""
    view: str = ""
    age_years: int | None = None
    sex: str = ""


@dataclass(frozen=True)
class BadRow:
    line: int
    file: str
    reason: str


@dataclass
class Manifest:
    rows: list[Row] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows) + len(self.bad)


def read(path: Path, *, source: str = "", without_patients: frozenset[str] = frozenset()) -> Manifest:
    """All lines of a manifest, good and bad. Raises ManifestError if it is no such table.

    `source` is the source of every film, whatever the columns say. In the sources of `without_patients` the column
    patient_id names films and no patients.
    """
    lines = _lines(path)
    columns = _columns(next(lines, (1, []))[1], has_source=bool(source))
    manifest = Manifest()
    seen: dict[str, int] = {}
    for number, cells in lines:
        found = dict(zip(columns, cells, strict=False))
        try:
            if len(cells) != len(columns):
                raise RowError(texts.ROW_LENGTH.format(n=len(cells), columns=len(columns)))
            row = _row(number, found, source=source, without_patients=without_patients)
            if seen.setdefault(row.file, number) != number:
                raise RowError(texts.ROW_TWICE.format(line=seen[row.file]))
            manifest.rows.append(row)
        except RowError as error:
            manifest.bad.append(BadRow(number, found.get("file", ""), str(error)))
    if not len(manifest):
        raise ManifestError(texts.MANIFEST_EMPTY)
    return manifest


def sources_without_repeats(manifest: Manifest) -> dict[str, int]:
    """Sources in which every film has a patient of its own, with their number of films: perhaps no patients at all."""
    patients: dict[str, list[str]] = {}
    for row in manifest.rows:
        if row.patient_id:
            patients.setdefault(row.source, []).append(row.patient_id)
    return {source: len(ids) for source, ids in patients.items() if len(ids) == len(set(ids)) >= WORTH_ASKING}


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The number of the first line of each record, and its cells; empty lines are left out."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=_delimiter(head), strict=True)
            number = 1
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield number, [cell.strip() for cell in cells]
                number = reader.line_num + 1
    except UnicodeDecodeError:
        raise ManifestError(texts.MANIFEST_NOT_UTF8) from None
    except csv.Error as error:
        raise ManifestError(texts.MANIFEST_NO_CSV.format(line=reader.line_num, reason=error)) from None
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror}.") from None


def _delimiter(head: str) -> str:
    """Spreadsheets of other countries write semicolons or tabs."""
    return max(",;\t", key=head.count)


def _columns(cells: list[str], *, has_source: bool) -> list[str]:
    columns = [cell.lower() for cell in cells]
    missing = [name for name in NEEDED if name not in columns]
    if not has_source and not set(NAMES_SOURCE) & set(columns):
        missing.append("source_slug")
    if missing:
        has = ", ".join(columns) or "no columns"
        option = texts.OR_OPTION_SOURCE if "source_slug" in missing else ""
        raise ManifestError(texts.MANIFEST_LACKS.format(missing=", ".join(missing), has=has, option=option))
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise ManifestError(texts.MANIFEST_TWICE.format(twice=", ".join(twice)))
    return columns


def _row(line: int, cells: dict[str, str], *, source: str, without_patients: frozenset[str]) -> Row:
    stated = [cells[name] for name in NAMES_SOURCE if cells.get(name)]
    slug = slugify(source or (stated[0] if stated else ""))[:60]
    if not slug:
        raise RowError(texts.ROW_NO_SOURCE)
    return Row(
        line=line,
        file=_file(cells["file"]),
        label=_label(cells["label"]),
        source=slug,
        source_name=(source or stated[-1])[:120],
        patient_id="" if slug in without_patients else cells.get("patient_id", ""),
        view=_view(cells.get("view", "")),
        age_years=_age(cells.get("age_years", "")),
        sex=_sex(cells.get("sex", "")),
    )


def _file(name: str) -> str:
    """A path below the folder of images, whatever system wrote the table."""
    path = PurePosixPath(name.replace("\\", "/"))
    if not name or not path.name:
        raise RowError(texts.ROW_NO_FILE)
    if path.is_absolute() or ".." in path.parts or re.match("[A-Za-z]:", name) or "\0" in name:
        raise RowError(texts.ROW_OUTSIDE)
    return str(path)


def _label(word: str) -> str:
    if word and word.lower() not in LABELS:
        raise RowError(texts.ROW_LABEL.format(word=word[:40], labels=", ".join(sorted(LABELS))))
    return word.lower()


def _view(word: str) -> str:
    return "" if word.upper() in NO_VIEW else word[:16]


def _age(word: str) -> int | None:
    if not word:
        return None
    if not re.fullmatch(r"\d{1,3}(\.0+)?", word) or int(float(word)) > OLDEST:
        raise RowError(texts.ROW_AGE.format(word=word[:40], oldest=OLDEST))
    return int(float(word))


def _sex(word: str) -> str:
    try:
        return SEXES[word.upper()]
    except KeyError:
        raise RowError(texts.ROW_SEX.format(word=word[:40])) from None
