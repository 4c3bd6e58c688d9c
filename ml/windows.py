"""From stored grey levels to a film that is shown right: windows by name, padding, polarity (PS3.3, C.7.6.3, C.11)."""

import re
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from ml import header
from ml.dicom_pixels import Stored, photometric_of
from ml.film import DicomFacts, Film, Window, histogram, window_of_counts

_NAME_LENGTH = 24
_MOST_WINDOWS = 16
# Window names are free text. What could point to somebody is not kept: the window then has a number only.
_IDENTIFYING = (
    "PatientName",
    "PatientID",
    "OtherPatientIDs",
    "PatientBirthDate",
    "AccessionNumber",
    "OperatorsName",
)


def shown(ds: Dataset, stored: Stored, facts: DicomFacts) -> Film:
    """Lay the windows over the stored levels, and turn both when bone would be dark.

    A linear rescale moves the windows instead of the pixels: the levels stay those of the source, exactly.
    """
    levels, bits, offset = stored
    slope, intercept = (1.0, 0.0) if ds.get("ModalityLUTSequence") else _rescale(ds)
    padding = _padding(ds, offset=offset)
    counts = histogram(levels)
    if padding:
        counts[padding[0] : padding[1] + 1] = 0
    sent = [_over_levels(window, slope, intercept - offset * slope) for window in _windows(ds)]
    windows = [window for window in sent if _shows_enough(counts, window)]
    low, high = (windows[0].low, windows[0].high) if windows else _unnamed(counts, bits)
    if (photometric_of(ds) == "MONOCHROME1") != (slope < 0):
        top = 2**bits - 1
        levels, low, high = (top - levels).astype(np.uint16), top - high, top - low
        windows = [Window(window.name, top - window.high, top - window.low) for window in windows]
        padding = padding and (top - padding[1], top - padding[0])
        counts = counts[top::-1]
    if padding:
        levels = _darkened(levels, padding, darkest=int(np.argmax(counts > 0)))
    return Film(levels, low, high, bits, facts, windows=tuple(windows))


def _unnamed(counts: NDArray[np.int64], bits: int) -> tuple[float, float]:
    """Where nothing that was sent can be used: everything of a film that is finished for a screen, else percentiles."""
    return (0.0, 2.0**bits - 1) if bits <= 8 else window_of_counts(counts)


def _shows_enough(counts: NDArray[np.int64], window: Window) -> bool:
    """A window that leaves hardly a pixel between its ends does not belong to this film."""
    if not window.high > window.low:
        return False
    first, last = (
        int(np.clip(end, 0, len(counts))) for end in (np.floor(window.low) + 1, np.ceil(window.high))
    )
    return float(counts[first:last].sum()) > 0.05 * float(counts.sum())


# --- windows ---


def _windows(ds: Dataset) -> list[Window]:
    """All windows (C.11.2.1.2), then the rising parts of all VOI tables (C.11.2.1.1), in modality units."""
    centres, widths = header.numbers(ds, "WindowCenter"), header.numbers(ds, "WindowWidth")
    names = [_name(text, ds) for text in header.texts(ds, "WindowCenterWidthExplanation")]
    exact = header.texts(ds, "VOILUTFunction") not in ([], ["LINEAR"])
    found = [
        Window(name, *_ends(centre, width, exact=exact))
        for centre, width, name in zip_longest(centres, widths, names[: len(centres)])
        if centre is not None and width is not None and width >= 1
    ]
    found = [Window(window.name or "", window.low, window.high) for window in found]
    return [*found, *_tables(ds)][:_MOST_WINDOWS]


def _ends(centre: float, width: float, *, exact: bool) -> tuple[float, float]:
    if exact:
        return centre - width / 2, centre + width / 2
    return centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2


def _over_levels(window: Window, slope: float, intercept: float) -> Window:
    low, high = sorted((end - intercept) / slope for end in (window.low, window.high))
    return Window(window.name, low, high)


def _tables(ds: Dataset) -> list[Window]:
    items = ds.get("VOILUTSequence") or []
    tables = [(item, header.table(item, little=header.is_little(ds))) for item in items]
    return [
        Window(_name(item.get("LUTExplanation") or "", ds), *_rising_part(item, table))
        for item, table in tables
        if len(table) > 1 and table[-1] > table[0]
    ]


def _rising_part(item: Dataset, table: NDArray[np.int64]) -> tuple[float, float]:
    share = (table - table.min()) / max(float(np.ptp(table)), 1.0)
    first = int(item.LUTDescriptor[1])
    low, high = np.argmax(share > 0.01), len(share) - 1 - np.argmax(share[::-1] < 0.99)
    return first + float(low), first + float(high)


def _name(text: str, ds: Dataset) -> str:
    """A window's name if it can point to nobody, else ""."""
    name = " ".join(str(text).split())
    if len(name) > _NAME_LENGTH or re.search(r"\d{4}", name) or not name.isprintable():
        return ""
    told = {word for keyword in _IDENTIFYING for value in header.texts(ds, keyword) for word in _words(value)}
    return "" if _words(name) & told else name


def _words(text: str) -> set[str]:
    """Words of two letters or three digits: less could stand in any name."""
    return set(re.findall(r"[^\W\d]{2,}|\d{3,}", text.casefold()))


# --- scale and padding ---


def _rescale(ds: Dataset) -> tuple[float, float]:
    slope, intercept = header.numbers(ds, "RescaleSlope"), header.numbers(ds, "RescaleIntercept")
    return (slope and slope[0]) or 1.0, (intercept and intercept[0]) or 0.0


def _padding(ds: Dataset, *, offset: int) -> tuple[int, int] | None:
    """First and last grey level that means 'no film here' (C.7.5.1.1.2), or None."""
    ends = [*header.numbers(ds, "PixelPaddingValue")[:1], *header.numbers(ds, "PixelPaddingRangeLimit")[:1]]
    # A signed number under the wrong VR comes as its two's complement.
    levels = [
        int(end) - (65_536 if offset and end >= 2**15 else 0) + offset for end in ends if end is not None
    ]
    if not levels or max(levels) < 0 or min(levels) > 65_535:
        return None
    return max(min(levels), 0), min(max(levels), 65_535)


def _darkened(levels: NDArray[np.uint16], padding: tuple[int, int], *, darkest: int) -> NDArray[np.uint16]:
    """Padding that would shine becomes as dark as the film's darkest level.

    From the edges inwards: the same number inside the film may be saturated bone.
    """
    if padding[0] <= darkest:
        return levels
    is_padding = (levels >= padding[0]) & (levels <= padding[1])
    outside = np.zeros_like(is_padding)
    for axis in (0, 1):
        outside |= np.logical_and.accumulate(is_padding, axis=axis)
        outside |= np.flip(np.logical_and.accumulate(np.flip(is_padding, axis), axis=axis), axis)
    return np.where(outside, np.uint16(darkest), levels)
