"""What must hardly move a score: a tighter crop, another exposure, another sharpness, no markers, a mirror."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ml.data import Squash
from ml.hiding import Gray
from ml.metrics import bootstrap
from ml.probes.cases import Case, Reader, sets_of
from ml.probes.rows import SEED, auc_row

Scores = NDArray[np.float64]

_CROP = 0.10  # of each side, half of it at each end
_CORNER = 0.15  # of the shorter side: where markers and text are
_SHARP_SIDE = 224  # pixels a side at which sharpness is compared
_LEAST_SHARP = 5  # percentile of the films' sharpness to which all the others are brought


def perturbed(cases: Sequence[Case], scores: Scores, read: Reader) -> list[dict[str, Any]]:
    """Change every film in one way at a time; how far its score moves, and what the AUC is then."""
    table = [_line("as they are", cases, scores, scores)]
    for words, change in _changes(cases):
        changed = np.array([read([change(case.film)])[0] for case in cases])
        table.append(_line(words, cases, scores, changed))
    return table


def _changes(cases: Sequence[Case]) -> Iterator[tuple[str, Callable[[Gray], Gray]]]:
    level = float(np.percentile([sharpness(Squash(_SHARP_SIDE)(c.film)) for c in cases], _LEAST_SHARP))
    yield f"{_CROP:.0%} of each side cut off", cropped
    yield "contrast equalised (CLAHE)", clahe
    yield "blurred to one sharpness", lambda film: blurred_to(film, level)
    yield f"corners black ({_CORNER:.0%} of the side)", without_corners
    yield "mirrored", lambda film: np.ascontiguousarray(film[:, ::-1])


def _line(words: str, cases: Sequence[Case], before: Scores, after: Scores) -> dict[str, Any]:
    records = [case.record for case in cases]
    groups, labels = np.array([r.group for r in records]), np.array([r.label for r in records])
    moved = np.abs(after - before)
    areas = [
        auc_row("", words, name, labels=labels[i], scores=after[i], groups=list(groups[i])).as_json()
        for name, i in sets_of(records).items()
    ]
    change = bootstrap(lambda chosen: float(np.median(moved[chosen])), groups, seed=SEED)
    return {"what": words, "n": len(cases), "median_change": asdict(change), "auc": areas}


def cropped(film: Gray) -> Gray:
    """The middle of the film."""
    height, width = film.shape
    y, x = round(height * _CROP / 2), round(width * _CROP / 2)
    return np.ascontiguousarray(film[y : height - y, x : width - x])


def without_corners(film: Gray) -> Gray:
    """The film with its four corners black."""
    side = round(min(film.shape) * _CORNER)
    covered = film.copy()
    for rows in (slice(None, side), slice(-side, None)):
        for columns in (slice(None, side), slice(-side, None)):
            covered[rows, columns] = 0
    return covered


def sharpness(film: Gray) -> float:
    """Mean absolute Laplacian."""
    return float(np.abs(ndimage.laplace(film.astype(np.float32))).mean())


def blurred_to(film: Gray, level: float) -> Gray:
    """The film at the size at which sharpness is compared, blurred until it is no sharper than `level`."""
    small = Squash(_SHARP_SIDE)(film).astype(np.float32)
    low, high = 0.0, 8.0
    if sharpness(small.astype(np.uint8)) <= level:
        return small.astype(np.uint8)
    for _ in range(10):
        sigma = (low + high) / 2
        is_sharp = np.abs(ndimage.laplace(ndimage.gaussian_filter(small, sigma))).mean() > level
        low, high = (sigma, high) if is_sharp else (low, sigma)
    return np.asarray(ndimage.gaussian_filter(small, high) + 0.5, dtype=np.uint8)


def clahe(film: Gray, *, tiles: int = 8, limit: float = 2.0) -> Gray:
    """Contrast limited adaptive histogram equalisation (Zuiderveld 1994).

    Written out: one function of one probe is no reason to depend on OpenCV or scikit-image.

    Parameters
    ----------
    tiles
        Rows and columns of tiles, each with an equalisation of its own; between their centres it is interpolated.
    limit
        How many times its even share a grey level may count; the rest is spread over all levels.
    """
    height, width = film.shape
    ends = [np.linspace(0, n, tiles + 1).astype(int) for n in (height, width)]
    tables = np.empty((tiles, tiles, 256), dtype=np.float32)
    for i in range(tiles):
        for j in range(tiles):
            tile = film[ends[0][i] : ends[0][i + 1], ends[1][j] : ends[1][j + 1]]
            tables[i, j] = _table(tile, limit)
    (top, bottom, y), (left, right, x) = (_between(n, tiles) for n in (height, width))
    y, x = y[:, None], x[None, :]
    upper = tables[top[:, None], left, film] * (1 - x) + tables[top[:, None], right, film] * x
    lower = tables[bottom[:, None], left, film] * (1 - x) + tables[bottom[:, None], right, film] * x
    return np.asarray(upper * (1 - y) + lower * y + 0.5, dtype=np.uint8)


def _table(tile: Gray, limit: float) -> NDArray[np.float64]:
    """New grey levels (256) of one tile."""
    counts = np.bincount(tile.ravel(), minlength=256).astype(np.float64)
    most = limit * tile.size / 256
    counts = np.minimum(counts, most) + np.maximum(counts - most, 0).sum() / 256
    return np.asarray(counts.cumsum() / tile.size * 255)


def _between(n: int, tiles: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """For each of n pixels the tiles whose centres lie before and after it, and how far it is on the way."""
    place = ((np.arange(n) + 0.5) * tiles / n - 0.5).clip(0, tiles - 1)
    before = place.astype(np.int64)
    return before, np.minimum(before + 1, tiles - 1), (place - before).astype(np.float32)
