"""A marked patient goes through the whole site: no trace of him is on disk, in the database, in logs or on pages."""

from __future__ import annotations

import contextlib
import io
import logging
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, get_resolver, reverse
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydicom import uid

from diagnosis.models import IdentityConflict, Instance, Prediction, Study, Upload, User
from diagnosis.services import intake
from diagnosis.states import Role, UploadStatus
from tests import factories, xrays
from tests.web.conftest import files_in

# One of them asks every address there is, as everybody.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

UIDS = [f"1.2.826.0.1.3680043.9.7766.{n}.4242424242" for n in range(1, 8)]
MARKS = {
    "name": "ZZQUIRREL",
    "first name": "XAVERIUS",
    "number": "QXID99731",
    "another number": "QXID55512",
    "issuer": "QXISSUER",
    "accession": "QXACC5512",
    "birth date": "19371231",
    "institution": "QXHOSPITAL",
    "physician": "QXPHYSICIAN",
    "comment": "QXCOMMENT",
    "file name": "QXFILENAME",
    "EXIF": "QXEXIF",
    "text chunk": "QXCHUNK",
    "UIDs": "3680043.9.7766",
}


def marked_dicom(seed: int, n: int = 0, **header: Any) -> bytes:
    facts = {
        "PatientName": f"{MARKS['name']}^{MARKS['first name']}",
        "PatientID": MARKS["number"],
        "IssuerOfPatientID": MARKS["issuer"],
        "PatientBirthDate": MARKS["birth date"],
        "AccessionNumber": MARKS["accession"],
        "InstitutionName": MARKS["institution"],
        "InstitutionAddress": MARKS["institution"],
        "ReferringPhysicianName": MARKS["physician"],
        "OperatorsName": MARKS["physician"],
        "StudyDescription": MARKS["comment"],
        "PatientComments": MARKS["comment"],
        "OtherPatientIDs": MARKS["another number"],
        "StudyInstanceUID": UIDS[0],
        "SeriesInstanceUID": UIDS[1],
        "SOPInstanceUID": UIDS[2 + n],
        "FrameOfReferenceUID": UIDS[6],
    }
    return xrays.dicom(xrays.film(seed, bits=12), **{**facts, **header})


def marked_jpeg() -> bytes:
    exif = Image.Exif()
    exif[0x010E], exif[0x013B] = MARKS["EXIF"], MARKS["name"]
    stream = io.BytesIO()
    Image.fromarray(xrays.film(20)).save(stream, "JPEG", exif=exif, comment=MARKS["EXIF"].encode())
    return stream.getvalue()


def marked_png() -> bytes:
    info, stream = PngInfo(), io.BytesIO()
    info.add_text("Patient", MARKS["text chunk"])
    info.add_itxt("Name", MARKS["name"])
    Image.fromarray(xrays.film(21)).save(stream, "PNG", pnginfo=info)
    return stream.getvalue()


def sent() -> list[bytes]:
    """Films that end in every way there is."""
    same_pixels = {"PatientID": MARKS["another number"], "SOPInstanceUID": UIDS[5]}
    return [
        marked_dicom(10),
        marked_dicom(11, 1, ViewPosition="LL"),
        marked_dicom(12, 2, PatientSex="M"),
        marked_dicom(10),
        marked_dicom(10, **same_pixels),
        marked_dicom(13, PatientAge="009Y"),
        marked_dicom(14, Modality="CT"),
        marked_dicom(15, SOPClassUID=uid.SecondaryCaptureImageStorage)[:9000],
        marked_jpeg(),
        marked_png(),
    ]


def traces(found: bytes) -> list[str]:
    """Which marks are in there, in any case."""
    low = found.lower()
    return [name for name, mark in MARKS.items() if mark.lower().encode() in low]


@pytest.fixture
def radiologist() -> User:
    return factories.UserFactory(team=factories.TeamFactory(), role=Role.RADIOLOGIST)


@pytest.fixture
def visit(sign_in, radiologist, promote, caplog) -> Client:
    """All marked films went in and were analysed."""
    caplog.set_level(logging.DEBUG)
    promote()
    factories.UserFactory(role=Role.ADMINISTRATOR)
    browser = sign_in(radiologist)
    for n, content in enumerate(sent()):
        file = SimpleUploadedFile(f"{MARKS['file name']}-{n}.dcm", content)
        answer = browser.post(reverse("uploads"), {"file": file}, headers={"accept": "application/json"})
        assert answer.status_code == 201 and traces(answer.content) == []
    return browser


def test_the_marked_films_went_every_way_there_is(visit):
    ends = set(Upload.objects.values_list("code", flat=True))
    assert ends == {
        "accepted",
        "not_assessed",
        "identity_conflict",
        "duplicate",
        "stopped_other_patient",
        "child",
        "modality",
        "truncated",
    }
    assert Prediction.objects.count() == 4 and IdentityConflict.objects.count() == 1


def test_no_trace_on_disk(visit, settings, tmp_path):
    files = [*files_in(settings.MEDIA_ROOT), *files_in(settings.QUARANTINE_ROOT)]
    assert len(files) > 5 * 3
    for file in files:
        assert traces(file.read_bytes() + str(file.relative_to(tmp_path)).encode()) == []
    for file in files:
        if file.suffix == ".png":
            with Image.open(file) as picture:
                assert picture.info.keys() <= {"transparency", "gamma", "dpi"}, "nothing but pixels"


def test_no_trace_in_the_database(visit, settings):
    rows = [repr(list(model.objects.values())) for model in apps.get_models()]
    assert traces("\n".join(rows).encode()) == []
    if connection.vendor == "sqlite":
        name = Path(connection.settings_dict["NAME"])
        files = list(name.parent.glob(f"{name.name}*"))
        study = Study.objects.exclude(patient=None).first()
        pages = b"".join(file.read_bytes() for file in files)
        assert study.uid_hash.encode() in pages, "the files are those of this database"
        assert traces(pages) == []


def test_no_trace_in_logs(visit, caplog, capfd):
    said = capfd.readouterr()
    logged = "\n".join(
        record.getMessage() + repr(record.args) + str(record.exc_text) for record in caplog.records
    )
    assert traces(f"{logged}{said.out}{said.err}".encode()) == []


def test_no_trace_on_any_page(visit, radiologist, sign_in):
    administrator = User.objects.get(role=Role.ADMINISTRATOR)
    User.objects.filter(pk=administrator.pk).update(is_staff=True, is_superuser=True)
    administrator.refresh_from_db()
    n_pages = 0
    for browser in (visit, sign_in(administrator)):
        ask = partial(status_without_traces, browser)
        n_pages += sum(ask(address) == 200 for address in fixed_addresses())
        n_pages += sum(status == 200 for name in names_with_a_row() for status in walk(name, ask))
    assert n_pages > 250


def status_without_traces(browser: Client, address: str) -> int:
    answer = browser.get(address)
    assert answer.status_code < 500, address
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    answer.close()
    assert traces(body + repr(dict(answer.headers)).encode()) == [], address
    return answer.status_code


def walk(name: str, ask: Callable[[str], int]) -> Iterator[int]:
    """What an address answers about rows of every model. What only takes a POST is left after the first, and a model
    whose rows it does not know after two."""
    for model in apps.get_app_config("diagnosis").get_models():
        statuses: list[int] = []
        for row in model.objects.all()[:5]:
            try:
                statuses.append(ask(reverse(name, args=[row.pk])))
            except NoReverseMatch:
                break
            yield statuses[-1]
            if statuses[-1] == 405:
                return
            if statuses == [404, 404]:
                break


def test_the_hunt_finds_what_is_there(browser, settings, monkeypatch):
    monkeypatch.setattr("diagnosis.dispatch._ring", lambda task: None)
    browser.post(reverse("uploads"), {"file": SimpleUploadedFile("film", marked_dicom(10))})
    (file,) = files_in(settings.QUARANTINE_ROOT)
    assert set(traces(file.read_bytes())) == MARKS.keys() - {"file name", "EXIF", "text chunk"}
    intake.admit_waiting()
    assert files_in(settings.QUARANTINE_ROOT) == [] and Instance.objects.count() == 1
    assert set(traces(marked_jpeg())) == {"EXIF", "name"} and "text chunk" in traces(marked_png())
    assert Upload.objects.get().status == UploadStatus.ACCEPTED


def fixed_addresses() -> Iterator[str]:
    """Every address without an argument, and the admin's pages."""
    for name in names(get_resolver("diagnosis.urls").url_patterns):
        with contextlib.suppress(NoReverseMatch):
            if name != "logout":
                yield reverse(name)
    yield reverse("admin:index")
    for model in admin.site._registry:
        label = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield reverse(f"{label}_changelist")
        yield from (reverse(f"{label}_change", args=[row.pk]) for row in model._default_manager.all()[:5])


def names_with_a_row() -> Iterator[str]:
    for name in names(get_resolver("diagnosis.urls").url_patterns):
        try:
            reverse(name)
        except NoReverseMatch:
            yield name


def names(patterns: list[Any]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            if pattern.name:
                yield pattern.name
        elif not re.search("admin", str(pattern.pattern)):
            yield from names(pattern.url_patterns)
