"""What ml/ says about labels: scores of held-out films, films that a checkpoint knows, labels that look wrong.

Part of the seam: ml/ is imported inside the functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from diagnosis.engine import NoCheckpointError

if TYPE_CHECKING:
    from ml.confident import Suspicion
    from ml.trained_on import TrainedOn


class ScoresRefusedError(ValueError):
    """A table of scores that cannot be used; `str()` says which line, and why."""


@dataclass(frozen=True)
class HeldOut:
    """A film of such a table: what a network that never saw it said of it. Its probability is not calibrated."""

    file: str
    fold: str
    probability: float


def held_out(path: Path) -> list[HeldOut]:
    """The films of a table that `python -m ml crossfit` wrote. Raises ScoresRefusedError."""
    from scipy.special import expit

    from ml.scores import Scores, ScoresError

    try:
        scores = Scores.load(path)
    except ScoresError as error:
        raise ScoresRefusedError(str(error)) from error
    columns = (scores.file.tolist(), scores.fold.tolist(), expit(scores.logit).tolist())
    return [HeldOut(*row) for row in zip(*columns, strict=True)]


def trained_on(path: Path, *, sha256: str) -> TrainedOn | None:
    """The films that a checkpoint was made with; None if its file does not list them. Raises NoCheckpointError."""
    from ml.checkpoint import CheckpointError

    try:
        written = path.stat()
        return _trained_on(path, sha256, written.st_mtime_ns, written.st_size)
    except (CheckpointError, OSError) as error:
        raise NoCheckpointError(str(error)) from error


@lru_cache(maxsize=8)
def _trained_on(path: Path, sha256: str, *_written: int) -> TrainedOn | None:
    """Kept for as long as the file is the same: to hash it takes longer than to judge by it."""
    from ml.checkpoint import read_header
    from ml.trained_on import TrainedOn

    if read_header(path).sha256 != sha256:
        raise NoCheckpointError(f"{path.name} is not the checkpoint {sha256[:12]} that was registered")
    return TrainedOn.read(path)


def known(films: TrainedOn, seen: Sequence[tuple[str, str]]) -> list[bool]:
    """Of each film, by the hash of its pixels and its appearance, whether it or one that looks so is among them."""
    return [bool(one) for one in films.knows(seen)]


def suspicion(labels: Iterable[int], probabilities: Iterable[float]) -> Suspicion:
    """Which labels look wrong, 1 for COVID-19, by confident learning."""
    from ml.confident import suspicion

    return suspicion(list(labels), list(probabilities))


def fewest() -> int:
    """Films of each class that it takes to say anything."""
    from ml.confident import FEWEST

    return FEWEST


def interval(k: int, n: int) -> tuple[float, float] | None:
    """The share k of n between which ends (Wilson, 95 %); None of nothing."""
    from ml.metrics import wilson

    share = wilson(k, n)
    return None if share.low is None or share.high is None else (share.low, share.high)
