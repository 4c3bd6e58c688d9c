"""Films whose lungs are hidden: what can still be told from them was never told by a lung."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ml.checkpoint import CheckpointError, read_header
from ml.lungs import Box, LungFinder, box_of

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
    """Hides the lungs of square films, one by one; `name` tells its films from others in a cache."""

    finder: Finder
    finder_sha256: str

    @classmethod
    def of(cls, checkpoint: Path) -> "LungHider":
        """Take the lung finder of a checkpoint.

        Raises
        ------
        CheckpointError
            If the file cannot be used, or holds no lung finder.
        """
        finder = LungFinder.of(checkpoint)
        if finder is None:
            raise CheckpointError(f"{checkpoint.name} holds no lung finder: name a checkpoint that does")
        return cls(finder, read_header(checkpoint).sha256)

    @property
    def name(self) -> str:
        """Changes with whatever changes the films."""
        return f"lungs hidden:{self.finder_sha256}:{MARGIN}:{FEATHER}:{CENTRE}"

    def __call__(self, film: Gray) -> Gray:
        """The film (S, S) without its lungs."""
        (mask,) = self.finder.masks(film[np.newaxis])
        return hide_box(film, box_of(mask))

    def provenance(self) -> dict[str, str]:
        """What a checkpoint says that was trained on such films."""
        return {
            "how": "box of the lungs with a margin, filled with the mean of the ring around it; "
            "where no lungs were found, the central 70 %",
            "lung_finder_sha256": self.finder_sha256,
        }


def squashed(film: Gray, size: int) -> Gray:
    """The film as training keeps it, (size, size)."""
    return np.asarray(Image.fromarray(film).resize((size, size), Image.Resampling.BILINEAR))


def _with_margin(mask: Mask) -> Mask:
    return grown(mask, reach(mask.shape, MARGIN))


def _resized(plane: NDArray[np.floating], shape: tuple[int, ...]) -> NDArray[np.float32]:
    image = Image.fromarray(plane.astype(np.float32))
    return np.asarray(image.resize((shape[1], shape[0]), Image.Resampling.BILINEAR))
