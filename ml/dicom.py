"""DICOM files → Film: which are refused (rule A11), what the header says, and the grey levels as they are shown."""

import logging
import re
import warnings
import zlib
from pathlib import Path

import pydicom
from pydicom import uid
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from ml import deid, projection
from ml.dicom_pixels import DECODERS, Stored, decoded, is_lossy, n_bytes, syntax_of
from ml.film import DicomFacts, Film, Limits
from ml.formats import RefusedFilmError
from ml.raster import gray_film
from ml.windows import shown

# pydicom's warnings quote the header, and that may name a patient.
logging.getLogger("pydicom").setLevel(logging.ERROR)

MODALITIES = ("CR", "DX", "SC")
ADULT_YEARS = 18
_HEADER_BYTES = 16 * 1024 * 1024  # room for what is not pixels when a deflated file is unpacked
_CHUNK_BYTES = 1024 * 1024
_PREAMBLE_BYTES = 132
# Frames that are stored singly belong here, too: the kinds for several frames may hold one.
_SECONDARY_CAPTURES = (
    uid.SecondaryCaptureImageStorage,
    uid.MultiFrameSingleBitSecondaryCaptureImageStorage,
    uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    uid.MultiFrameTrueColorSecondaryCaptureImageStorage,
)
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
PREAMBLE_BYTES = 132  # 128 of anything, then DICM (PS3.10, 7.1)
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
        too_large, depth, truncated, unreadable.
    Exception
        Whatever pydicom and its decoders raise on a damaged file.
    """
    with warnings.catch_warnings():
        # pydicom warns about every value that bends the standard; real films are full of them.
        warnings.simplefilter("ignore")
        _refuse_deflated_bomb(path, limits)
        ds = pydicom.dcmread(path, force=True)
        if _breaks_off(path, ds):
            raise RefusedFilmError("truncated", size=path.stat().st_size)
        facts = facts_of(ds)
        _refuse_by_header(ds, facts, limits)
        if _is_short(ds):
            raise RefusedFilmError("truncated", size=path.stat().st_size)
        return _film_of(ds, facts)


def facts_of(ds: Dataset) -> DicomFacts:
    """Read the header's facts, as sent; the patient's name is not among them."""
    values = {name: _text(ds, keyword) for name, keyword in _ATTRIBUTES.items()}
    age = age_in_years(_text(ds, "PatientAge"), birth_date=values["birth_date"], on=values["study_date"])
    lossy = _text(ds, "LossyImageCompression") == "01" or is_lossy(ds)
    # By what was sent: a spelling that may not be kept must not make a lateral film frontal.
    not_frontal = projection.not_frontal(values["view"], patient_orientation=values["patient_orientation"])
    kept = deid.allowed(ds)
    # These reach rows and pages: only values that no name could be typed into.
    values |= {name: str(kept.get(_ATTRIBUTES[name], "")) for name in _SHOWN}
    if not values["laterality"]:
        values["laterality"] = str(kept.get("Laterality", ""))
    return DicomFacts(
        **values,
        age_years=age,
        transfer_syntax=str(syntax_of(ds)),
        lossy=lossy,
        not_frontal=not_frontal,
        attributes=kept,
    )


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
    try:
        value = ds.get(keyword)
    except Exception:  # pydicom converts on access, and a spoilt value or an unknown VR raises anything
        return ""
    return "" if value is None else str(value).strip()


def _refuse_deflated_bomb(path: Path, limits: Limits) -> None:
    """Unpack a deflated file chunk by chunk and forget it: pydicom would unpack all of it before the first check."""
    with path.open("rb") as file:
        head = file.read(_PREAMBLE_BYTES)
        if not head.endswith(b"DICM"):
            file.seek(0)
        meta = read_dataset(file, is_implicit_VR=False, is_little_endian=True, stop_when=_is_after_meta)
        if meta.get("TransferSyntaxUID") != uid.DeflatedExplicitVRLittleEndian:
            return
        rest = file.read()
    limit = limits.max_megapixels * 2_000_000 + _HEADER_BYTES
    unpack = zlib.decompressobj(-zlib.MAX_WBITS)
    n_unpacked = 0
    while rest and not unpack.eof:
        n_unpacked += len(unpack.decompress(rest, _CHUNK_BYTES))
        rest = unpack.unconsumed_tail
        if n_unpacked > limit:
            raise RefusedFilmError(
                "too_large", megapixels=n_unpacked // 1_000_000, limit=limits.max_megapixels
            )
    if not unpack.eof:
        raise RefusedFilmError("truncated", size=path.stat().st_size)


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
    if _is_for_processing(facts):
        raise RefusedFilmError("not_presentation")
    if facts.age_years is not None and facts.age_years < ADULT_YEARS:
        raise RefusedFilmError("child", age=facts.age_years)
    frames = int(ds.get("NumberOfFrames") or 1)
    if frames > 1:
        raise RefusedFilmError("multi_frame", frames=frames)
    if syntax_of(ds) not in DECODERS:
        raise RefusedFilmError("unsupported_syntax", uid=facts.transfer_syntax)
    limits.check(int(ds.Columns), int(ds.Rows))


def _is_radiograph(facts: DicomFacts) -> bool:
    # Secondary captures are mostly sent with modality OT: SC is the name of their kind, not a value of the standard.
    modality = facts.modality.upper()
    return modality in MODALITIES or (modality in ("OT", "") and facts.sop_class_uid in _SECONDARY_CAPTURES)


def _is_for_processing(facts: DicomFacts) -> bool:
    """By its intent; where that is left out, by its kind."""
    if facts.presentation_intent:
        return facts.presentation_intent.upper() == "FOR PROCESSING"
    return facts.sop_class_uid == uid.DigitalXRayImageStorageForProcessing


def _breaks_off(path: Path, ds: Dataset) -> bool:
    """Whether the file ends in the middle of an attribute: pydicom gives what there is of it, leaves it out, or with it
    all others.
    """
    if not len(ds):
        # Bytes that begin with no attribute at all are damaged, not cut off.
        return bool(ds.file_meta) or path.stat().st_size <= PREAMBLE_BYTES
    if "PixelData" in ds or "EncapsulatedDocument" in ds:
        return False
    last: object = ds.get_item(max(ds.keys()))  # as read: nothing is converted yet
    if not isinstance(last, RawDataElement) or syntax_of(ds) == uid.DeflatedExplicitVRLittleEndian:
        return False
    return last.value_tell + last.length != path.stat().st_size


def _is_short(ds: Dataset) -> bool:
    """Whether there are fewer plain pixels than the header says."""
    return not syntax_of(ds).is_encapsulated and len(ds.PixelData) < n_bytes(ds)


def _film_of(ds: Dataset, facts: DicomFacts) -> Film:
    pixels = decoded(ds)
    if isinstance(pixels, Stored):
        return shown(ds, pixels, facts)
    picture = gray_film(pixels)
    return Film(picture.pixels, picture.low, picture.high, picture.bits, facts, picture.colour)
