"""DICOM files → Film: which are refused (rule A11), what the header says, and the grey levels as they are shown."""

import logging
import re
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.filereader import read_dataset
from pydicom.pixels.processing import apply_modality_lut
from pydicom.pixels.utils import pixel_array
from pydicom.tag import BaseTag

from ml import deid
from ml.film import DicomFacts, Film, Limits, percentile_window
from ml.formats import RefusedFilmError
from ml.raster import gray_film

# pydicom's warnings quote the header, and that may name a patient.
logging.getLogger("pydicom").setLevel(logging.ERROR)

# Which of pydicom's decoders reads which compression: one choice each, so that every machine decodes alike.
DECODERS = {
    uid.ImplicitVRLittleEndian: "",
    uid.ExplicitVRLittleEndian: "",
    uid.ExplicitVRBigEndian: "",
    uid.DeflatedExplicitVRLittleEndian: "",
    uid.JPEGBaseline8Bit: "pillow",
    uid.JPEGLossless: "gdcm",
    uid.JPEGLosslessSV1: "gdcm",
    uid.JPEGLSLossless: "gdcm",
    uid.JPEGLSNearLossless: "gdcm",
    uid.JPEG2000Lossless: "gdcm",
    uid.JPEG2000: "gdcm",
    uid.RLELossless: "pydicom",
}
# What these leave out does not come back, whatever Lossy Image Compression (0028,2110) says.
LOSSY = (uid.JPEGBaseline8Bit, uid.JPEGLSNearLossless)
MODALITIES = ("CR", "DX", "SC")
ADULT_YEARS = 18
_HEADER_BYTES = 16 * 1024 * 1024  # room for what is not pixels when a deflated file is unpacked
_CHUNK_BYTES = 1024 * 1024
_TAIL_BYTES = 64 * 1024
_END_OF_SEQUENCE = b"\xfe\xff\xdd\xe0"
_A_YEAR = {"Y": 1.0, "M": 12.0, "W": 52.1775, "D": 365.2425}
_ATTRIBUTES = {
    "modality": "Modality",
    "sop_class_uid": "SOPClassUID",
    "study_uid": "StudyInstanceUID",
    "series_uid": "SeriesInstanceUID",
    "sop_uid": "SOPInstanceUID",
    "patient_id": "PatientID",
    "issuer": "IssuerOfPatientID",
    "accession": "AccessionNumber",
    "sex": "PatientSex",
    "birth_date": "PatientBirthDate",
    "view": "ViewPosition",
    "laterality": "ImageLaterality",
    "body_part": "BodyPartExamined",
    "study_date": "StudyDate",
    "study_time": "StudyTime",
    "acquisition_date": "AcquisitionDate",
    "acquisition_time": "AcquisitionTime",
    "manufacturer": "Manufacturer",
    "model": "ManufacturerModelName",
    "photometric": "PhotometricInterpretation",
    "presentation_intent": "PresentationIntentType",
    "patient_orientation": "PatientOrientation",
    "burned_in_annotation": "BurnedInAnnotation",
}
_SHOWN = (
    "sex", "view", "laterality", "body_part", "study_date", "study_time", "acquisition_date", "acquisition_time",
    "manufacturer", "model", "burned_in_annotation",
)  # fmt: skip


def read_dicom(path: Path, limits: Limits) -> Film:
    """Read one single-frame radiograph, bone bright whatever its photometric interpretation.

    Raises
    ------
    RefusedFilmError
        encapsulated_pdf, no_pixels, modality, not_presentation, child, multi_frame, unsupported_syntax, too_small,
        too_large, truncated, unreadable.
    Exception
        Whatever pydicom and its decoders raise on a damaged file.
    """
    with warnings.catch_warnings():
        # pydicom warns about every value that bends the standard; real films are full of them.
        warnings.simplefilter("ignore")
        _refuse_deflated_bomb(path, limits)
        ds = pydicom.dcmread(path, force=True)
        facts = facts_of(ds)
        if _lacks_end(path, ds) and "PixelData" not in ds:  # pydicom leaves out what breaks off
            raise RefusedFilmError("truncated", size=path.stat().st_size)
        _refuse_by_header(ds, facts, limits)
        if _lacks_end(path, ds) or _is_short(ds):
            raise RefusedFilmError("truncated", size=path.stat().st_size)
        return _film_of(ds, facts)


def facts_of(ds: Dataset) -> DicomFacts:
    """Read the header's facts, as sent; the patient's name is not among them."""
    values = {name: _text(ds, keyword) for name, keyword in _ATTRIBUTES.items()}
    age = age_in_years(_text(ds, "PatientAge"), birth_date=values["birth_date"], on=values["study_date"])
    lossy = _text(ds, "LossyImageCompression") == "01" or _syntax(ds) in LOSSY
    kept = deid.allowed(ds)
    # These reach rows and pages: only values that no name could be typed into.
    values |= {name: str(kept.get(_ATTRIBUTES[name], "")) for name in _SHOWN}
    if not values["laterality"]:
        values["laterality"] = str(kept.get("Laterality", ""))
    return DicomFacts(**values, age_years=age, transfer_syntax=str(_syntax(ds)), lossy=lossy, attributes=kept)


def age_in_years(age: str, *, birth_date: str, on: str) -> int | None:
    """Whole years at the time of the film: from the stated age ('009Y', '18M', also '81'), else from two dates."""
    stated = re.fullmatch(r"\s*(\d{1,3})\s*([YMWD]?)\s*", age)
    if stated:
        return int(int(stated[1]) / _A_YEAR[stated[2] or "Y"])
    born, taken = (re.fullmatch(r"(\d{4})[.-]?(\d\d)[.-]?(\d\d)", date) for date in (birth_date, on))
    if not born or not taken:
        return None
    years = int(taken[1]) - int(born[1]) - ((taken[2], taken[3]) < (born[2], born[3]))
    return years if years >= 0 else None


def _text(ds: Dataset, keyword: str) -> str:
    value = ds.get(keyword)
    return "" if value is None else str(value).strip()


def _syntax(ds: Dataset) -> uid.UID:
    """The transfer syntax; a bare data set does not name one, but its encoding is known once it is read."""
    named = ds.file_meta.get("TransferSyntaxUID") if hasattr(ds, "file_meta") else None
    if named:
        return uid.UID(named)
    implicit, little = ds.original_encoding
    if implicit:
        return uid.ImplicitVRLittleEndian
    return uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian


def _refuse_deflated_bomb(path: Path, limits: Limits) -> None:
    """Unpack a deflated file chunk by chunk and forget it: pydicom would unpack all of it before the first check."""
    with path.open("rb") as file:
        if file.read(132)[128:] != b"DICM":
            return
        meta = read_dataset(file, is_implicit_VR=False, is_little_endian=True, stop_when=_is_after_meta)
        if meta.get("TransferSyntaxUID") != uid.DeflatedExplicitVRLittleEndian:
            return
        rest = file.read()
    limit = limits.max_megapixels * 2_000_000 + _HEADER_BYTES
    unpack = zlib.decompressobj(-zlib.MAX_WBITS)
    n_bytes = 0
    while rest and not unpack.eof:
        n_bytes += len(unpack.decompress(rest, _CHUNK_BYTES))
        rest = unpack.unconsumed_tail
        if n_bytes > limit:
            raise RefusedFilmError("too_large", megapixels=n_bytes // 1_000_000, limit=limits.max_megapixels)


def _is_after_meta(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return tag.group != 2


def _refuse_by_header(ds: Dataset, facts: DicomFacts, limits: Limits) -> None:
    if "EncapsulatedDocument" in ds or facts.sop_class_uid == uid.EncapsulatedPDFStorage:
        raise RefusedFilmError("encapsulated_pdf")
    if not (facts.modality or facts.sop_class_uid or "PixelData" in ds):
        raise RefusedFilmError("unreadable")
    if "PixelData" not in ds or not ds.PixelData or "Rows" not in ds:
        raise RefusedFilmError("no_pixels")
    if not _is_radiograph(facts):
        raise RefusedFilmError("modality", modality=facts.modality or "not stated")
    if facts.presentation_intent.upper() == "FOR PROCESSING":
        raise RefusedFilmError("not_presentation")
    if facts.age_years is not None and facts.age_years < ADULT_YEARS:
        raise RefusedFilmError("child", age=facts.age_years)
    frames = int(ds.get("NumberOfFrames") or 1)
    if frames > 1:
        raise RefusedFilmError("multi_frame", frames=frames)
    if _syntax(ds) not in DECODERS:
        raise RefusedFilmError("unsupported_syntax", uid=facts.transfer_syntax)
    limits.check(int(ds.Columns), int(ds.Rows))


def _is_radiograph(facts: DicomFacts) -> bool:
    # Secondary captures are mostly sent with modality OT: SC is the name of their kind, not a value of the standard.
    return facts.modality in MODALITIES or (
        facts.modality in ("OT", "") and facts.sop_class_uid == uid.SecondaryCaptureImageStorage
    )


def _lacks_end(path: Path, ds: Dataset) -> bool:
    """Whether compressed pixels are without the mark that ends them."""
    if not _syntax(ds).is_encapsulated:
        return False
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return _END_OF_SEQUENCE not in file.read()


def _is_short(ds: Dataset) -> bool:
    """Whether there are fewer plain pixels than the header says."""
    n_samples = int(ds.Rows) * int(ds.Columns) * int(ds.get("SamplesPerPixel") or 1)
    return not _syntax(ds).is_encapsulated and len(ds.PixelData) < n_samples * int(ds.BitsAllocated) // 8


def _film_of(ds: Dataset, facts: DicomFacts) -> Film:
    pixels = _decoded(ds)
    if pixels.ndim == 3:
        picture = gray_film(pixels)
        return Film(picture.pixels, picture.low, picture.high, picture.bits, facts, picture.colour)
    if "ModalityLUTSequence" in ds:
        levels, bits = np.asarray(apply_modality_lut(pixels, ds)).astype(np.uint16), 16
        return _shown(ds, levels, facts, bits=bits, offset=0)
    bits = int(ds.BitsStored)
    offset = 2 ** (bits - 1) if ds.get("PixelRepresentation") == 1 else 0
    levels = (pixels.astype(np.int32) + offset).clip(0, 2**bits - 1).astype(np.uint16)
    return _shown(ds, levels, facts, bits=bits, offset=offset)


def _decoded(ds: Dataset) -> NDArray[Any]:
    """Decode with the one chosen decoder; (H, W) or (H, W, 3)."""
    syntax = _syntax(ds)
    if not hasattr(ds, "file_meta"):
        ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    if int(ds.BitsAllocated) > 16 or "PALETTE" in _text(ds, "PhotometricInterpretation"):
        raise RefusedFilmError("unreadable")
    if DECODERS[syntax] in ("pillow", "gdcm"):
        _compare_with_stream(ds)
    pixels = pixel_array(ds, decoding_plugin=DECODERS[syntax])
    if pixels.ndim == 3 and pixels.dtype != np.uint8:
        raise RefusedFilmError("unreadable")
    return pixels


def _compare_with_stream(ds: Dataset) -> None:
    """A small header must not smuggle a huge picture past the limits."""
    if stream_size(get_frame(ds.PixelData, 0, number_of_frames=1)) != (int(ds.Columns), int(ds.Rows)):
        raise RefusedFilmError("unreadable")


def stream_size(stream: bytes) -> tuple[int, int] | None:
    """Width and height that a JPEG, JPEG-LS or JPEG 2000 stream states itself, or None.

    JPEG: frame header (ITU-T T.81, B.2.2); JPEG-LS: SOF55 (T.87, C.2.2); JPEG 2000: size marker (T.800, A.5.1).
    """
    if stream.startswith(b"\xff\x4f\xff\x51"):
        right, bottom, left, top = (int.from_bytes(stream[at : at + 4]) for at in range(8, 24, 4))
        return right - left, bottom - top
    at = 2
    while at + 9 <= len(stream) and stream[at] == 0xFF:
        marker = stream[at + 1]
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            return int.from_bytes(stream[at + 7 : at + 9]), int.from_bytes(stream[at + 5 : at + 7])
        at += 1 if marker == 0xFF else 2 + int.from_bytes(stream[at + 2 : at + 4])
    return None


def _shown(ds: Dataset, levels: NDArray[np.uint16], facts: DicomFacts, *, bits: int, offset: int) -> Film:
    """Lay the window over the stored levels, and turn both when bone would be dark.

    A linear rescale moves the window instead of the pixels: the levels stay those of the source, exactly.
    """
    slope, intercept = (1.0, 0.0) if "ModalityLUTSequence" in ds else _rescale(ds)
    window = _voi(ds)
    if window is not None:
        ends = sorted((level - intercept) / slope + offset for level in window)
    if window is None or not _shows_enough(levels, ends[0], ends[1]):
        ends = [0.0, 2.0**bits - 1] if bits <= 8 else list(percentile_window(levels))
    if (facts.photometric == "MONOCHROME1") != (slope < 0):
        top = 2**bits - 1
        levels, ends = (top - levels).astype(np.uint16), [top - ends[1], top - ends[0]]
    return Film(levels, ends[0], ends[1], bits, facts)


def _rescale(ds: Dataset) -> tuple[float, float]:
    slope = float(ds.get("RescaleSlope") or 1)
    return slope, float(ds.get("RescaleIntercept") or 0)


def _voi(ds: Dataset) -> tuple[float, float] | None:
    """Both ends of the first window (PS3.3 C.11.2.1.2), or of the rising part of a VOI LUT."""
    centre, width = (_first(ds.get(keyword)) for keyword in ("WindowCenter", "WindowWidth"))
    if centre is not None and width is not None and width >= 1:
        if _text(ds, "VOILUTFunction") in ("", "LINEAR"):
            return centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
        return centre - width / 2, centre + width / 2
    if ds.get("VOILUTSequence"):
        return _ends_of_lut(ds.VOILUTSequence[0])
    return None


def _first(value: Any) -> float | None:
    if value is None or value == "":
        return None
    return float(value[0] if isinstance(value, pydicom.multival.MultiValue) else value)


def _ends_of_lut(item: Dataset) -> tuple[float, float]:
    data = item.LUTData  # bytes or numbers, as the sender chose
    table = (np.frombuffer(data, "<u2") if isinstance(data, bytes) else np.asarray(data)).astype(np.float64)
    share = (table - table.min()) / max(np.ptp(table), 1)
    first = int(item.LUTDescriptor[1])
    return first + float(np.argmax(share > 0.01)), first + float(
        len(share) - 1 - np.argmax(share[::-1] < 0.99)
    )


def _shows_enough(levels: NDArray[np.uint16], low: float, high: float) -> bool:
    """A window that leaves hardly a pixel between its ends does not belong to this film."""
    return high > low and float(np.mean((levels > low) & (levels < high))) > 0.05
