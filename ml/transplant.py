"""Lungs of one film in the body of another: which of the two does a score follow?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ml.hiding import FEATHER, MARGIN, Gray, Mask, blend, feathered, grown, reach
from ml.preprocessing import Box

_QUARTILES = (25, 50, 75)
_MOST_GAIN = 1.4  # of contrast


@dataclass(frozen=True, eq=False)
class Chest:
    """A film (H, W), which of its pixels are lung, and the box around them."""

    film: Gray
    mask: Mask
    box: Box


def transplant(lungs: Chest, body: Chest) -> Gray:
    """Put the lungs of one film, stretched from box to box, in place of the other's; a film of the body's size.

    What is covered is both films' lungs with a margin, so that nothing of the body's own lungs is left.
    """
    film = warped(lungs.film, lungs.box, body.box, body.film.shape)
    mask = warped(lungs.mask.astype(np.float32), lungs.box, body.box, body.film.shape) > 0.5
    covered = grown(mask | body.mask, reach(mask.shape, MARGIN))
    share = feathered(covered, reach(mask.shape, FEATHER))
    # Only what lies outside of both lungs is compared: the body's own lungs must not tune the new ones.
    seam = (share > 0) & ~covered
    return blend(body.film, matched(film, film[seam], body.film[seam]), share)


def warped(
    plane: NDArray[np.generic], box: Box, to: Box, shape: tuple[int, ...]
) -> NDArray[np.float32]:  # (h, w) → shape
    """Stretch a plane so that its `box` comes to lie on the box `to` of a film of `shape`; edges are drawn out."""
    height, width = shape
    image = Image.fromarray(plane.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    scale = [(box[i + 2] - box[i]) / (to[i + 2] - to[i]) for i in (1, 0)]
    # Pixel centres: place r of the result shows place (r + ½ − to·n) · scale + box·n − ½ of the plane.
    offset = [
        (0.5 - to[i] * n) * s + box[i] * n - 0.5
        for i, n, s in zip((1, 0), (height, width), scale, strict=True)
    ]
    moved = ndimage.affine_transform(np.asarray(image), scale, offset, order=1, mode="nearest")
    return np.asarray(moved, dtype=np.float32)


def matched(
    film: NDArray[np.float32], seen: NDArray[np.float32], wanted: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Grey levels changed so that the histogram of `seen` comes to have the middle and the width of that of `wanted`.

    No finer, and the width within limits: a seam runs over ribs here and over black air there, and levels that were
    matched one by one made lungs black or ribs white.
    """
    if not len(seen):
        return film
    of, to = np.percentile(seen, _QUARTILES), np.percentile(wanted, _QUARTILES)
    gain = np.clip((to[2] - to[0]) / max(of[2] - of[0], 1.0), 1 / _MOST_GAIN, _MOST_GAIN)
    return np.asarray((film - of[1]) * gain + to[1], dtype=np.float32)
