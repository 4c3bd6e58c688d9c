"""Turn away what is clearly no chest radiograph. Which view it is, is not checked here."""

import numpy as np

from ml.film import Film, Limits
from ml.formats import RefusedFilmError
from ml.images import to_gray8

MAX_ASPECT = 2.5  # the longest of 8,201 real films has 2.24
MAX_COLOUR = 20.0  # mean 8-bit levels between the channels: a tinted scan stays below, a photograph does not
MIN_CONTRAST = 16.0  # shown grey levels between the 1st and the 99th percentile


def check(film: Film) -> None:
    """Return quietly if the film may be a chest radiograph.

    Raises
    ------
    RefusedFilmError
        With code too_small, too_large, aspect, colour or blank.
    """
    Limits().check(film.width, film.height)
    if max(film.width, film.height) > MAX_ASPECT * min(film.width, film.height):
        raise RefusedFilmError("aspect", width=film.width, height=film.height)
    if film.colour > MAX_COLOUR:
        raise RefusedFilmError("colour")
    if contrast(film) < MIN_CONTRAST:
        raise RefusedFilmError("blank")


def contrast(film: Film) -> float:
    """Shown grey levels (0 to 255) between the 1st and the 99th percentile."""
    low, high = np.percentile(to_gray8(film), (1, 99))
    return float(high - low)
