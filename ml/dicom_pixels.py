"""The pixels of a DICOM file, decoded: each compression by one chosen decoder, and what careless senders meant."""

from typing import Any, NamedTuple

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array

from ml import header
from ml.formats import RefusedFilmError
from ml.streams import END_OF_IMAGE, is_irreversible, is_sound_lossless_jpeg, read_stream

# Which of pydicom's decoders reads which compression: one choice each, so that every machine decodes alike.
DECODERS = {
    uid.ImplicitVRLittleEndian: "",
    uid.ExplicitVRLittleEndian: "",
    uid.ExplicitVRBigEndian: "",
    uid.DeflatedExplicitVRLittleEndian: "",
    uid.JPEGBaseline8Bit: "pillow",
    uid.JPEGLossless: "gdcm",
    uid.JPEGLosslessSV1: "gdcm",
    uid.JPEGLSLossless: "pyjpegls",
    uid.JPEGLSNearLossless: "pyjpegls",
    uid.JPEG2000Lossless: "pylibjpeg",
    uid.JPEG2000: "pylibjpeg",
    uid.RLELossless: "pydicom",
}
# What these leave out does not come back, whatever Lossy Image Compression (0028,2110) says.
LOSSY = (uid.JPEGBaseline8Bit, uid.JPEGLSNearLossless)
_TAIL_BYTES = 1024


class Stored(NamedTuple):
    """Grey levels (H, W) of 0 … 2**bits − 1; `offset` was added to the numbers of the file to make them so."""

    levels: NDArray[np.uint16]
    bits: int
    offset: int


def syntax_of(ds: Dataset) -> uid.UID:
    """The transfer syntax; a bare data set does not name one, but its encoding is known once it is read."""
    named = ds.file_meta.get("TransferSyntaxUID") if hasattr(ds, "file_meta") else None
    if named:
        return uid.UID(named)
    implicit, little = ds.original_encoding
    if implicit:
        return uid.ImplicitVRLittleEndian
    return uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian


def photometric_of(ds: Dataset) -> str:
    """Photometric Interpretation, however it is written."""
    return str(ds.get("PhotometricInterpretation") or "").strip().upper()


def n_bytes(ds: Dataset) -> int:
    """How many bytes the header's plain pixels take: YBR_FULL_422 shares its colours between two."""
    n_samples = int(ds.Rows) * int(ds.Columns) * int(ds.get("SamplesPerPixel") or 1)
    if photometric_of(ds) == "YBR_FULL_422":
        n_samples = n_samples * 2 // 3
    return (n_samples * int(ds.BitsAllocated) + 7) // 8


def is_lossy(ds: Dataset) -> bool:
    """Whether the compression itself, whatever the header says of it, cannot have kept every grey level."""
    syntax = syntax_of(ds)
    if syntax != uid.JPEG2000 or "PixelData" not in ds:
        return syntax in LOSSY
    return is_irreversible(ds.PixelData)


def decoded(ds: Dataset) -> Stored | NDArray[np.uint8]:
    """Grey levels, or a picture in colour (H, W, 3).

    Raises
    ------
    RefusedFilmError
        depth, truncated, unreadable.
    Exception
        Whatever pydicom and its decoders raise on a damaged file.
    """
    _mend(ds)
    if int(ds.BitsAllocated) > 16:
        raise RefusedFilmError("depth", depth=f"{ds.BitsAllocated} bits")
    if DECODERS[syntax_of(ds)] not in ("", "pydicom"):
        _compare_with_stream(ds)
    if not syntax_of(ds).is_encapsulated and len(ds.PixelData) >= 2 * n_bytes(ds):
        raise RefusedFilmError("unreadable")  # twice what the header says: it speaks of other pixels
    # The bits above Bits Stored are left to `_stored`, which looks at what is in them.
    pixels = pixel_array(ds, decoding_plugin=DECODERS[syntax_of(ds)], correct_unused_bits=False)
    if photometric_of(ds) == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, ds)[..., :3]
        # Entries of 8 bits may stand in 16, in the upper half as in the lower.
        return _of_8_bits(pixels, bits=16 if int(pixels.max()) > 255 else 8)
    if pixels.ndim == 3:
        return _of_8_bits(pixels, bits=int(ds.BitsStored))
    if ds.get("ModalityLUTSequence"):
        return _through_modality_table(_stored(ds, pixels), ds)
    return _stored(ds, pixels)


def _mend(ds: Dataset) -> None:
    """Write down what careless senders leave out, where only one reading is possible."""
    syntax = syntax_of(ds)
    if not hasattr(ds, "file_meta"):
        ds.file_meta = pydicom.dataset.FileMetaDataset()
    if (
        syntax.is_encapsulated
        and not ds["PixelData"].is_undefined_length
        and len(ds.PixelData) == n_bytes(ds)
    ):
        syntax = uid.ExplicitVRLittleEndian  # unpacked on its way by somebody who left the old name
    ds.file_meta.TransferSyntaxUID = syntax
    ds.Rows, ds.Columns, ds.BitsAllocated = int(ds.Rows), int(ds.Columns), int(ds.BitsAllocated)
    ds.NumberOfFrames = 1
    ds.SamplesPerPixel = int(ds.get("SamplesPerPixel") or 1)
    ds.BitsStored = min(int(ds.get("BitsStored") or ds.BitsAllocated), ds.BitsAllocated)
    ds.PixelRepresentation = int(ds.get("PixelRepresentation") or 0)
    ds.PhotometricInterpretation = photometric_of(ds)
    if ds.SamplesPerPixel > 1:
        ds.PlanarConfiguration = int(ds.get("PlanarConfiguration") or 0)


# --- compressed streams ---


def _compare_with_stream(ds: Dataset) -> None:
    """A small header must not smuggle a huge picture past the limits, and a stream must not end half way."""
    stream = get_frame(ds.PixelData, 0, number_of_frames=1)
    if read_stream(stream) != (ds.Columns, ds.Rows, ds.SamplesPerPixel):
        raise RefusedFilmError("unreadable")
    if syntax_of(ds) in (uid.JPEGLossless, uid.JPEGLosslessSV1) and not is_sound_lossless_jpeg(stream):
        raise RefusedFilmError("unreadable")
    if END_OF_IMAGE not in stream[-_TAIL_BYTES:]:
        # Some decoders fill up what is missing and say nothing.
        raise RefusedFilmError("truncated", size=len(stream))


# --- numbers to grey levels ---


def _of_8_bits(pixels: NDArray[Any], *, bits: int) -> NDArray[np.uint8]:
    return (pixels >> max(bits - 8, 0)).astype(np.uint8)


def _stored(ds: Dataset, pixels: NDArray[Any]) -> Stored:
    """Numbers as they were meant, unsigned.

    A moved High Bit or an announced overlay (60xx,0102) says what the unused bits hold. Anything else above Bits Stored
    belongs to the picture: to drop it would turn the brightest parts black.
    """
    bits, is_signed = int(ds.BitsStored), bool(ds.PixelRepresentation)
    raw = pixels.view(pixels.dtype.str.replace("i", "u"))
    if int(raw.max()) >= 2**bits and bits <= int(ds.get("HighBit") or 0) < int(ds.BitsAllocated):
        raw = raw >> (int(ds.HighBit) + 1 - bits)
    if int(raw.max()) < 2**bits or _has_embedded_overlay(ds) or (is_signed and _fits(raw, bits)):
        raw = raw & (2**bits - 1)
    else:
        bits = int(ds.BitsAllocated) if is_signed else int(raw.max()).bit_length()
    if not is_signed:
        return Stored(raw.astype(np.uint16), bits, 0)
    # Two's complement becomes 0 … 2**bits − 1 when its highest bit is turned round.
    return Stored((raw ^ (1 << (bits - 1))).astype(np.uint16), bits, 1 << (bits - 1))


def _fits(raw: NDArray[Any], bits: int) -> bool:
    """Whether all signed numbers, their sign carried up to the highest bit, need no more bits than these."""
    signed = raw.view(raw.dtype.str.replace("u", "i"))
    return -(1 << (bits - 1)) <= int(signed.min()) and int(signed.max()) < 1 << (bits - 1)


def _has_embedded_overlay(ds: Dataset) -> bool:
    groups = range(0x6000, 0x6020, 2)
    return any(
        (group, 0x0102) in ds and int(ds[group, 0x0102].value or 0) > 0 and (group, 0x3000) not in ds
        for group in groups
    )


def _through_modality_table(stored: Stored, ds: Dataset) -> Stored:
    """PS3.3, C.11.1: numbers beyond either end of the table have the entry at that end."""
    item = ds.ModalityLUTSequence[0]
    table = header.table(item, little=header.is_little(ds))
    places = stored.levels.astype(np.int32) - stored.offset - int(item.LUTDescriptor[1])
    levels = table[places.clip(0, len(table) - 1)].astype(np.uint16)
    bits = int(item.LUTDescriptor[2])
    return Stored(levels, bits if int(levels.max()) < 2**bits else 16, 0)
