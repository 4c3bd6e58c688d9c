"""Any sequence of uploads: each ends in exactly one of accepted, refused, duplicate, stopped; nothing is left over.

A few lines of plain Python say which end is right; the house has to agree with them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import TestCase
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diagnosis.models import Analysis, Batch, IdentityConflict, Instance, Patient, Series, Study, Upload
from diagnosis.services import intake, patients, withdrawal
from diagnosis.states import PatientOrigin, UploadStatus
from tests import factories, xrays

pytestmark = pytest.mark.django_db

ENDS = {UploadStatus.ACCEPTED, UploadStatus.REFUSED, UploadStatus.DUPLICATE, UploadStatus.STOPPED}
PATIENTS = ("", "AB12", "CD34")


@dataclass(frozen=True)
class Sent:
    """One upload: which film (none: a bad file), in which kind of file, of whom, by which team."""

    film: int | None
    kind: str
    patient: str
    team: int
    is_demo: bool


@dataclass(frozen=True)
class Withdrawn:
    """The study of the n-th film that was stored is withdrawn."""

    n: int


films = st.builds(
    Sent,
    film=st.sampled_from([0, 0, 0, 1, 1, None]),
    kind=st.sampled_from(["png", "dicom"]),
    patient=st.sampled_from(PATIENTS),
    team=st.integers(0, 1),
    is_demo=st.sampled_from([False] * 5 + [True]),
)
steps = st.one_of(films, films, films, films, st.builds(Withdrawn, st.integers(0, 3)))


@cache
def content(film: int | None, kind: str, patient: str) -> bytes:
    if film is None:
        return {"png": xrays.png()[:900], "dicom": xrays.dicom(Modality="CT")}[kind]
    pixels = xrays.film(film, width=224, height=224, bits=12)
    return xrays.png(pixels * 16) if kind == "png" else xrays.dicom(pixels, PatientID=patient or None)


@dataclass
class Model:
    """What the house should know: of each film that is known its patient and its team."""

    known: dict[int, tuple[str, int]] = field(default_factory=dict)

    def end_of(self, sent: Sent) -> str:
        """The code of the right end; a film that is stored is remembered."""
        if sent.film is None:
            return "refused"
        if sent.is_demo:
            return "accepted"
        if sent.film not in self.known:
            self.known[sent.film] = (sent.patient, sent.team)
            return "accepted"
        owner, team = self.known[sent.film]
        if sent.patient and owner and sent.patient != owner:
            return "stopped_other_patient"
        if team != sent.team:
            return "duplicate_elsewhere"
        return "duplicate_no_patient" if sent.patient and not owner else "duplicate"


class House:
    """Two teams with a batch each; uploads are received and admitted, studies withdrawn."""

    def __init__(self) -> None:
        self.batches = [factories.BatchFactory() for _ in range(2)]
        self.model = Model()

    def send(self, sent: Sent) -> None:
        right = self.model.end_of(sent)
        file = SimpleUploadedFile("film", content(sent.film, sent.kind, sent.patient))
        with TestCase.captureOnCommitCallbacks(execute=True):
            upload = intake.receive(file, batch=self.batches[sent.team], is_demo=sent.is_demo)
        if sent.kind == "png" and sent.patient:
            upload.patient_key = patients.key_of_typed(sent.patient)
            upload.record_hash = patients.record_of_typed(sent.patient)
            upload.patient_origin = PatientOrigin.TYPED
            upload.save()
        with TestCase.captureOnCommitCallbacks(execute=True):
            intake.admit(upload)
        upload.refresh_from_db()
        found = "refused" if upload.status == UploadStatus.REFUSED else upload.code
        assert found == right, sent

    def withdraw(self, n: int) -> None:
        stored = Instance.objects.filter(series__study__status="active").order_by("created_at")
        for instance in stored[n : n + 1]:
            study = instance.series.study
            withdrawal.withdraw(study, by=study.uploaded_by, reason="a test")
            if not study.is_demo:
                left = {
                    film: known
                    for film, known in self.model.known.items()
                    if hash_of(film) != instance.pixel_sha256
                }
                self.model.known = left


@cache
def hash_of(film: int) -> str:
    from ml.appearance import pixel_sha256

    return pixel_sha256(xrays.film(film, width=224, height=224, bits=12))


@contextmanager
def undone() -> Iterator[None]:
    """Rows of one example are gone when it ends."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.lists(steps, min_size=1, max_size=8))
def test_every_upload_has_one_right_end_and_nothing_is_left_over(sequence, settings, monkeypatch):
    monkeypatch.setattr("diagnosis.dispatch._ring", lambda task: None)
    for folder in (settings.MEDIA_ROOT, settings.QUARANTINE_ROOT):
        shutil.rmtree(folder, ignore_errors=True)
    with undone():
        house = House()
        for step in sequence:
            house.withdraw(step.n) if isinstance(step, Withdrawn) else house.send(step)
        nothing_is_left_over(settings)


def nothing_is_left_over(settings: Any) -> None:
    uploads = list(Upload.objects.all())
    assert {upload.status for upload in uploads} <= ENDS
    assert all(upload.sentence and upload.code and upload.finished_at for upload in uploads)
    accepted = [upload.instance_id for upload in uploads if upload.status == UploadStatus.ACCEPTED]
    instances = {instance.pk: instance for instance in Instance.objects.all()}
    assert sorted(accepted) == sorted(instances), "a film has one upload that brought it"
    assert files_in(settings.QUARANTINE_ROOT) == []
    folders = {path.parent for path in files_in(settings.MEDIA_ROOT)}
    assert folders == {instance.folder for instance in instances.values()}
    assert list(Path(settings.MEDIA_ROOT).glob(".new-*")) == []
    assert (
        Analysis.objects.values("instance").distinct().count() == Analysis.objects.count() == len(instances)
    )
    assert (
        not Study.objects.filter(series=None).exists() and not Series.objects.filter(instances=None).exists()
    )
    assert not Patient.objects.filter(studies=None, conflicts=None).exists()
    assert not IdentityConflict.objects.exists() and Batch.objects.count() == 2


def files_in(folder: Path) -> list[Path]:
    return [path for path in Path(folder).rglob("*") if path.is_file()]
