"""Nothing of a marked patient is left on the way in (folder, rows, log), and nothing on the way out."""

from __future__ import annotations

import io
import logging
import warnings
from pathlib import Path
from typing import Any

import pydicom
import pytest
from django.apps import apps
from PIL import Image, PngImagePlugin
from pydicom.datadict import DicomDictionary
from pydicom.dataelem import DataElement

from diagnosis import engine, storage
from diagnosis.models import Instance, Upload
from diagnosis.services import export
from diagnosis.states import UploadStatus
from tests import factories, xrays

pytestmark = pytest.mark.django_db

MARK = "XKNAMEQ"  # no word of any vocabulary
SPELLINGS = [MARK.encode(encoding) for encoding in ("ascii", "utf-16-le", "utf-16-be")] + [
    MARK.lower().encode()
]
TEXTY = ("SH", "CS", "LO", "PN", "AE", "LT", "ST", "UT", "UC", "UR", "UN", "DA", "TM", "DT", "AS")
# What decides whether the film is taken at all.
DECIDES = (
    "Modality",
    "PresentationIntentType",
    "SpecificCharacterSet",
    "PhotometricInterpretation",
    "NumberOfFrames",
)


def marked_dataset() -> pydicom.FileDataset:
    """Every attribute that takes text, private and nested ones too, the preamble and the file meta name the patient."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = xrays.dataset()
        for tag, (vr, _, _, _, keyword) in sorted(DicomDictionary.items()):
            if vr in TEXTY and tag >> 16 > 0x0004 and keyword and keyword not in DECIDES:
                length = 16 if vr in ("SH", "CS", "AE") else 40
                ds.add(
                    DataElement(
                        tag, "LT" if vr in ("UN",) else vr, f"{MARK}^X {MARK}"[:length], validation_mode=0
                    )
                )
        ds.PatientAge = "051Y"
        inner = pydicom.Dataset()
        inner.PatientName, inner.CodeMeaning, inner.TextValue = MARK, MARK, MARK
        ds.ReferencedStudySequence, ds.ViewCodeSequence = [inner], [inner]
        block = ds.private_block(0x0099, MARK, create=True)
        block.add_new(1, "LO", MARK)
        block.add_new(2, "UN", MARK.encode())
        block.add_new(3, "SQ", [inner])
        ds.file_meta.SourceApplicationEntityTitle = MARK
        ds.file_meta.ImplementationVersionName = MARK
        ds.file_meta.PrivateInformationCreatorUID = "1.2.3"
        ds.file_meta.PrivateInformation = MARK.encode()
        ds.preamble = (MARK.encode() * 20)[:128]
    return ds


def marked_dicom() -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return xrays.written(marked_dataset()) + MARK.encode()


def marked_png() -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", MARK)
    info.add_text("Author", MARK, zip=True)
    info.add_itxt("XML:com.adobe.xmp", f"<x:xmpmeta>{MARK}</x:xmpmeta>")
    stream = io.BytesIO()
    Image.fromarray(xrays.film(5)).save(stream, format="PNG", pnginfo=info, exif=marked_exif())
    return stream.getvalue() + MARK.encode()


def marked_jpeg() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(xrays.film(6)).save(
        stream, format="JPEG", exif=marked_exif(), comment=MARK.encode(), xmp=MARK.encode(), quality=95
    )
    return stream.getvalue() + MARK.encode()


def marked_tiff() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(xrays.film(7)).save(stream, format="TIFF", tiffinfo={270: MARK, 315: MARK, 33432: MARK})
    return stream.getvalue()


def marked_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010E] = exif[0x013B] = exif[0x8298] = MARK
    exif[0x9C9B] = MARK.encode("utf-16-le")
    return exif


MARKED = {"DICOM": marked_dicom, "PNG": marked_png, "JPEG": marked_jpeg, "TIFF": marked_tiff}


def found_in(data: bytes) -> bool:
    return any(spelling in data for spelling in SPELLINGS)


def rows() -> str:
    """Every value of every row of the product."""
    models = apps.get_app_config("diagnosis").get_models()
    return "\n".join(str(row) for model in models for row in model._default_manager.values())


@pytest.mark.parametrize("kind", MARKED)
def test_the_marked_file_is_full_of_its_mark(kind):
    data = MARKED[kind]()
    assert data.count(MARK.encode()) >= (1000 if kind == "DICOM" else 2)


@pytest.mark.parametrize("kind", MARKED)
def test_no_byte_of_a_marked_patient_is_left(kind, send, admit, settings, caplog, capfd):
    upload = send(MARKED[kind](), name=f"{MARK}.dcm")
    caplog.set_level(logging.DEBUG)
    caplog.clear()
    admit(upload)
    upload.refresh_from_db()
    assert upload.status == UploadStatus.ACCEPTED, upload.sentence
    kept = [
        path for folder in (settings.MEDIA_ROOT, settings.QUARANTINE_ROOT) for path in Path(folder).rglob("*")
    ]
    assert len([path for path in kept if path.is_file()]) == 3
    assert [path.name for path in kept if path.is_file() and found_in(path.read_bytes())] == []
    assert not any(MARK in str(path) for path in kept)
    assert MARK not in rows() and MARK.lower() not in rows().lower()
    said = capfd.readouterr()
    assert MARK not in caplog.text + said.out + said.err


@pytest.mark.parametrize("kind", MARKED)
def test_no_byte_of_a_marked_patient_leaves(kind, send, admit):
    upload = send(MARKED[kind]())
    admit(upload)
    instance = Instance.objects.get(uploads=upload)
    assert not found_in(export.deidentified_dicom(instance))


def test_a_marked_file_that_is_refused_leaves_nothing_either(send, admit, settings, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    upload = send(marked_dicom()[:150_000])
    admit(upload)
    upload.refresh_from_db()
    assert upload.status == UploadStatus.REFUSED
    said = capfd.readouterr()
    assert MARK not in rows() + caplog.text + said.out + said.err
    assert not storage.quarantine_path(upload.pk).exists()


@pytest.mark.parametrize("kind", MARKED)
def test_the_decoders_name_nobody_in_the_most_talkative_log(kind, tmp_path, caplog, capfd):
    path = tmp_path / "film"
    path.write_bytes(MARKED[kind]())
    (tmp_path / "folder").mkdir()
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    engine._develop(path, tmp_path / "folder", 64)
    said = capfd.readouterr()
    assert MARK not in caplog.text + said.out + said.err


def test_what_the_child_hands_back_has_hashes_to_make_and_no_name(send, tmp_path):
    path = tmp_path / "film"
    path.write_bytes(marked_dicom())
    (tmp_path / "folder").mkdir()
    film = engine.develop(path, tmp_path / "folder")
    assert MARK not in str(dict(film.facts.attributes)) + film.facts.view + film.facts.sex


# --- what is kept ---


def admitted(send: Any, admit: Any, data: bytes, **options: Any) -> Instance:
    upload: Upload = send(data, **options)
    admit(upload)
    upload.refresh_from_db()
    assert upload.instance is not None, upload.sentence
    return upload.instance


def test_allow_listed_attributes_are_kept_beside_the_film(send, admit):
    instance = admitted(send, admit, xrays.dicom(KVP=120, PixelSpacing=[0.14, 0.14], Manufacturer="SIEMENS"))
    assert instance.attributes["KVP"] == 120 and instance.attributes["PixelSpacing"] == [0.14, 0.14]
    assert instance.attributes["Manufacturer"] == "SIEMENS"
    assert not {"PatientName", "PatientID", "StudyInstanceUID", "AccessionNumber"} & set(instance.attributes)
    assert admitted(send, admit, xrays.png(xrays.film(9))).attributes == {}


def test_a_declared_text_is_suspected(send, admit):
    instance = admitted(send, admit, xrays.dicom(BurnedInAnnotation="YES"))
    assert (instance.text_suspected, instance.is_barred) == ("declared", True)


def test_a_text_in_the_picture_is_suspected(send, admit):
    from PIL import ImageDraw

    film = Image.fromarray(xrays.film(10, width=512, height=560))
    ImageDraw.Draw(film).text((8, 8), "DOE^JANE 1950-01-02", fill=255, font_size=22)
    import numpy as np

    instance = admitted(send, admit, xrays.png(np.asarray(film)))
    assert (instance.text_suspected, instance.is_barred) == ("detected", True)
    assert not admitted(send, admit, xrays.png(xrays.film(11))).is_barred


# --- what leaves ---


def exported(instance: Instance) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(export.deidentified_dicom(Instance.objects.get(pk=instance.pk))))


def test_films_of_one_study_leave_as_one_study_and_never_under_its_own_uid(send, admit):
    uids = {"StudyInstanceUID": "1.2.826.0.1.1", "SeriesInstanceUID": "1.2.826.0.1.2"}
    films = [
        admitted(
            send, admit, xrays.dicom(xrays.film(n, bits=12), SOPInstanceUID=f"1.2.826.0.1.3.{n}", **uids)
        )
        for n in (20, 21)
    ]
    first, second = map(exported, films)
    assert (
        first.StudyInstanceUID == second.StudyInstanceUID
        and first.SeriesInstanceUID == second.SeriesInstanceUID
    )
    assert first.SOPInstanceUID != second.SOPInstanceUID
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        assert first[name].value.startswith("2.25.") and first[name].value.is_valid
    assert b"1.2.826.0.1.1" not in export.deidentified_dicom(films[0])
    assert first.PatientID == films[0].series.study.patient.pseudonym


def test_a_picture_leaves_as_a_capture_of_its_own_study(send, admit):
    first = exported(admitted(send, admit, xrays.png(xrays.film(22))))
    second = exported(admitted(send, admit, xrays.jpeg(xrays.film(23))))
    assert first.StudyInstanceUID != second.StudyInstanceUID
    assert (first.PatientID, first.LossyImageCompression, second.LossyImageCompression) == ("", "00", "01")


def test_another_key_makes_other_uids(send, admit, settings):
    instance = admitted(send, admit, xrays.dicom())
    before = exported(instance).StudyInstanceUID
    settings.PSEUDONYM_KEY = "another key"
    assert exported(instance).StudyInstanceUID != before


def test_a_film_whose_text_is_suspected_does_not_leave_as_deidentified(send, admit):
    instance = admitted(send, admit, xrays.dicom(BurnedInAnnotation="YES"))
    with pytest.raises(export.TextSuspectedError):
        export.deidentified_dicom(instance)


def test_the_file_is_called_by_study_and_film():
    instance = factories.InstanceFactory()
    name = export.file_name(instance)
    assert name == f"{instance.series.study.number}-{instance.pk.hex[:8].upper()}.dcm"
