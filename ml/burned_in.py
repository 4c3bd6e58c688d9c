"""Lines of text burned into a film: they may name the patient.

Glyphs are connected components that stand out from their surroundings, lighter or darker; a line of text is a row of
five or more of them, of one height, on one base line, drawn in one grey level with strokes of one width. Side markers
and initials stay below that count. Words are not read: 'PORTABLE' is suspected like a name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ml.film import DicomFacts

SIDE = 1024  # films are looked at with at most this many pixels on the long side
MIN_GLYPHS = 5
_RADIUS = 16  # of the surroundings that a glyph is compared with, in pixels
_CONTRASTS = (
    36,
    18,
)  # 8-bit levels between a stroke and its surroundings; what is faint is found by the second
_HEIGHTS = (6, 96)


@dataclass(frozen=True)
class Glyphs:
    """Components that could be letters or digits, one entry each."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    top: NDArray[np.int64]
    bottom: NDArray[np.int64]
    strokes: NDArray[np.float64]  # strokes that a row crosses, on average
    width: NDArray[np.float64]  # of a stroke along the row, on average
    level: NDArray[np.float64]  # mean grey level

    def __getitem__(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> "Glyphs":
        return Glyphs(**{name: values[which] for name, values in vars(self).items()})

    @property
    def height(self) -> NDArray[np.int64]:
        return self.bottom - self.top

    def __len__(self) -> int:
        return len(self.left)


def suspicion(gray8: NDArray[np.uint8], facts: DicomFacts | None) -> str:
    """'declared' by the header, 'detected' in the picture, or empty."""
    if facts is not None and facts.burned_in_annotation == "YES":
        return "declared"
    return "detected" if has_text(gray8) else ""


def has_text(gray8: NDArray[np.uint8]) -> bool:
    """Whether a film as it is shown, (H, W) uint8, carries a line of text."""
    return next(lines(gray8), None) is not None


def lines(gray8: NDArray[np.uint8]) -> Iterator[tuple[int, int, int, int]]:
    """Boxes (left, top, right, bottom) of lines of text, in pixels of the reduced film."""
    image = Image.fromarray(gray8)
    if max(image.size) > SIDE:
        image.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    levels = np.asarray(image).astype(np.int16)
    around = np.asarray(image.filter(ImageFilter.BoxBlur(_RADIUS))).astype(np.int16)
    for contrast in _CONTRASTS:
        for mask in (levels - around > contrast, around - levels > contrast):
            yield from _lines(_glyphs(mask, levels))


# --- components ---


def _glyphs(mask: NDArray[np.bool_], levels: NDArray[np.int16]) -> Glyphs:
    """Connected components (8 neighbours) of a mask (H, W), of which a glyph could be one."""
    runs = _runs(mask)
    names, first = np.unique(_joined(runs), return_inverse=True)
    n = len(names)
    left, top = np.full(n, mask.shape[1]), np.full(n, mask.shape[0])
    right, bottom = np.zeros(n, np.int64), np.zeros(n, np.int64)
    np.minimum.at(left, first, runs.start)
    np.maximum.at(right, first, runs.end)
    np.minimum.at(top, first, runs.row)
    np.maximum.at(bottom, first, runs.row + 1)
    length = runs.end - runs.start
    area, n_runs = np.bincount(first, length, n), np.bincount(first, minlength=n)
    total = np.bincount(first, runs.sum(levels), n)
    found = Glyphs(left, right, top, bottom, n_runs / (bottom - top), area / n_runs, total / area)
    return found[_is_glyph_like(found, area)]


def _is_glyph_like(found: Glyphs, area: NDArray[Any]) -> NDArray[np.bool_]:
    height, width = found.height, found.right - found.left
    is_of_size = (height >= _HEIGHTS[0]) & (height <= _HEIGHTS[1]) & (width <= 1.3 * height)
    is_drawn = (found.width <= np.maximum(0.5 * height, 3)) & (found.strokes <= 4)
    is_filled = (area >= 0.15 * width * height) & (width >= 0.08 * height)
    fits: NDArray[np.bool_] = is_of_size & is_drawn & is_filled
    return fits


@dataclass(frozen=True)
class _Runs:
    """Unbroken stretches of set pixels, row after row: [start, end) in `row`."""

    row: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]

    def sum(self, levels: NDArray[np.int16]) -> NDArray[np.int64]:
        """Sum of grey levels of each run."""
        up_to = np.concatenate([[0], np.cumsum(levels, dtype=np.int64)])
        at = self.row * levels.shape[1]
        total: NDArray[np.int64] = up_to[at + self.end] - up_to[at + self.start]
        return total


def _runs(mask: NDArray[np.bool_]) -> _Runs:
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), np.int8)
    padded[:, 1:-1] = mask
    steps = np.flatnonzero(np.diff(padded.ravel()))
    row, start = np.divmod(steps[::2], padded.shape[1])
    return _Runs(row, start, steps[1::2] - row * padded.shape[1])


def _joined(runs: _Runs) -> NDArray[np.int64]:
    """One name a component for each of its runs: runs of neighbouring rows that touch, corners included."""
    line = int(runs.end.max(initial=0)) + 2
    starts, ends = runs.row * line + runs.start, runs.row * line + runs.end
    low = np.searchsorted(ends, starts + line, side="left")
    high = np.searchsorted(starts, ends + line, side="right")
    n_touched = np.maximum(high - low, 0)
    upper = np.repeat(np.arange(len(starts)), n_touched)
    nth = np.arange(len(upper)) - np.repeat(np.cumsum(n_touched) - n_touched, n_touched)
    return _smallest_of_group(len(starts), upper, np.repeat(low, n_touched) + nth)


def _smallest_of_group(n: int, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each of `n` nodes the smallest node that the links a–b lead to (label propagation with short cuts)."""
    names = np.arange(n)
    while True:
        before = names.copy()
        smaller = np.minimum(names[a], names[b])
        np.minimum.at(names, names[a], smaller)
        np.minimum.at(names, names[b], smaller)
        np.minimum.at(names, a, smaller)
        np.minimum.at(names, b, smaller)
        names = names[names]
        if np.array_equal(names, before):
            return names


# --- lines ---


def _lines(glyphs: Glyphs) -> Iterator[tuple[int, int, int, int]]:
    glyphs = glyphs[np.argsort(glyphs.left, kind="stable")]
    a, b = _neighbours(glyphs)
    names = _smallest_of_group(len(glyphs), a, b)
    for name, n in zip(*np.unique(names, return_counts=True), strict=True):
        if n >= MIN_GLYPHS and _is_line(line := glyphs[names == name]):
            yield int(line.left[0]), int(line.top.min()), int(line.right.max()), int(line.bottom.max())


def _neighbours(glyphs: Glyphs) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs that could stand beside each other in one line."""
    pairs = [_followers(glyphs, i) for i in range(len(glyphs))]
    lengths = [len(after) for after in pairs]
    return np.repeat(np.arange(len(glyphs)), lengths), np.concatenate([*pairs, np.empty(0, np.int64)])


def _followers(glyphs: Glyphs, i: int) -> NDArray[np.int64]:
    height = int(glyphs.height[i])
    last = np.searchsorted(glyphs.left, glyphs.right[i] + 2.5 * height, side="right")
    after = np.arange(i + 1, last)
    fits = (
        (glyphs.left[after] >= glyphs.right[i] - 0.2 * height)
        & (np.abs(glyphs.bottom[after] - glyphs.bottom[i]) <= max(1.5, 0.12 * height))
        & (np.abs(glyphs.height[after] - height) <= max(1.5, 0.15 * height))
        & (np.abs(glyphs.level[after] - glyphs.level[i]) <= 40)
    )
    found: NDArray[np.int64] = after[fits]
    return found


def _is_line(line: Glyphs) -> bool:
    height = float(np.median(line.height))
    is_straight = np.ptp(line.bottom) <= max(3, 0.3 * height)
    has_letters = np.sum(line.strokes >= 1.25) >= 3 and np.median(line.strokes) <= 2.6
    is_one_pen = np.std(line.width) <= 0.5 * np.mean(line.width)
    # Letters differ from one another; the meshes of a grid do not.
    widths = line.right - line.left
    is_varied = np.std(widths) >= 0.06 * height or (np.ptp(widths) > 0 and np.std(line.strokes) >= 0.2)
    return bool(is_straight and has_letters and is_one_pen and is_varied)
