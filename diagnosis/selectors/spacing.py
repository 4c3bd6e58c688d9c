"""How long a pixel of a film is, and what a length may be called for it (rule D9)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from diagnosis.models import Instance

CALIBRATED = "mm, calibrated"
AT_DETECTOR = "mm at detector, not corrected"
PIXELS = "px"
CALIBRATIONS = ("GEOMETRY", "FIDUCIAL")


@dataclass(frozen=True)
class Spacing:
    """Length of a pixel along a row (x) and along a column (y), in the unit that `words` name."""

    x: float = 1.0
    y: float = 1.0
    words: str = PIXELS


def spacing_of(instance: Instance) -> Spacing:
    """Pixel Spacing where it says how it was calibrated (PS3.3 10.7.1.1), else Imager Pixel Spacing, else pixels.

    Pixel Spacing without its calibration type may be either: such a film has lengths at the detector or none.
    """
    sent = instance.attributes
    if sent.get("PixelSpacingCalibrationType") in CALIBRATIONS and (pair := _pair(sent, "PixelSpacing")):
        return Spacing(*pair, CALIBRATED)
    if pair := _pair(sent, "ImagerPixelSpacing"):
        return Spacing(*pair, AT_DETECTOR)
    return Spacing()


def _pair(sent: Mapping[str, Any], keyword: str) -> tuple[float, float] | None:
    """(x, y). DICOM sends the distance between rows first, which is a length along a column."""
    value = sent.get(keyword)
    if not isinstance(value, list) or len(value) != 2:
        return None
    if not all(isinstance(one, int | float) and math.isfinite(one) and one > 0 for one in value):
        return None
    return float(value[1]), float(value[0])
