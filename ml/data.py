"""The manifest of films, its checks, and its films as arrays that training can read fast."""

import csv
import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from ml.config import TrainConfig
from ml.images import RefusedFilmError, decode, to_gray8

SPLITS = ("train", "val", "test")
LABELS = {"noncovid": 0, "covid": 1}
_REQUIRED = ("file", "label", "split")
# What no split may cut: the patient, the group of near-duplicates, the very bytes.
_KEPT_TOGETHER = ("group", "patient", "sha256")


class Look(Protocol):
    """How a film becomes the square that is kept for training."""

    @property
    def name(self) -> str:
        """Changes with whatever changes the squares: it tells one cache from another."""
        ...

    @property
    def size(self) -> int:
        """Side of the square, S."""
        ...

    def __call__(self, gray8: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A film (H, W) as its square (S, S)."""
        ...


@dataclass(frozen=True)
class Squash:
    """The whole film, squashed as `Preprocessing.resize` does it."""

    size: int

    @property
    def name(self) -> str:
        """Its side says all."""
        return str(self.size)

    def __call__(self, gray8: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The film (H, W) as (S, S)."""
        return np.asarray(Image.fromarray(gray8).resize((self.size, self.size), Image.Resampling.BILINEAR))


class ManifestError(ValueError):
    """A manifest that must not be trained on; says which line or which leak."""


@dataclass(frozen=True)
class Record:
    """One film of the manifest. `label` is 1 for COVID-19; `group` is the unit that no split cuts."""

    file: str
    label: int
    split: str
    source: str
    group: str
    patient: str = ""
    sha256: str = ""
    finding: str = ""
    licence: str = ""
    view: str = ""
    line: int = 0  # of the manifest file
    lung_mask: str = ""  # a picture of the film's size, white where lung is
    age: int | None = None  # whole years, where the collection states them
    sex: str = ""


@dataclass(frozen=True)
class Manifest:
    """Films, labels and splits as a file has them, checked."""

    root: Path
    records: tuple[Record, ...]
    sha256: str

    @classmethod
    def load(cls, path: Path) -> "Manifest":
        """Read a CSV with the columns file, label (covid, noncovid) and split; files lie beside it.

        Raises
        ------
        ManifestError
            Missing file or column, unknown label or split, a file named twice, no film, a patient with both labels,
            or a leak between splits.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ManifestError(f"{path} cannot be read: {error.strerror}") from error
        rows = csv.DictReader(data.decode("utf-8-sig").splitlines())
        missing = [column for column in _REQUIRED if column not in (rows.fieldnames or ())]
        if missing:
            raise ManifestError(f"{path.name} has no column {', '.join(missing)}")
        records = tuple(_record(path, line, row) for line, row in enumerate(rows, start=2))
        manifest = cls(path.parent, records, hashlib.sha256(data).hexdigest())
        manifest.check()
        return manifest

    def check(self) -> None:
        """Raise ManifestError if a file is named twice, nothing is named, a patient is both, or something leaks."""
        if not self.records:
            raise ManifestError("the manifest names no film")
        twice = [file for file, n in Counter(r.file for r in self.records).items() if n > 1]
        if twice:
            raise ManifestError(
                f"the manifest names {twice[0]} twice{self._lines('file', twice[0])}: leave one row out"
            )
        for unit in _KEPT_TOGETHER:
            leaks = leaks_of(self.records, unit)
            if leaks:
                raise ManifestError(
                    f"{len(leaks)} {unit} values lie in more than one split, such as {leaks[0]}"
                    f"{self._lines(unit, leaks[0])}: give them one split"
                )
        both = _values_with_several(self.records, "patient", "label")
        if both:
            raise ManifestError(
                f"patient {both[0]} has COVID-19 and Non-COVID films{self._lines('patient', both[0])}: "
                "a patient with a COVID-19 film is not Non-COVID; leave the other films out"
            )

    def require_trainable(self) -> None:
        """Raise ManifestError if a film is missing, or a class has no film to train on or to choose thresholds with.

        Films themselves are opened by `films_of`, also before any training starts.
        """
        missing = [record for record in self.records if not (self.root / record.file).is_file()]
        if missing:
            first = missing[0]
            raise ManifestError(
                f"{len(missing)} films are missing, such as {first.file} (line {first.line}): "
                f"paths count from {self.root}; mend the path or leave the row out"
            )
        for split in ("train", "val"):
            labels = {record.label for record in self.of(split)}
            for word, label in LABELS.items():
                if label not in labels:
                    raise ManifestError(
                        f"split {split} has no {word} film: nothing can be learned from one class; "
                        "add such films, or give some of another split to this one"
                    )

    def _lines(self, attribute: str, value: str) -> str:
        """' (lines 2, 7)': where a person finds the rows."""
        lines = [r.line for r in self.records if getattr(r, attribute) == value and r.line]
        return f" (lines {', '.join(map(str, lines[:4]))})" if lines else ""

    def of(self, split: str) -> tuple[Record, ...]:
        """The films of one split, in the order of the file.

        Raises
        ------
        ManifestError
            If it has none.
        """
        records = tuple(r for r in self.records if r.split == split)
        if not records:
            raise ManifestError(f"the manifest has no film in split {split}")
        return records


def _record(path: Path, line: int, row: dict[str, str]) -> Record:
    for column, known in (("label", tuple(LABELS)), ("split", SPLITS)):
        if row[column] not in known:
            raise ManifestError(
                f"{path.name}, line {line}: {column} {row[column]!r} is none of {', '.join(known)}: "
                "mend it or leave the row out"
            )
    return Record(
        file=row["file"],
        label=LABELS[row["label"]],
        split=row["split"],
        source=row.get("source_slug") or "unknown",
        group=row.get("group_id") or row["file"],
        patient=row.get("patient_id") or "",
        sha256=row.get("sha256") or "",
        finding=row.get("finding") or "",
        licence=row.get("licence") or "",
        view=row.get("view") or "",
        line=line,
        lung_mask=row.get("lung_mask") or "",
        age=int(row["age_years"]) if (row.get("age_years") or "").isdigit() else None,
        sex=row.get("sex") or "",
    )


def spread(records: Sequence[Record], n: int, *, by: Callable[[Record], object], seed: int) -> list[Record]:
    """Draw up to `n` films in turn from each value of `by`; of each value, first one film of every group."""
    shuffled = [records[i] for i in np.random.default_rng(seed).permutation(len(records))]
    before: Counter[tuple[object, str]] = Counter()
    turn: dict[Record, int] = {}
    for record in shuffled:
        turn[record] = before[by(record), record.group]
        before[by(record), record.group] += 1
    rounds: Counter[object] = Counter()
    for record in sorted(shuffled, key=turn.__getitem__):
        turn[record] = rounds[by(record)]
        rounds[by(record)] += 1
    return sorted(shuffled, key=turn.__getitem__)[:n]


def leaks_of(records: Sequence[Record], unit: str) -> list[str]:
    """Values of `unit` (group, patient, sha256) that occur in more than one split."""
    return _values_with_several(records, unit, "split")


def _values_with_several(records: Sequence[Record], unit: str, attribute: str) -> list[str]:
    """Values of `unit` whose films differ in `attribute`."""
    seen: defaultdict[str, set[object]] = defaultdict(set)
    for record in records:
        if value := getattr(record, unit):
            seen[value].add(getattr(record, attribute))
    return sorted(value for value, found in seen.items() if len(found) > 1)


def films_of(
    manifest: Manifest,
    records: Sequence[Record],
    *,
    look: Look,
    folder: Path,
    pool: Sequence[Record] = (),
    on_film: Callable[[int, int], object] | None = None,
) -> NDArray[np.uint8]:
    """Films as squares (N, S, S), decoded once and kept in `folder`.

    Parameters
    ----------
    look
        How a film becomes its square, such as `Squash(224)`.
    pool
        Films that are decoded and kept together, `records` among them, so that several folds share one file.
    on_film
        Told how many films of how many are decoded.

    Raises
    ------
    ManifestError
        If a film cannot be opened: which row names it, and why.
    """
    together = tuple(pool or records)
    path = folder / f"films-{look.name}-{key_of(manifest, together)}.npy"
    if not path.exists():
        _decode_into(path, manifest, together, look, on_film)
    kept: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    if together == tuple(records):
        return kept
    place = {record.file: i for i, record in enumerate(together)}
    return kept[[place[record.file] for record in records]]


def key_of(manifest: Manifest, records: Sequence[Record]) -> str:
    """Sixteen digits that change when a film is another or has been written anew; labels and splits do not matter."""
    digest = hashlib.sha256()
    for record in records:
        try:
            facts = (manifest.root / record.file).stat()
        except OSError as error:
            raise _cannot_be_opened(record, error) from error
        digest.update(f"{record.file}\n{facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _decode_into(
    path: Path,
    manifest: Manifest,
    records: Sequence[Record],
    look: Look,
    on_film: Callable[[int, int], object] | None,
) -> None:
    """Whole or not at all; another process may do the same at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}.part")
    try:
        shape = (len(records), look.size, look.size)
        films = np.lib.format.open_memmap(aside, mode="w+", dtype=np.uint8, shape=shape)
        for i, record in enumerate(records):
            films[i] = _opened(manifest, record, look)
            if on_film:
                on_film(i + 1, len(records))
        films.flush()
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _opened(manifest: Manifest, record: Record, look: Look) -> NDArray[np.uint8]:
    try:
        return look(to_gray8(decode(manifest.root / record.file)))
    except (RefusedFilmError, OSError) as error:
        raise _cannot_be_opened(record, error) from error


def _cannot_be_opened(record: Record, error: Exception) -> ManifestError:
    why = str(error.strerror if isinstance(error, OSError) else error).rstrip(".")
    return ManifestError(
        f"{record.file} (line {record.line}) cannot be opened: {why}. Mend the file or leave the row out"
    )


class FilmDataset(Dataset[tuple[Tensor, int]]):
    """Films in memory with their labels: (1, S, S) uint8 and 0 or 1."""

    def __init__(self, films: NDArray[np.uint8], records: Sequence[Record]) -> None:
        if len(films) != len(records):
            raise ValueError(f"{len(films)} films, but {len(records)} labels")
        self.films = films
        self.labels = [record.label for record in records]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.from_numpy(np.array(self.films[index])).unsqueeze(0), self.labels[index]


def balanced_weights(records: Sequence[Record], config: TrainConfig) -> list[float]:
    """Chance of each film to be drawn (they sum to 1): both classes alike, within a class each stratum by n**temper.

    Without it the network would see what the collection happens to hold: nearly one source for each label, and few ill
    films among those without COVID-19. No film is drawn more than `most_draws` times an epoch on average, unless its
    class has too few films for that: then all of them alike.
    """
    labels = np.array([r.label for r in records])
    by_finding = config.strata == "finding"
    keys = [(r.label, r.source, r.finding if by_finding else "") for r in records]
    n = Counter(keys)
    weights = np.array([n[key] ** (config.source_temper - 1) for key in keys])
    cap = config.most_draws / (config.draws or len(records)) if config.most_draws else 1.0
    for label in set(labels.tolist()):
        weights[labels == label] = _capped(weights[labels == label], cap, share=1 / len(set(labels.tolist())))
    return [float(weight) for weight in weights]


def _capped(weights: NDArray[np.float64], cap: float, *, share: float) -> NDArray[np.float64]:
    """Weights that sum to `share` without one above `cap`: what is cut off goes to the others in their proportion."""
    weights = weights * share / weights.sum()
    if cap * len(weights) <= share:
        return np.full(len(weights), share / len(weights))
    full = np.zeros(len(weights), dtype=bool)
    while (over := (weights > cap) & ~full).any():
        full |= over
        weights[full] = cap
        weights[~full] *= (share - cap * full.sum()) / weights[~full].sum()
    return weights
