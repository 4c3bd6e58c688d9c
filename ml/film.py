"""A film in memory, and the limits within which a file is opened at all."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.formats import RefusedFilmError

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
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

    @property
    def is_secondary_capture(self) -> bool:
        """A picture of a screen or of a scanned film, not what the detector gave (PS3.4 B.5)."""
        return self.modality == "SC" or self.sop_class_uid.startswith(SECONDARY_CAPTURE)


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
    """

    pixels: NDArray[np.uint16]
    low: float
    high: float
    bits: int
    facts: DicomFacts | None = None
    colour: float = 0.0

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
    low, high = (float(level) for level in np.percentile(pixels, (0.5, 99.5)))
    return low, max(high, low + 1)
