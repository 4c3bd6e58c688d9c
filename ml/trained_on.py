"""Which films a checkpoint was made with: a part of its file, so that anybody can tell what it must not be tried on.

A network repeats the labels of the films that it learned from. Whoever wants to know what it says of *other* films asks
here: of each film that it was trained on, or that its thresholds were chosen on, the file lists the first half of the
hash of its pixels, and how it looks. Files from before this part existed list nothing, and say nothing.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ml.appearance import NEAR, appearance, pixel_sha256

if TYPE_CHECKING:  # the list is read by processes that never load torch
    from torch import Tensor

    from ml.data import Manifest, Record

PART = "films"
_NAME = "marks"
_AT_ONCE = 256  # films compared together with all of the list: a few MB

Marks = NDArray[
    np.uint64
]  # (N, 2): the first 64 bits of the hash of a film's pixels, and its 64 bits of appearance


@dataclass(frozen=True, eq=False)
class TrainedOn:
    """The films of a checkpoint, N of them."""

    marks: Marks  # (N, 2)

    def __len__(self) -> int:
        return len(self.marks)

    @classmethod
    def read(cls, path: Path) -> "TrainedOn | None":
        """The list of a file, without torch; None if the file has none.

        Raises
        ------
        CheckpointError
            As `checkpoint.read_header`.
        """
        from safetensors import safe_open

        from ml.checkpoint import read_header

        read_header(path)
        name = f"{PART}:{_NAME}"
        with safe_open(path, framework="np") as file:
            if name not in file.keys():  # noqa: SIM118 (no mapping)
                return None
            stored = np.ascontiguousarray(file.get_tensor(name))  # (N, 16) uint8
        return cls(stored.view(">u8").astype(np.uint64))

    def knows(self, films: Sequence[tuple[str, str]]) -> NDArray[np.bool_]:
        """Whether each film, by `pixel_sha256` and `appearance`, is one of these or a near-duplicate of one (N).

        A film whose appearance is not known, '', is compared by its pixels alone.
        """
        pixels = np.array([int(sha256[:16], 16) for sha256, _ in films], dtype=np.uint64)
        looks = np.array([int(look or "0", 16) for _, look in films], dtype=np.uint64)
        known = np.isin(pixels, self.marks[:, 0])
        has_look = np.array([bool(look) for _, look in films], dtype=bool)
        for start in range(0, len(films), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            bits = np.bitwise_count(looks[some, None] ^ self.marks[None, :, 1])  # (n, N)
            known[some] |= has_look[some] & (bits <= NEAR).any(axis=1)
        return known


def tensors(manifest: "Manifest", *, folder: Path, pool: "Sequence[Record]" = ()) -> "dict[str, Tensor]":
    """The part of a checkpoint that was trained on this manifest: its train and val films.

    Parameters
    ----------
    folder
        Where marks are kept, so that several folds of one `pool` open each film once.
    """
    import torch

    records = [record for record in manifest.records if record.split in ("train", "val")]
    marks = _marks(manifest, records, folder, pool or records)
    return {_NAME: torch.from_numpy(marks.astype(">u8").view(np.uint8).reshape(len(marks), 16))}


def _marks(
    manifest: "Manifest", records: "Sequence[Record]", folder: Path, pool: "Sequence[Record]"
) -> Marks:
    """Marks of films (N, 2), from the marks of the pool."""
    from ml.data import key_of

    path = folder / f"marks-{key_of(manifest, pool)}.npy"
    if not path.exists():
        aside = path.with_suffix(f".{os.getpid()}.part")
        with aside.open("wb") as file:
            np.save(file, np.array(list(map(partial(_mark, manifest), pool)), dtype=np.uint64).reshape(-1, 2))
        aside.replace(path)
    kept: Marks = np.load(path)
    place = {record.file: i for i, record in enumerate(pool)}
    return kept[[place[record.file] for record in records]]


def _mark(manifest: "Manifest", record: "Record") -> tuple[int, int]:
    from ml.images import decode, to_gray8

    film = decode(manifest.root / record.file)
    return int(pixel_sha256(film.pixels)[:16], 16), int(appearance(to_gray8(film)), 16)
