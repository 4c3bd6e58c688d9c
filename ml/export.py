"""A stored film → de-identified DICOM file (PS3.15 Annex E), from our own grey levels and the allow-listed attributes.

DX, CR and secondary captures stay what they were; pictures become secondary captures. The file is always MONOCHROME2,
uncompressed, with the grey levels of the stored film: `decode` reads it back bit for bit.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.valuerep import DS

from ml import deid

OURS = "covidweb"
NOTICE = "Research software. Not a medical device."
OLDEST = 90  # ages above 89 are told together (45 CFR 164.514(b)(2)(i)(C))
_CHEST = {"CodeValue": "816094009", "CodingSchemeDesignator": "SCT", "CodeMeaning": "Chest"}
# Type 2 (PS3.3): must be there, may be empty.
_MAY_BE_EMPTY = (
    "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "ReferringPhysicianName", "AccessionNumber",
    "PatientOrientation",
)  # fmt: skip
_MAY_BE_EMPTY_OF_RADIOGRAPHS = ("Manufacturer", "BodyPartExamined")
# Described anew, because they were about the file that the film came in.
_ANEW = frozenset({
    "SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction",
    "RescaleIntercept", "RescaleSlope", "RescaleType", "PresentationLUTShape", "PixelIntensityRelationshipSign",
    "LossyImageCompression", "BurnedInAnnotation", "SOPClassUID", "PatientAge", "Laterality",
})  # fmt: skip


@dataclass(frozen=True)
class StoredFilm:
    """What the house keeps of one film: `pixels` is the lossless PNG, UIDs and patient are pseudonyms."""

    pixels: Path
    bits: int
    low: float
    high: float
    study_uid: str
    series_uid: str
    sop_uid: str
    patient: str = ""
    sex: str = ""
    age_years: int | None = None
    is_lossy: bool = False
    text_cleared: bool = False  # a person has looked at the text in the picture: it names nobody
    windows: Sequence[Mapping[str, Any]] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)


def deidentified(film: StoredFilm, *, version: str) -> bytes:
    """The bytes of a DICOM file. Raises OSError if the stored grey levels cannot be read."""
    ds = _empty_file(film)
    _set_all(ds, {k: v for k, v in film.attributes.items() if k in deid.rules() and k not in _ANEW})
    _describe_patient(ds, film)
    _describe_method(ds, film, version)
    _describe_image(ds, film)
    _describe_side(ds, film)
    for keyword in (*_MAY_BE_EMPTY, *(() if _is_capture(ds) else _MAY_BE_EMPTY_OF_RADIOGRAPHS)):
        if keyword not in ds:
            setattr(ds, keyword, "")
    stream = io.BytesIO()
    ds.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _empty_file(film: StoredFilm) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = uid.UID(
        str(film.attributes.get("SOPClassUID", uid.SecondaryCaptureImageStorage))
    )
    meta.MediaStorageSOPInstanceUID = uid.UID(film.sop_uid)
    meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = film.study_uid, film.series_uid
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber = "OT", 1, 1
    if _is_capture(ds):
        ds.ConversionType = "WSD"
    return ds


def _is_capture(ds: Dataset) -> bool:
    return bool(ds.SOPClassUID == uid.SecondaryCaptureImageStorage)


def _set_all(ds: Dataset, values: Mapping[str, Any]) -> None:
    for keyword, value in values.items():
        vr = deid.rules()[keyword].vr
        if vr == "SQ":
            value = [_item(item) for item in value]
        elif vr == "DS":
            value = [_decimal(one) for one in value] if isinstance(value, list) else _decimal(value)
        setattr(ds, keyword, value)


def _item(values: Mapping[str, Any]) -> Dataset:
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def _decimal(number: float) -> Any:
    return DS(float(number), auto_format=True)


def _describe_patient(ds: Dataset, film: StoredFilm) -> None:
    ds.PatientID = film.patient
    ds.PatientName = film.patient.rstrip("=-")  # = would end the name (PS3.5, 6.2)
    if film.sex and "PatientSex" not in ds:
        ds.PatientSex = film.sex
    age = str(film.attributes.get("PatientAge", ""))
    if not age and film.age_years is not None:
        age = f"{film.age_years:03}Y"
    if age:
        ds.PatientAge = f"{OLDEST:03}Y" if age.endswith("Y") and int(age[:3]) >= OLDEST else age


def _describe_method(ds: Dataset, film: StoredFilm, version: str) -> None:
    kept = [element.keyword for element in ds]
    methods = deid.methods_of(dict.fromkeys(kept))
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = "Allow-list of attributes, PS3.15 Annex E"
    ds.DeidentificationMethodCodeSequence = [_code(method, deid.METHODS[method]) for method in methods]
    ds.LongitudinalTemporalInformationModified = "UNMODIFIED" if deid.FULL_DATES in methods else "REMOVED"
    equipment = _item({"Manufacturer": OURS, "SoftwareVersions": version, "ContributionDescription": NOTICE})
    equipment.PurposeOfReferenceCodeSequence = [_code("109104", "De-identifying Equipment")]
    ds.ContributingEquipmentSequence = [equipment]
    ds.DerivationDescription = f"Grey levels as decoded, bone bright; identity removed. {NOTICE}"


def _code(value: str, meaning: str) -> Dataset:
    return _item({"CodeValue": value, "CodingSchemeDesignator": "DCM", "CodeMeaning": meaning})


def _describe_image(ds: Dataset, film: StoredFilm) -> None:
    with Image.open(film.pixels) as image:
        levels = np.asarray(image)
    ds.ImageType = ["DERIVED", "SECONDARY" if _is_capture(ds) else "PRIMARY"]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = levels.shape
    ds.BitsAllocated = 8 if film.bits <= 8 else 16
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = film.bits, film.bits - 1, 0
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "US"
    ds.PresentationLUTShape = "IDENTITY"
    if "PixelSpacingCalibrationType" in ds:
        ds.PixelSpacingCalibrationDescription = "as sent, without the sender's words"
    _describe_windows(ds, film)
    is_lossy = film.is_lossy or film.attributes.get("LossyImageCompression") == "01"
    ds.LossyImageCompression = "01" if is_lossy else "00"
    if film.text_cleared or "BurnedInAnnotation" in film.attributes:
        ds.BurnedInAnnotation = "NO" if film.text_cleared else film.attributes["BurnedInAnnotation"]
    if ds.SOPClassUID == uid.DigitalXRayImageStorageForPresentation:
        _describe_dx(ds)
    data = levels.astype(np.uint8 if film.bits <= 8 else "<u2").tobytes()
    ds.add_new("PixelData", "OB" if film.bits <= 8 else "OW", data + b"\0" * (len(data) % 2))


def _describe_windows(ds: Dataset, film: StoredFilm) -> None:
    """The window that the film is shown through, then the others that it was sent with."""
    others = [(w["low"], w["high"], str(w.get("name", ""))) for w in film.windows]
    first = next((name for low, high, name in others if (low, high) == (film.low, film.high)), "")
    shown = [(film.low, film.high, first)]
    shown += [window for window in others if window[:2] != (film.low, film.high) and window[1] > window[0]]
    ds.WindowCenter = [_decimal((low + high) / 2 + 0.5) for low, high, _ in shown]
    ds.WindowWidth = [_decimal(high - low + 1) for low, high, _ in shown]
    ds.VOILUTFunction = "LINEAR"
    if len(shown) > 1 or first:
        names = [deid.window_name(name) or f"WINDOW{n}" for n, (_, _, name) in enumerate(shown, 1)]
        ds.WindowCenterWidthExplanation = names


def _describe_side(ds: Dataset, film: StoredFilm) -> None:
    """Laterality belongs to paired body parts, or to those that are not named (PS3.3, C.7.3.1)."""
    if not ds.get("BodyPartExamined") and "ImageLaterality" not in ds:
        ds.Laterality = film.attributes.get("Laterality", "")


def _describe_dx(ds: Dataset) -> None:
    """What PS3.3 C.8.11 asks of DX and is known of every film here; what the sender left out is not made up."""
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.PixelIntensityRelationshipSign = -1  # bone is bright: more of it, less of the beam
    ds.AcquisitionContextSequence = []
    if "BurnedInAnnotation" not in ds:
        ds.BurnedInAnnotation = "NO"  # neither declared nor found by ml/burned_in.py
    if "ImageLaterality" not in ds:
        ds.ImageLaterality = "U"  # a chest is not one of a pair
    if "AnatomicRegionSequence" not in ds:
        ds.AnatomicRegionSequence = [_item(_CHEST)] if ds.get("BodyPartExamined") == "CHEST" else []
    ds.PositionerType = ""
    if "DetectorType" not in ds:
        ds.DetectorType = ""
