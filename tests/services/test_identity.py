"""Whose study it is: numbers compared and found, patients set and removed, conflicts decided."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core import serializers
from django.db import connection

from diagnosis import pseudonyms
from diagnosis.models import Event, IdentityConflict, Instance, Notice, Patient, Study, Upload, Usage
from diagnosis.services import identity
from diagnosis.services.identity import Number
from diagnosis.services.limits import LimitReachedError
from diagnosis.states import Check, ConflictStatus, PatientOrigin, Role, StudyStatus
from tests import factories, xrays

pytestmark = pytest.mark.django_db

RECORD, ACCESSION = "MRN-4711-08", "ACC-2026-15"


def person(number: str = RECORD, *, issuer: str = "", **facts: Any) -> Patient:
    """The patient with this number."""
    key = pseudonyms.patient_key(issuer=issuer, patient_id=number)
    return factories.PatientFactory(key=key, **facts)


def study_of(patient: Patient | None, number: str = RECORD, **facts: Any) -> Study:
    """A study as intake files it."""
    record = pseudonyms.record_hash(number) if patient else ""
    values = {"record_hash": record, "accession_hash": pseudonyms.accession_hash(ACCESSION), **facts}
    return factories.StudyFactory(patient=patient, **values)


@pytest.fixture
def study(team: Any, clinician: Any) -> Study:
    return study_of(person(), team=team, uploaded_by=clinician, uid_hash="a" * 64)


@pytest.fixture
def administrator() -> Any:
    return factories.UserFactory(role=Role.ADMINISTRATOR)


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that stands still, so that no minute ends between two counts."""
    at = datetime(2026, 3, 3, 12, 0, 30, tzinfo=UTC)
    monkeypatch.setattr("diagnosis.services.limits.timezone.now", lambda: at)


def move(study: Study, number: str, *, by: Any, **options: Any) -> Patient:
    seen = study.patient.pseudonym if study.patient else ""
    values = {"seen": seen, "reason": "wrong worklist entry", **options}
    return identity.move(study, Number(number, values.pop("issuer", "")), by=by, **values)


# --- check patient ---


@pytest.mark.parametrize(
    ("typed", "issuer", "outcome"),
    [
        (RECORD, "", Check.RECORD),
        (" mrn 4711.08 ", "", Check.RECORD),
        (ACCESSION, "", Check.ACCESSION),
        ("MRN-4711-09", "", Check.NO_MATCH),
        ("MRN-4711-0", "", Check.NO_MATCH),
        (RECORD, "OTHER HOSPITAL", Check.NO_MATCH),
        (ACCESSION, "OTHER HOSPITAL", Check.NO_MATCH),
        ("UNKNOWN", "", Check.PLACEHOLDER),
        ("---", "", Check.PLACEHOLDER),
        ("000", "", Check.PLACEHOLDER),
    ],
)
def test_a_number_is_compared_without_regard_to_case_and_punctuation(
    study, clinician, typed, issuer, outcome
):
    assert identity.check(study, Number(typed, issuer), by=clinician) == outcome


def test_a_number_with_its_issuer_matches_the_patient_of_that_issuer_alone(clinician):
    study = study_of(person(issuer="St. Anna"))
    assert identity.check(study, Number(RECORD), by=clinician) == Check.RECORD
    assert identity.check(study, Number(RECORD, "ST ANNA"), by=clinician) == Check.RECORD
    assert identity.check(study, Number(RECORD, "ST PAUL"), by=clinician) == Check.NO_MATCH


def test_a_study_that_carries_no_number_says_so_and_is_no_mismatch(clinician):
    assert identity.check(factories.StudyFactory(), Number(RECORD), by=clinician) == Check.NOTHING


def test_in_an_open_conflict_a_match_is_not_certain(clinician):
    study = study_of(None, record_hash=pseudonyms.record_hash(RECORD))
    factories.IdentityConflictFactory(study=study, patient=person())
    assert identity.check(study, Number(RECORD), by=clinician) == Check.CONFLICT
    assert identity.check(study, Number("MRN-1"), by=clinician) == Check.NO_MATCH


def test_the_twenty_first_number_of_a_minute_is_not_compared(noon, study, clinician, settings):
    assert settings.NUMBERS_A_MINUTE == 20
    for _ in range(10):
        identity.check(study, Number(RECORD), by=clinician)
        identity.find(Number(RECORD), by=clinician)
    before = Event.objects.count()
    for ask in (
        lambda: identity.check(study, Number(RECORD), by=clinician),
        lambda: identity.find(Number(RECORD), by=clinician),
        lambda: move(study, "MRN-1", by=clinician),
    ):
        with pytest.raises(LimitReachedError) as reached:
            ask()
        assert reached.value.until == datetime(2026, 3, 3, 12, 1, tzinfo=UTC)
    assert Event.objects.count() == before
    assert identity.check(study, Number(RECORD), by=factories.UserFactory()) == Check.RECORD


def test_a_refused_move_counts_too_because_its_words_tell_something(noon, study, clinician):
    person("MRN-9", sex="M")
    Study.objects.filter(pk=study.pk).update(sex="F")
    for _ in range(3):
        with pytest.raises(identity.OtherPersonError):
            move(study, "MRN-9", by=clinician)
    assert Usage.objects.get(user=clinician).n == 3


def test_the_audit_keeps_that_a_number_was_checked_and_not_the_number(study, clinician, caplog):
    caplog.set_level(logging.DEBUG)
    identity.check(study, Number(RECORD), by=clinician)
    identity.find(Number(ACCESSION), by=clinician)
    move(study, "MRN-SECRET-77", by=clinician)
    checked, searched = Event.objects.get(kind="patient check"), Event.objects.get(kind="number search")
    assert (checked.object_id, checked.new, checked.by) == (study.pk, Check.RECORD, clinician)
    assert (searched.new, searched.reason, searched.by) == ("1 found", study.number, clinician)
    models = (Study, Patient, Event, Usage, Notice, Upload, Instance)
    stored = "".join(serializers.serialize("json", model.objects.all()) for model in models) + caplog.text
    for number in (RECORD, ACCESSION, "MRN-SECRET-77"):
        assert number not in stored and pseudonyms.normalised(number) not in stored


# --- finding ---


def test_studies_are_found_by_record_and_accession_number_exactly(study, clinician):
    second = study_of(study.patient, team=study.team, accession_hash="")
    study_of(person("MRN-4711-0"), "MRN-4711-0", team=study.team, accession_hash="")
    assert identity.find(Number(RECORD.lower()), by=clinician) == [second, study]
    assert identity.find(Number(ACCESSION), by=clinician) == [study]
    assert identity.find(Number("MRN-4711"), by=clinician) == []


@pytest.mark.parametrize("typed", ["", "UNKNOWN", "-"])
def test_a_placeholder_finds_nothing_and_least_of_all_studies_without_a_number(study, clinician, typed):
    factories.StudyFactory(team=study.team)
    assert identity.find(Number(typed), by=clinician) == []


def test_only_what_one_may_open_is_found(study, administrator):
    outsider = factories.UserFactory(team=factories.TeamFactory())
    assert identity.find(Number(RECORD), by=outsider) == []
    assert identity.find(Number(RECORD), by=administrator) == [study]
    study.move(StudyStatus.ACTIVE, StudyStatus.WITHDRAWN)
    assert identity.find(Number(RECORD), by=administrator) == []


# --- another patient ---


def test_a_moved_study_belongs_to_the_patient_of_the_typed_number(study, clinician):
    former = study.patient
    patient = move(study, "MRN-22", by=clinician)
    study.refresh_from_db()
    assert (
        study.patient
        == patient
        == Patient.objects.get(key=pseudonyms.patient_key(issuer="", patient_id="MRN-22"))
    )
    assert study.patient_origin == PatientOrigin.MOVED
    assert identity.check(study, Number("MRN-22"), by=clinician) == Check.RECORD
    for number in (RECORD, ACCESSION):
        assert identity.check(study, Number(number), by=clinician) == Check.NO_MATCH
    event = Event.objects.get(kind="study")
    assert (event.object_id, event.old, event.new) == (study.pk, former.pseudonym, patient.pseudonym)
    assert (event.by, event.reason) == (clinician, "wrong worklist entry")


def test_a_known_patient_is_found_and_not_made_again(study, clinician):
    known = person("MRN-22", issuer="St. Anna")
    assert move(study, "mrn22", issuer="ST ANNA", by=clinician) == known
    assert Patient.objects.count() == 2


def test_a_study_without_a_patient_gets_a_number_and_keeps_its_accession_number(clinician, team):
    study = study_of(None, team=team, uploaded_by=clinician, sex="F")
    patient = move(study, RECORD, by=clinician)
    study.refresh_from_db()
    assert study.patient_origin == PatientOrigin.TYPED and patient.sex == "F"
    assert identity.check(study, Number(ACCESSION), by=clinician) == Check.ACCESSION
    assert Event.objects.get(kind="study").old == identity.NOBODY


def test_what_a_moved_film_states_is_not_written_to_a_new_patient(study, clinician):
    Study.objects.filter(pk=study.pk).update(sex="F")
    assert move(study, "MRN-22", by=clinician).sex == ""


def test_a_patient_is_removed(study, clinician):
    former = study.patient
    identity.remove_patient(study, seen=former.pseudonym, by=clinician, reason="nobody knows whose film")
    study.refresh_from_db()
    assert study.patient is None and study.record_hash == study.accession_hash == study.uid_hash == ""
    event = Event.objects.get(kind="study")
    assert (event.old, event.new, event.reason) == (
        former.pseudonym,
        identity.NOBODY,
        "nobody knows whose film",
    )
    with pytest.raises(identity.NotMovedError, match="no patient already"):
        identity.remove_patient(study, seen="", by=clinician, reason="again")


@pytest.mark.parametrize("number", ["UNKNOWN", "0000", "-"])
def test_a_placeholder_makes_no_patient(study, clinician, number):
    with pytest.raises(identity.NotMovedError, match="names nobody"):
        move(study, number, by=clinician)
    assert Patient.objects.count() == 1


def test_a_study_is_not_moved_to_its_own_patient(study, clinician):
    with pytest.raises(identity.NotMovedError, match="already"):
        move(study, RECORD, by=clinician)
    study.refresh_from_db()
    assert study.uid_hash and not Event.objects.exists()


@pytest.mark.parametrize(
    ("mine", "theirs", "words"),
    [
        ({"sex": "F"}, {"sex": "M"}, "another sex "),
        ({"birth_hash": "1"}, {"birth_hash": "2"}, "another birth date "),
        ({"sex": "F", "birth_hash": "1"}, {"sex": "M", "birth_hash": "2"}, "another sex and birth date "),
    ],
)
def test_another_sex_or_birth_date_refuses_all_but_an_administrator_who_insists(
    team, clinician, administrator, mine, theirs, words
):
    study = study_of(person(**mine), team=team, uploaded_by=clinician, sex=mine.get("sex", ""))
    other = person("MRN-22", **theirs)
    for by, although in ((clinician, False), (clinician, True), (administrator, False)):
        with pytest.raises(identity.OtherPersonError, match=words):
            move(study, "MRN-22", by=by, although=although)
        study.refresh_from_db()
        assert study.patient != other
    move(study, "MRN-22", by=administrator, although=True)
    study.refresh_from_db()
    assert study.patient == other


@pytest.mark.parametrize(("mine", "theirs"), [("F", "F"), ("", "M"), ("F", "")])
def test_what_one_side_does_not_state_is_no_difference(team, clinician, mine, theirs):
    study = study_of(None, team=team, uploaded_by=clinician, sex=mine)
    person("MRN-22", sex=theirs)
    assert move(study, "MRN-22", by=clinician).sex == theirs


def test_a_form_that_was_opened_before_somebody_else_moved_the_study_changes_nothing(
    study, clinician, administrator
):
    stale = Study.objects.get(pk=study.pk)
    moved = move(study, "MRN-22", by=administrator)
    with pytest.raises(identity.NotMovedError, match="meanwhile"):
        move(stale, "MRN-33", by=clinician)
    with pytest.raises(identity.NotMovedError, match="meanwhile"):
        identity.remove_patient(stale, seen=stale.patient.pseudonym, by=clinician, reason="x")
    study.refresh_from_db()
    assert study.patient == moved


def test_a_study_that_was_withdrawn_meanwhile_is_not_moved(study, clinician):
    Study.objects.get(pk=study.pk).move(StudyStatus.ACTIVE, StudyStatus.WITHDRAWN)
    with pytest.raises(identity.NotMovedError, match="meanwhile"):
        move(study, "MRN-22", by=clinician)


def test_the_uploader_is_told_of_what_an_administrator_changed_and_not_of_their_own(
    study, clinician, administrator
):
    move(study, "MRN-22", by=clinician)
    assert not Notice.objects.exists()
    study.refresh_from_db()
    move(study, "MRN-33", by=administrator)
    notice = Notice.objects.get()
    assert notice.user == clinician and study.number in notice.text and "wrong worklist" not in notice.text


def test_later_films_of_a_moved_study_go_where_their_own_header_says(send, admit, clinician):
    """Not to the patient that the study was moved to, and not into the moved study (uid_hash is forgotten)."""
    uids = {"StudyInstanceUID": "1.2.3.4", "SeriesInstanceUID": "1.2.3.4.1"}

    def film(seed: int, patient_id: str) -> Study:
        pixels = xrays.film(seed, bits=12)
        upload = send(xrays.dicom(pixels, PatientID=patient_id, SOPInstanceUID=f"1.2.3.4.1.{seed}", **uids))
        admit(upload)
        upload.refresh_from_db()
        return upload.instance.series.study

    first = film(1, "A-1")
    assert film(2, "A-1") == first
    moved_to = move(first, "B-2", by=clinician)
    with_old_number, with_new_number, third = film(3, "A-1"), film(4, "B-2"), film(5, "A-1")
    assert with_old_number != first and with_old_number.patient.key == pseudonyms.record_hash("A-1")
    assert with_new_number.patient == moved_to and with_new_number != first
    assert third == with_old_number
    assert Instance.objects.filter(series__study=first).count() == 2
    assert Path(Instance.objects.first().folder).exists()


# --- conflicts ---


@pytest.fixture
def conflict(team: Any, clinician: Any) -> IdentityConflict:
    patient = person(sex="M")
    record = pseudonyms.record_hash(RECORD)
    study = study_of(None, team=team, uploaded_by=clinician, sex="F", record_hash=record)
    return factories.IdentityConflictFactory(study=study, patient=patient)


def test_the_same_person_is_linked(conflict, administrator):
    assert identity.decide(conflict, is_same=True, by=administrator, reason="asked the ward")
    study = Study.objects.get()
    assert study.patient == conflict.patient and study.record_hash
    assert conflict.status == ConflictStatus.LINKED
    linked, moved = Event.objects.get(kind="identityconflict"), Event.objects.get(kind="study")
    assert linked.reason == moved.reason == "asked the ward" and moved.new == conflict.patient.pseudonym


def test_another_person_stays_apart_and_no_longer_answers_to_the_number(conflict, administrator, clinician):
    assert identity.decide(conflict, is_same=False, by=administrator, reason="number was given twice")
    study = Study.objects.get()
    assert study.patient is None and conflict.status == ConflictStatus.APART
    assert identity.check(study, Number(RECORD), by=clinician) == Check.NO_MATCH
    assert identity.find(Number(RECORD), by=administrator) == []
    # Nor can whoever sent it go round the decision.
    with pytest.raises(identity.OtherPersonError, match="another sex"):
        move(study, RECORD, by=clinician)


def test_a_conflict_is_decided_once(conflict, administrator):
    second = IdentityConflict.objects.get()
    assert identity.decide(conflict, is_same=False, by=administrator, reason="first")
    assert not identity.decide(second, is_same=True, by=administrator, reason="second")
    assert Study.objects.get().patient is None
    assert [event.reason for event in Event.objects.all()] == ["first"]


def test_while_a_conflict_is_open_only_administrators_set_the_patient(conflict, clinician, administrator):
    with pytest.raises(identity.NotMovedError, match="An administrator must first decide"):
        move(conflict.study, "MRN-22", by=clinician)
    move(conflict.study, "MRN-22", by=administrator)
    conflict.refresh_from_db()
    assert conflict.status == ConflictStatus.APART


def test_an_administrator_who_types_the_known_number_has_linked(conflict, administrator):
    move(conflict.study, RECORD, by=administrator, although=True)
    conflict.refresh_from_db()
    assert conflict.status == ConflictStatus.LINKED and Study.objects.get().patient == conflict.patient


def test_hashes_are_looked_up_by_an_index(clinician):
    with connection.cursor() as cursor:
        names = connection.introspection.get_constraints(cursor, "diagnosis_study").values()
    indexed = {tuple(row["columns"]) for row in names if row["index"]}
    assert {("record_hash",), ("accession_hash",)} <= indexed
