"""Which films are set against which: inside one source, and against ill patients, where the source helps least."""

from collections.abc import Callable, Mapping
from typing import Any

from ml.data import Record
from ml.folds import NIH, PRIMARY
from ml.scored import ScoredFilms

NOT_STATED = "not stated"
_AGES = ((40, "under 40"), (60, "40 to 59"), (200, "60 and over"))


def primary(films: ScoredFilms) -> ScoredFilms:
    """COVID-19 against other pneumonias within ieee8023."""
    return films.where(lambda record: record.source == PRIMARY)


def against_nih_pneumonia(films: ScoredFilms) -> dict[str, dict[str, Any]]:
    """COVID-19 of each source against NIH's films with pneumonia; {} where there are none."""
    reports = {}
    for source in sorted({record.source for record in films.records if record.label}):
        pair = films.where(lambda r, s=source: (r.label and r.source == s) or _is_nih_pneumonia(r))  # type: ignore[misc]
        if pair.has_both_classes():
            reports[source] = pair.report()
    return reports


def _is_nih_pneumonia(record: Record) -> bool:
    return record.source == NIH and record.finding == "Pneumonia" and not record.label


def nih(films: ScoredFilms) -> dict[str, dict[str, dict[str, Any]]]:
    """NIH's films, none of which is COVID-19, by finding, view, age and sex; {} where there are none."""
    ours = films.where(lambda record: record.source == NIH and not record.label)
    if not len(ours):
        return {}
    return {name: _reports(ours.by(value_of)) for name, value_of in _DIVISIONS.items()}


def _reports(parts: Mapping[str, ScoredFilms]) -> dict[str, dict[str, Any]]:
    return {name: part.report() for name, part in parts.items()}


def _age(record: Record) -> str:
    if record.age is None:
        return NOT_STATED
    return next(words for below, words in _AGES if record.age < below)


_DIVISIONS: dict[str, Callable[[Record], str]] = {
    "finding": lambda record: record.finding or NOT_STATED,
    "view": lambda record: record.view or NOT_STATED,
    "finding and view": lambda record: f"{record.finding or NOT_STATED}, {record.view or NOT_STATED}",
    "age": _age,
    "sex": lambda record: record.sex or NOT_STATED,
}
