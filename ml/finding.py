"""From a probability to the one finding that is shown (rule A2)."""

from typing import Literal

Finding = Literal["above", "uncertain", "below"]


def finding_of(probability: float, *, band_low: float, band_high: float) -> Finding:
    """Say on which side of the uncertain band a probability lies; the band's own edges are uncertain.

    Raises
    ------
    ValueError
        If the probability is no number between 0 and 1.
    """
    if not 0 <= probability <= 1:
        raise ValueError(f"{probability} is no probability")
    if probability > band_high:
        return "above"
    return "below" if probability < band_low else "uncertain"
