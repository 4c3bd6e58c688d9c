"""Attributes of a DICOM header as text, numbers and tables, whatever their senders made of them."""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue


def texts(ds: Dataset, keyword: str) -> list[str]:
    """All values; none if the attribute is missing, empty or not to be read."""
    try:
        value = ds.get(keyword)
    except Exception:  # pydicom converts on access, and a spoilt value or an unknown VR raises anything
        return []
    if value is None or value == "":
        return []
    return [_text(one) for one in (value if isinstance(value, (MultiValue, list, tuple)) else [value])]


def numbers(ds: Dataset, keyword: str) -> list[float | None]:
    """All values; None where one is no finite number."""
    return [_number(text) for text in texts(ds, keyword)]


def table(item: Dataset, *, little: bool) -> NDArray[np.int64]:
    """LUT Data: bytes or numbers, as the sender chose, one or two bytes each."""
    data = item.LUTData
    if not isinstance(data, bytes):
        return np.atleast_1d(np.asarray(data)).astype(np.int64)
    n = int(item.LUTDescriptor[0]) or 65_536
    wide = len(data) >= 2 * n
    return np.frombuffer(data, ("<u2" if little else ">u2") if wide else "u1")[:n].astype(np.int64)


def is_little(ds: Dataset) -> bool:
    """Whether the file has its lower bytes first."""
    return bool(ds.original_encoding[1] is not False)


def _text(value: object) -> str:
    # Under a VR of bytes, text is text all the same.
    return (value.decode("ascii", "ignore") if isinstance(value, bytes) else str(value)).strip(" \0\r\n\t")


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) else None
