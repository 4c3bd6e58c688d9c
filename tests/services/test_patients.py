"""Whose film it is (rule A5): keys, placeholders, conflicts, and what was named beside the file."""

from __future__ import annotations

import pytest

from diagnosis import pseudonyms, texts
from diagnosis.models import Event, IdentityConflict, Notice, Patient, Study, Upload
from diagnosis.services import patients
from diagnosis.states import PatientOrigin, Role, UploadStatus
from tests import factories, xrays

pytestmark = pytest.mark.django_db


@pytest.fixture
def arrive(send, admit):
    """A DICOM film of its own pixels with this header, admitted: its upload."""
    films = iter(range(100))

    def _arrive(*, typed: str = "", **header) -> Upload:
        content = xrays.dicom(xrays.film(next(films), bits=12), **header)
        upload = send(content)
        if typed:
            name_beside(upload, typed)
        admit(upload)
        upload.refresh_from_db()
        return upload

    return _arrive


def name_beside(upload: Upload, number: str, *, issuer: str = "") -> None:
    """As the web process does with what was typed."""
    upload.patient_key = patients.key_of_typed(number, issuer=issuer)
    upload.record_hash = patients.record_of_typed(number)
    upload.patient_origin = PatientOrigin.TYPED
    upload.save()


def study_of(upload: Upload) -> Study:
    return upload.instance.series.study


def test_a_film_is_linked_by_issuer_and_number_and_keeps_hashes_only(arrive):
    upload = arrive(
        PatientID="ab-12", IssuerOfPatientID="HOSP", PatientBirthDate="19500131", AccessionNumber="AC-7"
    )
    study, patient = study_of(upload), Patient.objects.get()
    assert study.patient == patient and study.patient_origin == PatientOrigin.HEADER
    assert patient.key == pseudonyms.patient_key(issuer="HOSP", patient_id="AB12")
    assert study.record_hash == patients.record_of_typed("AB 12")
    assert study.accession_hash == pseudonyms.accession_hash("ac7")
    assert (patient.sex, patient.birth_hash) == ("F", pseudonyms.birth_hash("1950-01-31"))
    assert upload.code == "accepted" and upload.sentence == texts.WAITING_FOR_ANALYSIS


@pytest.mark.parametrize("number", ["", "0", "UNKNOWN", None])
def test_a_placeholder_is_no_patient_and_the_sender_is_told(arrive, number):
    upload = arrive(PatientID=number)
    study = study_of(upload)
    assert (study.patient, study.record_hash, study.patient_origin) == (None, "", "")
    assert not Patient.objects.exists()
    assert upload.sentence == f"{texts.WAITING_FOR_ANALYSIS}. {texts.NO_PATIENT}"


def test_sex_and_birth_date_are_those_of_the_first_film_that_states_them(arrive):
    arrive(PatientSex=None, PatientBirthDate=None)
    assert (Patient.objects.get().sex, Patient.objects.get().birth_hash) == ("", "")
    arrive(PatientSex="F")
    arrive(PatientSex=None, PatientBirthDate="19500131")
    patient = Patient.objects.get()
    assert (patient.sex, patient.birth_hash) == ("F", pseudonyms.birth_hash("19500131"))
    assert patient.studies.count() == 3 and not IdentityConflict.objects.exists()


@pytest.mark.parametrize(
    ("header", "differs_in"),
    [
        ({"PatientSex": "M"}, "sex"),
        ({"PatientBirthDate": "19500201"}, "birth date"),
        ({"PatientSex": "M", "PatientBirthDate": "19500201"}, "sex and birth date"),
    ],
)
def test_another_sex_or_birth_date_is_a_conflict_and_not_linked(arrive, header, differs_in):
    administrator = factories.UserFactory(role=Role.ADMINISTRATOR)
    first = arrive(PatientBirthDate="19500131")
    second = arrive(**{"PatientBirthDate": "19500131", **header})
    study = study_of(second)
    conflict = IdentityConflict.objects.get()
    assert study.patient is None and study_of(first).patient == conflict.patient
    assert (conflict.study, conflict.differs_in, conflict.status) == (study, differs_in, "open")
    assert study.record_hash == study_of(first).record_hash, "a search by number finds it"
    assert (second.status, second.code) == (UploadStatus.ACCEPTED, "identity_conflict")
    assert texts.PATIENT_IN_CONFLICT in second.sentence
    notice = Notice.objects.get()
    assert notice.user == administrator and str(study.pk) in notice.address and differs_in in notice.text
    patient = Patient.objects.get()
    assert (patient.sex, patient.birth_hash) == ("F", pseudonyms.birth_hash("19500131")), "the first counts"


@pytest.mark.parametrize("header", [{"PatientSex": "U"}, {"PatientBirthDate": "19000101"}])
def test_what_states_nothing_is_no_conflict(arrive, header):
    arrive(PatientBirthDate="19500131")
    assert study_of(arrive(**header)).patient == Patient.objects.get()


def test_films_of_one_study_in_conflict_hang_together_and_apart_from_the_linked(arrive):
    linked = arrive(StudyInstanceUID="1.2.3")
    one, two = (arrive(StudyInstanceUID="1.2.3", PatientSex="M") for _ in range(2))
    assert study_of(one) == study_of(two) != study_of(linked)
    assert IdentityConflict.objects.count() == 1


# --- named beside the file ---


def test_a_picture_takes_the_patient_that_was_named_beside_it(send, admit, film):
    upload = send(film)
    name_beside(upload, "AB12")
    admit(upload)
    upload.refresh_from_db()
    study = study_of(upload)
    assert study.patient.key == pseudonyms.patient_key(issuer="", patient_id="AB12")
    assert study.patient_origin == PatientOrigin.TYPED and study.record_hash == patients.record_of_typed(
        "AB12"
    )


def test_a_dicom_without_a_patient_takes_the_one_named_beside_it(arrive):
    assert study_of(arrive(PatientID=None, typed="AB12")).patient.key == patients.key_of_typed("AB12")


def test_a_file_that_names_the_same_patient_keeps_its_own_issuer(arrive):
    study = study_of(arrive(PatientID="AB12", IssuerOfPatientID="HOSP", typed="ab 12"))
    assert study.patient.key == patients.key_of_typed("AB12", issuer="HOSP")
    assert study.patient_origin == PatientOrigin.HEADER


def test_a_file_that_names_another_patient_than_its_sender_is_stopped_and_not_kept(arrive, settings):
    upload = arrive(PatientID="AB12", typed="CD34")
    assert (upload.status, upload.code) == (UploadStatus.STOPPED, "stopped_two_patients")
    assert upload.sentence == texts.STOPPED_TWO_PATIENTS and upload.instance is None
    assert not Study.objects.exists() and not Patient.objects.exists()
    assert list(settings.MEDIA_ROOT.rglob("*")) == []
    assert Event.objects.get(object_id=upload.pk).new == "stopped"


def test_a_typed_placeholder_names_nobody():
    assert patients.key_of_typed("unknown") == patients.record_of_typed(" 0 ") == ""


@pytest.mark.parametrize(
    ("date", "same"), [("1950.01.31", True), ("19500131", True), ("19500201", False), ("19510131", False)]
)
def test_birth_dates_are_compared_whatever_their_spelling(date, same):
    assert (pseudonyms.birth_hash(date) == pseudonyms.birth_hash("19500131")) is same


@pytest.mark.parametrize("date", ["", "00000000", "19001301", "18991231", "19000101", "unknown", "1950"])
def test_what_is_no_birth_date_says_nothing(date):
    assert pseudonyms.birth_hash(date) == ""
