"""The input gate's rules: turn away what is clearly no chest radiograph, without any network.

Which view it is, whether it stands upright and the like is the learned half's to tell, `ml.learned_gate`; its reasons
are named here, where they are read without torch.
"""

import numpy as np
from numpy.typing import NDArray

from ml.film import Film, Limits
from ml.formats import RefusedFilmError
from ml.images import to_gray8

MAX_ASPECT = 2.5  # the longest of 8,201 real films has 2.24
MAX_COLOUR = 20.0  # mean 8-bit levels between the channels: a tinted scan stays below, a photograph does not
MIN_CONTRAST = 16.0  # shown grey levels between the 1st and the 99th percentile
MIN_ENTROPY = 3.0  # bits; the lowest of 2,188 real films has 3.7, the highest of 40 pages of text 2.9

FRONTAL, UNKNOWN = "frontal", "unknown"
# What a film may be instead of an upright frontal one. `unknown` is what the distance alone turns away.
REASONS = (
    "lateral",
    "rotated_90",
    "rotated_180",
    "rotated_270",
    "inverted",
    "cropped",
    "ct",
    "other",
    UNKNOWN,
    "no_lungs",
)


def check(film: Film) -> None:
    """Return quietly if the film may be a chest radiograph.

    Raises
    ------
    RefusedFilmError
        With code too_small, too_large, aspect, colour, blank or few_levels.
    """
    Limits().check(film.width, film.height)
    if max(film.width, film.height) > MAX_ASPECT * min(film.width, film.height):
        raise RefusedFilmError("aspect", width=film.width, height=film.height)
    if film.colour > MAX_COLOUR:
        raise RefusedFilmError("colour")
    gray8 = to_gray8(film)
    if contrast(gray8) < MIN_CONTRAST:
        raise RefusedFilmError("blank")
    if entropy(gray8) < MIN_ENTROPY:
        raise RefusedFilmError("few_levels")


def contrast(gray8: NDArray[np.uint8]) -> float:
    """Shown grey levels (0 to 255) between the 1st and the 99th percentile."""
    low, high = np.percentile(gray8, (1, 99))
    return float(high - low)


def entropy(gray8: NDArray[np.uint8]) -> float:
    """Of the shown grey levels, in bits: 0 for one level, 8 for all of them alike. A page of text has less than 3."""
    shares = np.bincount(gray8.reshape(-1), minlength=256) / gray8.size
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())
