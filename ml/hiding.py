"""Films whose lungs are hidden: what can still be told from them was never told by a lung."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ml.checkpoint import CheckpointError
from ml.data import Squash
from ml.lungs import LungFinder, box_of, resized
from ml.preprocessing import Box

Gray = NDArray[np.uint8]
Mask = NDArray[np.bool_]

MARGIN = 0.03  # of the shorter side: a finder that draws a lung too small must not leave its rim in sight
FEATHER = 0.015  # of the shorter side: half the width of the seam
CENTRE: Box = (0.15, 0.15, 0.85, 0.85)  # hidden instead where no lung is found
LUNGS_HIDDEN = "lungs_hidden"  # where a checkpoint's provenance says that it was trained on such films
_COARSE = 64  # pixels a side at which a film is smeared; finer would be blurred away
_SMEAR = 0.1  # deviation of the smearing, of the side


class Finder(Protocol):
    """Whoever draws lungs: films (N, S, S) uint8 → how surely each pixel is lung, (N, S, S) float32."""

    def masks(self, films: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Masks of square films, at their own size."""
        ...


def reach(shape: tuple[int, ...], share: float) -> int:
    """A share of the film's shorter side in whole pixels, one at least."""
    return max(1, round(share * min(shape[:2])))


def grown(mask: Mask, pixels: int) -> Mask:
    """The mask with all that lies within so many pixels of it, diagonally too."""
    large: Mask = ndimage.maximum_filter(mask, size=2 * pixels + 1)
    return large


def feathered(mask: Mask, pixels: int) -> NDArray[np.float32]:
    """1 in the whole mask, falling to 0 within 2 · `pixels` of it, exactly 0 beyond."""
    soft = ndimage.gaussian_filter(grown(mask, pixels).astype(np.float32), sigma=pixels / 2, truncate=2)
    return np.asarray(soft.clip(0, 1), dtype=np.float32)


def blend(film: Gray, other: NDArray[np.floating], share: NDArray[np.float32]) -> Gray:
    """`other` where the share is 1, the film where it is 0."""
    mixed = film + (other - film) * share
    return np.asarray((mixed + 0.5).clip(0, 255), dtype=np.uint8)


def fill_mean(film: Gray, mask: Mask) -> Gray:
    """Hide what the mask covers, and a margin, under the mean of the ring around it."""
    hidden, pixels = _with_margin(mask), reach(mask.shape, FEATHER)
    ring = grown(hidden, 4 * pixels) & ~grown(hidden, 2 * pixels)
    level = film[ring].mean() if ring.any() else film.mean()
    return blend(film, np.full(film.shape, level, dtype=np.float32), feathered(hidden, pixels))


def fill_blur(film: Gray, mask: Mask) -> Gray:
    """Hide what the mask covers, and a margin, under its surroundings, smeared across.

    The lungs themselves are not blurred: that would still show how dense they are.
    """
    hidden, pixels = _with_margin(mask), reach(mask.shape, FEATHER)
    seen = (~grown(hidden, 2 * pixels)).astype(np.float32)
    light, weight = (
        ndimage.gaussian_filter(_resized(part, (_COARSE, _COARSE)), sigma=_SMEAR * _COARSE)
        for part in (film * seen, seen)
    )
    smeared = _resized(light / (weight + 1e-6), film.shape)
    return blend(film, smeared, feathered(hidden, pixels))


def hide_box(film: Gray, box: Box | None) -> Gray:
    """Hide the whole box of the lungs: unlike a mask, a box does not draw how much of a lung is opaque."""
    x0, y0, x1, y1 = box or CENTRE
    height, width = film.shape
    mask = np.zeros(film.shape, dtype=bool)
    mask[int(y0 * height) : round(y1 * height) + 1, int(x0 * width) : round(x1 * width) + 1] = True
    return fill_mean(film, mask)


@dataclass(frozen=True)
class LungHider:
    """How training looks at films whose lungs are to be hidden: the whole film, squashed, its lungs under one gray."""

    finder: Finder
    finder_sha256: str
    size: int

    @classmethod
    def of(cls, path: Path, *, size: int) -> "LungHider":
        """Take the lung finder of a file.

        Raises
        ------
        CheckpointError
            If the file cannot be read, or holds no lung finder.
        """
        return cls(finder_of(path), sha256_of(path), size)

    @property
    def name(self) -> str:
        """Changes with whatever changes the squares."""
        settings = f"{self.finder_sha256} {MARGIN} {FEATHER} {CENTRE}"
        return f"no-lungs-{self.size}-{hashlib.sha256(settings.encode()).hexdigest()[:12]}"

    def __call__(self, gray8: Gray) -> Gray:
        """The film (H, W) as a square (S, S) without lungs."""
        square = Squash(self.size)(gray8)
        (mask,) = self.finder.masks(resized(gray8)[np.newaxis])
        return hide_box(square, box_of(mask))

    def provenance(self) -> dict[str, str]:
        """What a checkpoint says that was trained on such films."""
        return {
            "how": "box of the lungs with a margin, filled with the mean of the ring around it; where no lungs were "
            "found, the central 70 %",
            "lung_finder_sha256": self.finder_sha256,
        }


def finder_of(path: Path) -> LungFinder:
    """The lung finder of a file of `ml lungs`, or of a checkpoint.

    Raises
    ------
    CheckpointError
        If there is none in it.
    """
    try:
        return LungFinder.read(path)
    except CheckpointError as error:
        why = str(error).splitlines()[0]
        raise CheckpointError(f"{path.name} holds no lung finder: name a file that does ({why})") from error


def sha256_of(path: Path) -> str:
    """Hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _with_margin(mask: Mask) -> Mask:
    return grown(mask, reach(mask.shape, MARGIN))


def _resized(plane: NDArray[np.floating], shape: tuple[int, ...]) -> NDArray[np.float32]:
    image = Image.fromarray(plane.astype(np.float32))
    return np.asarray(image.resize((shape[1], shape[0]), Image.Resampling.BILINEAR))
