"""A film in memory, and the limits within which a file is opened at all."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ml.deid import Value
from ml.formats import RefusedFilmError

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_LEVELS = 65_536
_PART = 1 << 22
MIN_SIDE = 224  # the network's own input; less would be invented by enlargement


@dataclass(frozen=True)
class Limits:
    """What `decode` opens: sizes are checked in the header, before a pixel is decoded."""

    min_side: int = MIN_SIDE
    max_megapixels: int = 64

    def check(self, width: int, height: int) -> None:
        """Raise RefusedFilmError (too_small, too_large) unless a film of this size may be opened."""
        megapixels = width * height / 1e6
        if megapixels > self.max_megapixels:
            raise RefusedFilmError("too_large", megapixels=round(megapixels), limit=self.max_megapixels)
        if min(width, height) < self.min_side:
            raise RefusedFilmError("too_small", width=width, height=height)


@dataclass(frozen=True)
class DicomFacts:
    """What a DICOM header says, as sent: dates and times are wall clock and stay strings (rule A12)."""

    modality: str = ""
    sop_class_uid: str = ""
    study_uid: str = ""
    series_uid: str = ""
    sop_uid: str = ""
    patient_id: str = ""
    issuer: str = ""
    accession: str = ""
    sex: str = ""
    birth_date: str = ""
    age_years: int | None = None
    view: str = ""
    laterality: str = ""
    body_part: str = ""
    study_date: str = ""
    study_time: str = ""
    acquisition_date: str = ""
    acquisition_time: str = ""
    manufacturer: str = ""
    model: str = ""
    photometric: str = ""
    transfer_syntax: str = ""
    presentation_intent: str = ""
    patient_orientation: str = ""
    burned_in_annotation: str = ""
    lossy: bool = False
    not_frontal: str = ""  # 'lateral view' and the like, of ml.projection
    # What may be kept and handed out again: the allow-list of ml/deid.csv, and nothing beside it.
    attributes: Mapping[str, Value] = field(default_factory=dict)

    @property
    def is_secondary_capture(self) -> bool:
        """A picture of a screen or of a scanned film, not what the detector gave (PS3.4 B.5)."""
        return self.modality == "SC" or self.sop_class_uid.startswith(SECONDARY_CAPTURE)


@dataclass(frozen=True)
class Window:
    """Which grey level is shown black and which white, by the name that the sender gave it; "" if it gave none."""

    name: str
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Film:
    """One film's grey levels as its source has them, turned upright and brighter where the body is denser.

    Attributes
    ----------
    pixels
        Grey levels, (H, W) uint16.
    low, high
        Window in grey levels: `low` and less is shown black, `high` and more is shown white.
    bits
        Grey levels lie in 0 … 2**bits − 1.
    facts
        The DICOM header, or None for a picture.
    colour
        Mean spread between the three channels, in 8-bit levels; 0 for a gray file.
    windows
        What the source offers to look through, the default (`low`, `high`) first; empty if it names none.
    """

    pixels: NDArray[np.uint16]
    low: float
    high: float
    bits: int
    facts: DicomFacts | None = None
    colour: float = 0.0
    windows: tuple[Window, ...] = ()

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])


def percentile_window(pixels: NDArray[np.uint16]) -> tuple[float, float]:
    """Window for a source that names none: the 0.5th to the 99.5th percentile, never of zero width."""
    return window_of_counts(histogram(pixels))


def window_of_counts(counts: NDArray[np.int64]) -> tuple[float, float]:
    """The same of a histogram; of an empty one, all that there could be."""
    n = int(counts.sum())
    if n == 0:
        return 0.0, float(len(counts) - 1)
    low, high = (_at(counts, share * (n - 1)) for share in (0.005, 0.995))
    return low, max(high, low + 1)


def histogram(pixels: NDArray[np.uint16]) -> NDArray[np.int64]:
    """How many pixels have each of the 65 536 grey levels; in parts, for a count widens what it counts."""
    counts = np.zeros(_LEVELS, np.int64)
    flat = pixels.reshape(-1)
    for start in range(0, flat.size, _PART):
        counts += np.bincount(flat[start : start + _PART], minlength=_LEVELS)
    return counts


def _at(counts: NDArray[np.int64], place: float) -> float:
    """The grey level at a place of the sorted pixels, between two of them by their distance."""
    below = int(place)
    ends = np.searchsorted(counts.cumsum(), (below, min(below + 1, int(counts.sum()) - 1)), side="right")
    return float(ends[0] + (place - below) * (ends[1] - ends[0]))
