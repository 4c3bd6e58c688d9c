"""Files → films → grey pictures: the one place that opens films. Brighter always means denser."""

import logging
import struct
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ml import formats
from ml.dicom import read_dicom
from ml.film import DicomFacts, Film, Limits, Window
from ml.formats import RefusedFilmError
from ml.preprocessing import Preprocessing
from ml.raster import is_cut_off, read_raster

__all__ = [
    "DicomFacts",
    "Film",
    "Limits",
    "Preprocessing",
    "RefusedFilmError",
    "Window",
    "decode",
    "film_from_rendition",
    "to_gray8",
]

# Pillow's debug lines quote what EXIF and TIFF tags say, and that may name a patient.
logging.getLogger("PIL").setLevel(logging.INFO)


def decode(path: Path, *, limits: Limits | None = None) -> Film:
    """Open a PNG, JPEG, TIFF or DICOM file, whatever it is called.

    The size is checked in the header before any pixel is decoded. Time and memory are the caller's to limit.

    Raises
    ------
    RefusedFilmError
        For every file that cannot be opened as a film; a damaged file raises nothing else.
    OSError
        If the file itself cannot be read from the disk.
    """
    path = Path(path)
    with path.open("rb") as file:
        head = file.read(formats.HEAD_BYTES)
    kind = formats.sniff(head)
    if kind is None:
        raise formats.refusal_of(head)
    try:
        return (
            read_dicom(path, limits or Limits())
            if kind == "dicom"
            else _picture(path, kind, limits or Limits())
        )
    except RefusedFilmError:
        raise
    except MemoryError as error:
        raise RefusedFilmError("memory") from error
    except Exception as error:  # decoders raise almost anything on hostile bytes; the cause is kept
        raise _refusal(path, kind, error) from error


def _picture(path: Path, kind: str, limits: Limits) -> Film:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns about odd metadata that we do not use
        return read_raster(path, kind, limits)


def _refusal(path: Path, kind: str, error: Exception) -> RefusedFilmError:
    # Too few bytes for a number, too, mean that the file ends in the middle of one.
    cut_off = isinstance(error, EOFError | struct.error) if kind == "dicom" else is_cut_off(path, kind)
    return (
        RefusedFilmError("truncated", size=path.stat().st_size) if cut_off else RefusedFilmError("unreadable")
    )


def to_gray8(film: Film) -> NDArray[np.uint8]:
    """Show the film through its window: (H, W) uint8, by one look-up table over all its grey levels."""
    levels = np.arange(2**film.bits, dtype=np.float64)
    shown = (levels - film.low) / (film.high - film.low) * 255
    table: NDArray[np.uint8] = np.floor(shown.clip(0, 255) + 0.5).astype(np.uint8)
    return table[film.pixels]


def film_from_rendition(path: Path, low: float, high: float, bits: int) -> Film:
    """Read a film back from our own lossless PNG (16-bit or 8-bit gray), with the window that was kept beside it.

    Raises
    ------
    OSError
        If the file is missing or damaged: it is ours, so this is a fault and no refusal.
    """
    with Image.open(path) as image:
        pixels = np.asarray(image).astype(np.uint16)
    return Film(pixels, low, high, bits)
