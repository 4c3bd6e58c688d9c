"""Films of collections → one manifest file: who is together, who is in which split, and what must not be trained on."""

import csv
import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml.data import Manifest, ManifestError
from ml.layouts import Found
from ml.unions import Unions

COLUMNS = (
    "file",
    "label",
    "split",
    "source_slug",
    "group_id",
    "patient_id",
    "sha256",
    "finding",
    "licence",
    "view",
)


@dataclass(frozen=True)
class Shares:
    """Of the groups that go to validation and to test; the rest is trained on."""

    val: float = 0.1
    test: float = 0.2

    def __post_init__(self) -> None:
        if min(self.val, self.test) < 0 or self.val + self.test >= 1:
            raise ValueError("the shares of validation and test must leave films to train on")


def write_manifest(
    films: Iterable[Found],
    out: Path,
    *,
    shares: Shares | None = None,
    seed: int = 0,
    on_film: Callable[[], object] | None = None,
) -> Manifest:
    """Write a manifest beside which no film is copied: paths are relative to the file.

    Films of one patient or of the same bytes are one group and stay together. A collection's own test films stay
    test films, with their whole group; other groups are drawn by a hash of their name, so that a film keeps its
    split when more are added. Non-COVID films of patients who also have COVID-19 films are left out.

    Raises
    ------
    ManifestError
        A film that is missing, or a class without films.
    """
    rows = [_row(film, out.parent, on_film) for film in _of_one_label(films)]
    if not rows:
        raise ManifestError("no film was found")
    _group(rows)
    _split(rows, shares or Shares(), seed)
    _refuse_empty_classes(rows)
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = out.with_name(f".{out.name}.part")
    with aside.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(sorted(rows, key=lambda row: row["file"]))
    manifest = Manifest.load(aside)
    aside.replace(out)
    return manifest


def _of_one_label(films: Iterable[Found]) -> list[Found]:
    """Without the Non-COVID films of patients who have a COVID-19 film anywhere: such a patient is not Non-COVID."""
    films = list(films)
    ill = {film.patient for film in films if film.label == "covid" and film.patient}
    return [film for film in films if film.label == "covid" or film.patient not in ill]


def _row(film: Found, root: Path, on_film: Callable[[], object] | None) -> dict[str, str]:
    try:
        with film.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ManifestError(
            f"{film.path} cannot be read: {error.strerror}. Its collection names it."
        ) from error
    if on_film:
        on_film()
    return {
        "file": Path(os.path.relpath(film.path, root)).as_posix(),
        "label": film.label,
        "split": film.split,
        "source_slug": film.source,
        "group_id": "",
        "patient_id": film.patient,
        "sha256": digest,
        "finding": film.finding,
        "licence": film.licence,
        "view": film.view,
    }


def _group(rows: Sequence[dict[str, str]]) -> None:
    """Join by patient and by bytes, directly or over others. A copy of a film is in the manifest once."""
    unions = Unions()
    for row in rows:
        if row["patient_id"]:
            unions.join(f"bytes {row['sha256']}", f"patient {row['patient_id']}")
    for row in rows:
        row["group_id"] = hashlib.sha256(unions.root(f"bytes {row['sha256']}").encode()).hexdigest()[:16]


def _split(rows: Sequence[dict[str, str]], shares: Shares, seed: int) -> None:
    stated: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        stated[row["group_id"]].add(row["split"])
    for row in rows:
        row["split"] = _split_of(row["group_id"], stated[row["group_id"]] - {""}, shares, seed)


def _split_of(group: str, stated: set[str], shares: Shares, seed: int) -> str:
    """The strictest of what its films' collections say; else drawn."""
    for split in ("test", "val"):
        if split in stated:
            return split
    number = int(hashlib.sha256(f"{seed}:{group}".encode()).hexdigest()[:12], 16) / 16**12
    if "train" in stated:  # its collection has test films of its own
        return "val" if number < shares.val else "train"
    return "test" if number < shares.test else "val" if number < shares.test + shares.val else "train"


def _refuse_empty_classes(rows: Sequence[dict[str, str]]) -> None:
    n = Counter((row["split"], row["label"]) for row in rows)
    for split in ("train", "val", "test"):
        for label in ("covid", "noncovid"):
            if not n[split, label]:
                raise ManifestError(
                    f"no {label} film in {split}: add a collection that has some, or change the shares of the splits"
                )
