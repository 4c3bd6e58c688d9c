"""How a film looks, in 64 bits, and what makes two files the same film: for duplicates and near-duplicates.

`pixel_sha256` is equal for the same grey levels, whatever file they came in. `appearance` is close for the same film
after another export: another size, compression, contrast or window.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 32  # pixels a side of the small copy
LOW = 8  # frequencies a side that are kept, from the lowest that is not constant
MARGIN = 0.1  # of each side is left out: markers and collimation lie there, and other exports write others
NEAR = 4  # bits of 64; docs/decisions/0008-near-duplicates.md says why


def pixel_sha256(pixels: NDArray[np.uint16]) -> str:
    """Hash of a film's shape and grey levels, without the scale that its file wrote them in.

    The levels are counted from the lowest one, in steps of their greatest common divisor: twelve bits, and the same
    twelve bits moved up to sixteen, are one film.

    Parameters
    ----------
    pixels
        Grey levels, (H, W) uint16.
    """
    is_used = np.zeros(65_536, dtype=bool)
    for row in pixels:  # by rows: a copy of a large film may be more memory than the child has
        is_used[row] = True
    used = np.flatnonzero(is_used)
    step = int(np.gcd.reduce(used - used[0])) or 1
    scaled = ((np.arange(65_536) - used[0]) // step).astype("<u2")
    digest = hashlib.sha256(f"{pixels.shape[0]}x{pixels.shape[1]}:".encode())
    for row in pixels:
        digest.update(scaled[row].tobytes())
    return digest.hexdigest()


def appearance(gray8: NDArray[np.uint8]) -> str:
    """Perceptual hash: which of the 8 × 8 lowest frequencies lie above their median, as 16 hexadecimal digits.

    Ranks in place of grey levels make it blind to windows and gamma (pHash, after Zauner 2010, on ranks).

    Parameters
    ----------
    gray8
        The film as it is shown, (H, W) uint8.
    """
    height, width = gray8.shape
    centre = (width * MARGIN, height * MARGIN, width * (1 - MARGIN), height * (1 - MARGIN))
    small = Image.fromarray(gray8).resize((SIDE, SIDE), Image.Resampling.BOX, box=centre)
    waves = _cosines()  # (LOW, SIDE)
    low = waves @ _ranks(np.asarray(small)) @ waves.T  # (LOW, LOW)
    return np.packbits(low.ravel() > np.median(low)).tobytes().hex()


def distance(one: str, other: str) -> int:
    """Bits in which two appearances differ."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


def _ranks(levels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Each level replaced by the mean place of its like in ascending order."""
    ascending = np.sort(levels.ravel())
    first, after = (np.searchsorted(ascending, levels, side) for side in ("left", "right"))
    ranks: NDArray[np.float64] = (first + after) / 2
    return ranks


def _cosines() -> NDArray[np.float64]:
    """Rows 1 to LOW of the discrete cosine transform."""
    at = (np.arange(SIDE) + 0.5) * np.pi / SIDE
    waves: NDArray[np.float64] = np.cos(np.arange(1, LOW + 1)[:, None] * at)
    return waves
