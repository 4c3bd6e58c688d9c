"""What a network is shown of a film: all of it, or its lungs alone. The same for training, measuring and serving.

In the films at hand the body around the lungs, the collimation, letters and the exposure give the source away, and with
it the label. So a network may be shown nothing but lungs: their box, everything else gray, and grey levels that say
only where in the lungs' own range a pixel lies.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ml.lungs import SIDE, LungFinder, box_of, lungs_of, resized
from ml.preprocessing import WHOLE, Box, Preprocessing

_RIM = 2  # pixels of the mask (of 128) that are shown around the lungs: a pleura must not be cut off
_FEATHER = 1.5  # deviation of the mask's soft edge, in its pixels
_GRAY = 0.5  # what lies outside, of the whole range


@dataclass(frozen=True, eq=False)
class Glance:
    """A film as a network sees it.

    Attributes
    ----------
    square
        (S, S) uint8, not yet normalised.
    box
        What of the film the square shows.
    has_lungs
        Whether a pair of lungs was found, or nobody looked for one.
    """

    square: NDArray[np.uint8]
    box: Box
    has_lungs: bool


class Sight:
    """Films to squares, as a preprocessing says.

    Raises
    ------
    ValueError
        If lungs are asked for and nobody is there to find them.
    """

    def __init__(self, preprocessing: Preprocessing, finder: LungFinder | None = None) -> None:
        if preprocessing.region == "lungs" and finder is None:
            raise ValueError("the network is shown lungs alone, and no lung finder comes with it")
        self.preprocessing = preprocessing
        self.finder = finder

    @property
    def size(self) -> int:
        """Side of the squares, S."""
        return self.preprocessing.size

    @property
    def name(self) -> str:
        """Changes with whatever changes the squares: the preprocessing, and the finder where it takes part."""
        if self.preprocessing.region == "film" or self.finder is None:
            return self.preprocessing.version
        return f"{self.preprocessing.version}-{_digest(self.finder)}"

    def __call__(self, gray8: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The square of one film (H, W)."""
        return self.look([gray8])[0].square

    def masks(self, grays: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32] | None:
        """How surely each pixel is lung, (N, 128, 128); None without a finder."""
        return self.finder.masks(np.stack([resized(gray) for gray in grays])) if self.finder else None

    def look(
        self, grays: Sequence[NDArray[np.uint8]], *, masks: NDArray[np.float32] | None = None
    ) -> list[Glance]:
        """Look at films (H, W) uint8 of any shapes.

        `masks` (N, 128, 128) stand for the finder's own, such as those of the films before their lungs were filled.
        A film without a plausible pair of lungs is shown whole.
        """
        if masks is None:
            masks = self.masks(grays)
        if masks is None:
            return [Glance(self.preprocessing.resize(gray), WHOLE, has_lungs=True) for gray in grays]
        return [self._glance(gray, mask) for gray, mask in zip(grays, masks, strict=True)]

    def _glance(self, gray8: NDArray[np.uint8], mask: NDArray[np.float32]) -> Glance:
        box = box_of(mask)
        if self.preprocessing.region == "film":
            return Glance(self.preprocessing.resize(gray8), WHOLE, has_lungs=box is not None)
        shown = box or WHOLE
        square = self.preprocessing.resize(gray8, box=shown)
        share = _share(lungs_of(mask), shown, self.size) if box else np.ones(square.shape, dtype=np.float32)
        return Glance(only(square, share), shown, has_lungs=box is not None)


def _share(lungs: NDArray[np.bool_], box: Box, size: int) -> NDArray[np.float32]:
    """How far each pixel of the square is shown, 0 … 1: the lungs with a rim and a soft edge."""
    rim = ndimage.binary_dilation(lungs, iterations=_RIM).astype(np.float32)
    soft = Image.fromarray(ndimage.gaussian_filter(rim, _FEATHER))
    left, top, right, bottom = (edge * SIDE for edge in box)
    return np.asarray(soft.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, right, bottom)))


def only(square: NDArray[np.uint8], share: NDArray[np.float32]) -> NDArray[np.uint8]:
    """What `share` (S, S) shows, gray around it; a grey level becomes its rank among the levels shown.

    Ranks are the same for a dark and a bright exposure and for every window that keeps the order of levels.
    """
    shown = square[share > 0.5]
    if not shown.size:
        shown = square.ravel()
    n = np.bincount(shown, minlength=256)  # (256)
    rank = (np.cumsum(n) - n / 2) / shown.size  # the middle of each level's place
    mixed = share * rank[square] + (1 - share) * _GRAY
    return np.asarray((mixed * 255).round(), dtype=np.uint8)


def _digest(finder: LungFinder) -> str:
    digest = hashlib.sha256()
    for name, tensor in finder.network.state_dict().items():
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()[:12]
