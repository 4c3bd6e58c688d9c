"""A film is stored once (rule A6), whatever file and team it comes from; nobody learns of what they may not open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from django.urls import reverse

from diagnosis import engine, texts
from diagnosis.models import Batch, Instance, Membership, Notice, Patient, Study, Upload
from diagnosis.services import intake, patients, withdrawal
from diagnosis.states import NoticeKind, PatientOrigin, Role, UploadStatus
from tests import factories, xrays
from tests.services.test_patients import name_beside

pytestmark = pytest.mark.django_db

PIXELS = xrays.film(1, bits=12)
HERE = (UploadStatus.DUPLICATE, "duplicate", texts.ALREADY_HERE)
ELSEWHERE = (UploadStatus.DUPLICATE, "duplicate_elsewhere", texts.STORED_ELSEWHERE)
NO_PATIENT = (UploadStatus.DUPLICATE, "duplicate_no_patient", texts.ALREADY_HERE_NO_PATIENT)
STOPPED = (UploadStatus.STOPPED, "stopped_other_patient", texts.STOPPED_OTHER_PATIENT)
PNG, DICOM = xrays.png((PIXELS * 16).astype(np.uint16)), xrays.dicom(PIXELS, PatientID="AB12")


@pytest.fixture
def arrive(send, admit, batch):
    def _arrive(content: bytes, *, to: Batch = batch, typed: str = "") -> Upload:
        upload = send(content, to=to)
        if typed:
            name_beside(upload, typed)
        admit(upload)
        upload.refresh_from_db()
        return upload

    return _arrive


@pytest.fixture
def stranger() -> Batch:
    return factories.BatchFactory()


def outcome(upload: Upload) -> tuple[str, str, str]:
    return upload.status, upload.code, upload.sentence


def stored() -> int:
    return Instance.objects.count()


def files_in(folder: Path) -> list[Path]:
    return [path for path in Path(folder).rglob("*") if path.is_file()]


@pytest.mark.parametrize("content", [PNG, DICOM], ids=["png", "dicom"])
def test_the_same_bytes_are_stored_once_and_not_opened_again(arrive, content, monkeypatch):
    first = arrive(content)
    monkeypatch.setattr(engine, "develop", None)
    second = arrive(content)
    assert outcome(second) == HERE and second.instance == first.instance and stored() == 1


def test_twelve_bits_and_their_export_as_sixteen_are_one_film(arrive):
    first = arrive(DICOM)
    second = arrive(PNG)
    assert outcome(second) == HERE and second.instance == first.instance and stored() == 1


def test_the_same_pixels_of_the_same_patient_in_another_study_are_one_film(arrive):
    arrive(DICOM)
    again = arrive(xrays.dicom(PIXELS, PatientID="AB12"))
    assert outcome(again) == HERE and Study.objects.count() == 1


@pytest.mark.parametrize("content", [DICOM, PNG], ids=["dicom", "png"])
def test_another_team_is_told_that_it_is_stored_and_not_where(arrive, stranger, content):
    arrive(DICOM)
    theirs = arrive(content, to=stranger)
    assert outcome(theirs) == ELSEWHERE and theirs.instance is None and stored() == 1


def test_whoever_sees_all_teams_may_open_it(arrive, team):
    arrive(DICOM)
    radiologist = factories.UserFactory(role=Role.RADIOLOGIST, team=factories.TeamFactory())
    batch = intake.open_batch(radiologist, team=radiologist.teams.get())
    assert outcome(arrive(DICOM, to=batch)) == HERE


def test_a_member_of_both_teams_may_open_it(arrive, stranger, team):
    arrive(DICOM)
    Membership.objects.create(user=stranger.by, team=team)
    assert outcome(arrive(PNG, to=stranger)) == HERE


# --- whose film it is ---


@pytest.mark.parametrize("elsewhere", [False, True])
def test_the_same_pixels_under_another_patient_stop_and_administrators_see_the_pair(
    arrive, settings, stranger, batch, elsewhere
):
    administrator = factories.UserFactory(role=Role.ADMINISTRATOR)
    first = arrive(DICOM)
    n_files = len(files_in(settings.MEDIA_ROOT))
    second = arrive(xrays.dicom(PIXELS, PatientID="CD34"), to=stranger if elsewhere else batch)
    assert outcome(second) == STOPPED and second.instance == first.instance
    assert second.patient_key == patients.key_of_typed("CD34")
    assert second.record_hash == patients.record_of_typed("CD34")
    assert second.patient_origin == PatientOrigin.HEADER
    assert Patient.objects.count() == 1, "nobody is made of a film that is not kept"
    assert files_in(settings.QUARANTINE_ROOT) == [] and len(files_in(settings.MEDIA_ROOT)) == n_files
    notice = Notice.objects.get(user=administrator)
    assert (notice.kind, notice.text) == (NoticeKind.UPLOAD_STOPPED, texts.STOPPED_NOTICE)
    assert notice.address == reverse("identity")


def test_whoever_sent_a_stopped_film_is_told_once_for_a_batch_and_how_many(arrive, batch):
    arrive(DICOM)
    for number in ("CD34", "EF56"):
        arrive(xrays.dicom(PIXELS, PatientID=number))
    notice = Notice.objects.get(user=batch.by)
    assert (notice.kind, notice.text) == (NoticeKind.UPLOAD_STOPPED, texts.upload_stopped(2))
    assert notice.address == reverse("batch", args=[batch.pk])


def test_many_stopped_films_are_one_notice_until_it_is_read(arrive):
    administrator = factories.UserFactory(role=Role.ADMINISTRATOR)
    arrive(DICOM)
    for number in ("CD34", "EF56"):
        arrive(xrays.dicom(PIXELS, PatientID=number))
    assert Notice.objects.filter(user=administrator).count() == 1


@pytest.mark.parametrize(("typed", "said"), [("CD34", STOPPED), ("ab 12", HERE)])
def test_the_same_bytes_with_a_patient_typed_beside_them_are_compared_by_patient(arrive, typed, said):
    arrive(PNG, typed="AB12")
    assert outcome(arrive(PNG, typed=typed)) == said


def test_a_picture_of_a_known_patient_that_names_nobody_is_a_duplicate(arrive):
    arrive(DICOM)
    assert outcome(arrive(PNG)) == HERE


def test_a_number_without_issuer_is_the_same_number_with_one(arrive):
    arrive(xrays.dicom(PIXELS, PatientID="AB12", IssuerOfPatientID="HOSP"))
    assert outcome(arrive(PNG, typed="AB12")) == HERE
    assert outcome(arrive(xrays.dicom(PIXELS, PatientID="AB12", IssuerOfPatientID="OTHER"))) == STOPPED


def test_a_known_film_without_a_patient_offers_to_add_the_number_and_links_nobody(arrive):
    arrive(PNG)
    assert outcome(arrive(DICOM)) == NO_PATIENT
    assert Study.objects.get().patient is None and not Patient.objects.exists()


def test_a_film_without_a_patient_in_another_team_says_nothing_of_it(arrive, stranger):
    arrive(PNG)
    assert outcome(arrive(DICOM, to=stranger)) == ELSEWHERE


def test_a_film_in_conflict_belongs_to_the_patient_that_it_claims(arrive):
    arrive(xrays.dicom(xrays.film(2, bits=12), PatientID="AB12", PatientSex="M"))
    assert arrive(DICOM).code == "identity_conflict"
    assert outcome(arrive(xrays.dicom(PIXELS, PatientID="AB12"))) == HERE
    assert outcome(arrive(xrays.dicom(PIXELS, PatientID="CD34"))) == STOPPED


def test_a_file_that_still_names_the_patient_a_study_was_moved_from_is_stopped(arrive):
    study = arrive(DICOM).instance.series.study
    study.patient, study.patient_origin = factories.PatientFactory(), PatientOrigin.MOVED
    study.record_hash = patients.record_of_typed("CD34")
    study.save()
    assert outcome(arrive(DICOM)) == STOPPED


# --- what is not known ---


def test_a_withdrawn_film_is_not_known_and_may_come_again(arrive):
    study = arrive(DICOM).instance.series.study
    withdrawal.withdraw(study, by=study.uploaded_by, reason="a test")
    again = arrive(xrays.dicom(PIXELS, PatientID="CD34"))
    assert again.status == UploadStatus.ACCEPTED and stored() == 2
    assert outcome(arrive(DICOM)) == STOPPED, "the one that is there now counts"


def test_synthetic_films_are_compared_with_nothing(send, admit, batch, arrive):
    for _ in range(2):
        upload = send(PNG)
        Upload.objects.filter(pk=upload.pk).update(is_demo=True)
        admit(Upload.objects.get(pk=upload.pk))
    assert Study.objects.filter(is_demo=True).count() == 2
    assert arrive(PNG).status == UploadStatus.ACCEPTED
    assert Instance.objects.exclude(pixels_once=None).count() == 1
