"""What networks said of films that they were not trained on: one CSV, which calibration, gate and comparisons read."""

import csv
import io
import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.data import Record

COLUMNS = ("file", "label", "source", "group", "patient", "view", "finding", "fold", "logit")


class ScoresError(ValueError):
    """A table of scores that cannot be used; says which line."""


@dataclass(frozen=True, eq=False)
class Scores:
    """Equally long arrays (N), a film in a fold each.

    Attributes
    ----------
    label
        1 for COVID-19.
    group
        The unit to draw by in a bootstrap.
    fold
        The fold that held the film out: A, B, C0 … C4. A film may be held out of several.
    logit
        Logit of COVID-19 minus logit of Non-COVID, before any calibration.
    """

    file: NDArray[np.str_]
    label: NDArray[np.int64]
    source: NDArray[np.str_]
    group: NDArray[np.str_]
    patient: NDArray[np.str_]
    view: NDArray[np.str_]
    finding: NDArray[np.str_]
    fold: NDArray[np.str_]
    logit: NDArray[np.float64]

    def __post_init__(self) -> None:
        lengths = {len(getattr(self, name)) for name in COLUMNS}
        if len(lengths) > 1:
            raise ScoresError(f"columns of {sorted(lengths)} films are no table of scores")

    def __len__(self) -> int:
        return len(self.label)

    @classmethod
    def made(cls, records: Sequence[Record], *, fold: str, logits: NDArray[np.float64]) -> "Scores":
        """Scores of films in the order of `records`."""
        facts = [(r.file, r.label, r.source, r.group, r.patient, r.view, r.finding, fold) for r in records]
        return cls._of_rows([(*fact, float(logit)) for fact, logit in zip(facts, logits, strict=True)])

    @classmethod
    def joined(cls, parts: Sequence["Scores"]) -> "Scores":
        """One table from several, in their order."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS))

    @classmethod
    def load(cls, path: Path) -> "Scores":
        """Read a table.

        Raises
        ------
        ScoresError
            A file or column that is missing, no film, a label or number that is none, a film twice in one fold: with
            the line.
        """
        try:
            text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise ScoresError(f"{path} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ScoresError(f"{path.name} is no table of scores: it is not UTF-8") from error
        table = csv.DictReader(io.StringIO(text, newline=""))
        missing = [column for column in COLUMNS if column not in (table.fieldnames or ())]
        if missing:
            raise ScoresError(f"{path.name} has no column {', '.join(missing)}")
        rows = list(_rows(path.name, table))
        if not rows:
            raise ScoresError(f"{path.name} names no film")
        return cls._of_rows(rows)

    @classmethod
    def _of_rows(cls, rows: Sequence[tuple[str | int | float, ...]]) -> "Scores":
        types: dict[str, Any] = {"label": np.int64, "logit": np.float64}
        columns: dict[str, Any] = {
            name: np.array([row[i] for row in rows], dtype=types.get(name, np.str_))
            for i, name in enumerate(COLUMNS)
        }
        return cls(**columns)

    def write(self, path: Path) -> None:
        """Keep the table, whole or not at all."""
        text = io.StringIO(newline="")
        table = csv.writer(text, lineterminator="\n")
        table.writerow(COLUMNS)
        # repr() of a Python float has all its digits: what is read again is what was written.
        table.writerows(zip(*(getattr(self, name).tolist() for name in COLUMNS), strict=True))
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(text.getvalue())
                file.flush()
                os.fsync(file.fileno())
            Path(aside).chmod(0o644)
            Path(aside).replace(path)
        finally:
            Path(aside).unlink(missing_ok=True)

    def chosen(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> "Scores":
        """The films at indices or where a mask is true."""
        return Scores(*(getattr(self, field.name)[which] for field in fields(self)))

    def of(self, *, fold: str | None = None, source: str | None = None) -> "Scores":
        """The films of one fold (C is all of C0 to C4) or source or both."""
        which = np.ones(len(self), dtype=bool)
        if fold is not None:
            which &= (self.fold == fold) | (self.families == fold)
        if source is not None:
            which &= self.source == source
        return self.chosen(which)

    @property
    def families(self) -> NDArray[np.str_]:
        """The fold of each film without its number: C for C0 to C4."""
        return np.array([fold.rstrip("0123456789") for fold in self.fold], dtype=np.str_)


def _rows(name: str, table: "csv.DictReader[str]") -> Iterator[tuple[str | int | float, ...]]:
    seen: dict[tuple[str, str], int] = {}
    for row in table:
        line = table.line_num
        if any(row[column] is None for column in COLUMNS) or not row["file"] or not row["fold"]:
            raise ScoresError(f"{name}, line {line}: a film needs its file, its fold and every column")
        key = row["file"], row["fold"]
        if key in seen:
            raise ScoresError(f"{name}, line {line}: fold {key[1]} has {key[0]} already in line {seen[key]}")
        seen[key] = line
        if row["label"] not in ("0", "1"):
            raise ScoresError(f"{name}, line {line}: label {row['label']!r} is neither 0 nor 1")
        texts = (row[column] for column in COLUMNS[2:-1])
        yield row["file"], int(row["label"]), *texts, _number(name, line, row["logit"])


def _number(name: str, line: int, word: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ScoresError(f"{name}, line {line}: logit {word!r} is no finite number")
    return number
