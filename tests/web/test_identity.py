"""The box that checks and finds numbers, the form for another patient, and what administrators settle."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from diagnosis import pseudonyms, texts
from diagnosis.models import Event, IdentityConflict, Instance, Patient, Study
from diagnosis.services import identity
from diagnosis.states import Check, ConflictStatus, Role, StudyStatus, UploadStatus
from tests import factories
from tests.web.test_study_page import HTMX, plain

pytestmark = pytest.mark.django_db

RECORD, ACCESSION = "MRN471108", "ACC202615"


@pytest.fixture
def desk(sign_in) -> Client:
    return sign_in(factories.UserFactory(role=Role.ADMINISTRATOR, username="chief"))


@pytest.fixture
def colleague(sign_in, team) -> Client:
    return sign_in(factories.UserFactory(team=team))


@pytest.fixture
def known(study: Study) -> Study:
    """The study with a patient and an accession number."""
    key = pseudonyms.patient_key(issuer="", patient_id=RECORD)
    study.patient = factories.PatientFactory(key=key)
    study.record_hash, study.accession_hash = (
        pseudonyms.record_hash(RECORD),
        pseudonyms.accession_hash(ACCESSION),
    )
    study.save()
    return study


def check(browser: Client, study: Study, number: str, **options: Any) -> Any:
    return browser.post(reverse("study-check", args=[study.pk]), {"number": number}, **options)


def find(browser: Client, number: str) -> str:
    answer = browser.post(reverse("study-search"), {"number": number})
    assert answer.status_code == 302 and number not in answer.url
    return plain(browser.get(answer.url).content.decode())


def move(browser: Client, study: Study, **fields: Any) -> Any:
    seen = study.patient.pseudonym if study.patient else ""
    values = {"number": "MRN22", "reason": "wrong worklist entry", "seen": seen, **fields}
    return browser.post(reverse("study-patient", args=[study.pk]), values)


# --- check patient ---


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        (RECORD, Check.RECORD),
        (ACCESSION, Check.ACCESSION),
        ("OTHER1", Check.NO_MATCH),
        ("0", Check.PLACEHOLDER),
    ],
)
def test_the_answer_stands_in_words_with_a_sign_and_without_the_number(browser, known, number, outcome):
    page = check(browser, known, number, headers=HTMX).content.decode()
    assert str(texts.checked(outcome)) in plain(page)
    assert f"tone--{texts.checked(outcome).tone}" in page and f">{number}" not in page and "<html" not in page


def test_without_script_the_answer_stands_on_the_study_page_once(browser, known):
    answer = check(browser, known, RECORD)
    assert answer.url == reverse("study", args=[known.pk])
    page = browser.get(answer.url).content.decode()
    assert str(texts.checked(Check.RECORD)) in plain(page) and RECORD not in page
    assert "Match." not in browser.get(answer.url).content.decode()


def test_match_and_no_match_differ_in_sign_and_word_and_not_in_colour_alone():
    said = [
        texts.checked(outcome) for outcome in (Check.RECORD, Check.NO_MATCH, Check.CONFLICT, Check.NOTHING)
    ]
    assert len({wording.lead for wording in said}) == len(said)
    assert len({wording.tone for wording in said[:3]}) == 3


def test_a_conflict_is_named_in_the_answer(browser, study):
    Study.objects.update(record_hash=pseudonyms.record_hash(RECORD))
    factories.IdentityConflictFactory(study=study, differs_in="birth date")
    page = plain(check(browser, study, RECORD, headers=HTMX).content.decode())
    assert "Match, but not certain." in page and "another birth date" in page


def test_after_twenty_numbers_a_minute_the_answer_says_when_to_go_on(browser, known, settings):
    settings.NUMBERS_A_MINUTE, settings.TIME_ZONE = 1, "Europe/Berlin"
    # Two in one minute, whatever minute it is when the first one falls at its end.
    pages = [plain(check(browser, known, RECORD, headers=HTMX).content.decode()) for _ in range(3)]
    said = [page for page in pages if "Limit reached: 1 numbers a minute. Try again at" in page]
    assert said and any(zone in said[0] for zone in ("CET", "CEST"))


def test_an_outsider_checks_nothing(sign_in, known):
    outsider = sign_in(factories.UserFactory(team=factories.TeamFactory()))
    assert check(outsider, known, RECORD).status_code == 404
    assert not Event.objects.exists()


def test_the_field_keeps_nothing(browser, known, hang):
    hang()
    for page in (browser.get(reverse("study", args=[known.pk])), browser.get(reverse("studies"))):
        form = page.content.decode().split("data-forget>")[1].split("</form>")[0]
        (field,) = re.findall(r'<input name="number"[^>]*>', form)
        assert 'autocomplete="off"' in field and "value=" not in field
        assert 'method="post"' in page.content.decode()


# --- find ---


def test_one_many_and_no_study_is_found(browser, known):
    page = find(browser, RECORD)
    assert "1 study with exactly this number" in page and known.number in page
    second = factories.StudyFactory(team=known.team, record_hash=known.record_hash)
    page = find(browser, RECORD)
    assert "2 studies with exactly this number" in page and known.number in page and second.number in page
    page = find(browser, "MRN4711")
    assert "No study with this number" in page and known.number not in page


def test_no_study_of_another_team_is_found(sign_in, known):
    outsider = sign_in(factories.UserFactory(team=factories.TeamFactory()))
    assert "No study with this number" in find(outsider, RECORD)


def test_what_was_found_is_asked_for_again_each_time_it_is_shown(browser, known, clinician):
    assert known.number in find(browser, RECORD)
    known.move(StudyStatus.ACTIVE, StudyStatus.WITHDRAWN)
    assert known.number not in browser.get(reverse("study-search")).content.decode()


def test_the_page_before_any_search_asks_for_a_number(browser):
    assert "Nothing was looked for yet" in browser.get(reverse("study-search")).content.decode()


def test_a_number_is_in_no_session_log_or_page(browser, desk, known, caplog):
    caplog.set_level(logging.DEBUG)
    known.refresh_from_db()
    pages = [find(browser, RECORD), plain(check(browser, known, RECORD, headers=HTMX).content.decode())]
    pages.append(plain(move(browser, known, number="", issuer="St. Anna").content.decode()))
    pages.append(move(browser, known, number="MRN22", reason="").content.decode())
    sessions = "".join(str(session.get_decoded()) for session in Session.objects.all())
    for number in (RECORD, "MRN22"):
        assert number not in "".join(pages) and number not in sessions and number not in caplog.text
    assert sessions


@pytest.mark.parametrize("fields", [{}, {"number": ""}, {"number": "\x00"}, {"number": "9" * 65}])
def test_what_is_no_number_is_said_so(browser, known, fields):
    answer = browser.post(reverse("study-search"), fields, follow=True)
    assert texts.PLACEHOLDER_NUMBER in plain(answer.content.decode())
    answer = browser.post(reverse("study-check", args=[known.pk]), fields, headers=HTMX)
    assert answer.status_code == 200 and texts.PLACEHOLDER_NUMBER in plain(answer.content.decode())


# --- another patient ---


def test_the_uploader_moves_a_study_and_the_page_says_who_and_why(browser, known, clinician):
    Study.objects.filter(pk=known.pk).update(sex="F")
    assert move(browser, known).url == reverse("study", args=[known.pk])
    known.refresh_from_db()
    page = plain(browser.get(reverse("study", args=[known.pk])).content.decode())
    assert known.patient.pseudonym in page
    assert f"The patient was set here by {clinician}" in page and "wrong worklist entry" in page
    assert texts.MOVED_FACTS in page
    printed = plain(browser.get(reverse("study-print", args=[known.pk])).content.decode())
    assert f"The patient was set here by {clinician}" in printed


def test_a_study_without_a_patient_says_what_that_means_and_offers_to_add_the_number(
    browser, colleague, study
):
    address = reverse("study-patient", args=[study.pk])
    page = browser.get(reverse("study", args=[study.pk])).content.decode()
    assert texts.NO_PATIENT in page and f'href="{address}">Add patient number' in page
    theirs = colleague.get(reverse("study", args=[study.pk])).content.decode()
    assert texts.NO_PATIENT in theirs and address not in theirs
    assert texts.NO_PATIENT in browser.get(reverse("study-print", args=[study.pk])).content.decode()
    move(browser, study)
    study.refresh_from_db()
    assert study.patient is not None
    assert texts.NO_PATIENT not in browser.get(reverse("study", args=[study.pk])).content.decode()


def test_a_patient_is_removed_with_a_reason_and_without_a_number(browser, known):
    answer = move(browser, known, number="", is_removal="on", reason="")
    assert answer.status_code == 422 and "Say why" in answer.content.decode()
    move(browser, known, number="", is_removal="on")
    known.refresh_from_db()
    assert known.patient is None
    assert texts.PATIENT_REMOVED in browser.get(reverse("study", args=[known.pk])).content.decode()


@pytest.mark.parametrize("missing", ["number", "reason"])
def test_number_and_reason_are_asked_for(browser, known, missing):
    assert move(browser, known, **{missing: " "}).status_code == 422
    assert Study.objects.get().patient == known.patient and not Event.objects.exists()


def test_another_sex_is_refused_in_words_and_an_administrator_may_insist(browser, desk, known):
    Study.objects.filter(pk=known.pk).update(sex="F")
    other = factories.PatientFactory(key=pseudonyms.patient_key(issuer="", patient_id="MRN22"), sex="M")
    refused = move(browser, known, although="on")
    assert refused.status_code == 422
    page = plain(refused.content.decode())
    assert "another sex than this study" in page and texts.ASK_ADMINISTRATOR in page
    assert "wrong worklist entry" in refused.content.decode() and "MRN22" not in refused.content.decode()
    assert "although" not in browser.get(reverse("study-patient", args=[known.pk])).content.decode()
    assert texts.CONFIRM_OTHER_PERSON in plain(move(desk, known).content.decode())
    assert move(desk, known, although="on").status_code == 302
    assert Study.objects.get().patient == other


def test_a_form_of_yesterday_changes_nothing(browser, desk, known):
    yesterday = Study.objects.get()
    move(desk, known, number="MRN33")
    assert texts.CHANGED_MEANWHILE in plain(move(browser, yesterday).content.decode())
    assert Study.objects.get().patient.key == pseudonyms.record_hash("MRN33")


def test_who_may_see_a_study_and_not_correct_it_is_told_so(colleague, known):
    for name in ("study-patient", "study-withdrawal"):
        answer = colleague.get(reverse(name, args=[known.pk]))
        assert answer.status_code == 403 and texts.NOT_YOURS_TO_CORRECT in plain(answer.content.decode())
    assert move(colleague, known).status_code == 403
    page = colleague.get(reverse("study", args=[known.pk])).content.decode()
    assert "Withdraw" not in page and "Move to another patient" not in page
    assert Study.objects.get().patient == known.patient


# --- what administrators settle ---


@pytest.fixture
def conflict(study: Study) -> IdentityConflict:
    Study.objects.update(sex="F", age_years=44, acquired_date="20260301")
    patient = factories.PatientFactory(sex="M")
    factories.StudyFactory(patient=patient, age_years=71, sex="M")
    return factories.IdentityConflictFactory(study=study, patient=patient)


def decide(browser: Client, conflict: IdentityConflict, **fields: str) -> Any:
    values = {"is_same": "same", "reason": "asked the ward", **fields}
    return browser.post(reverse("conflict-decision", args=[conflict.pk]), values)


def test_with_nothing_to_settle_the_page_says_so(desk):
    page = plain(desk.get(reverse("identity")).content.decode())
    for words in ("No conflict is open.", "No upload was stopped.", "Every study has a patient."):
        assert words in page


def test_a_conflict_shows_both_sides(desk, browser, conflict, study):
    page = plain(desk.get(reverse("identity")).content.decode())
    other = conflict.patient.studies.get()
    for fact in (
        conflict.patient.pseudonym,
        "71 years",
        "male",
        other.number,
        study.number,
        "44 years",
        "female",
    ):
        assert fact in page
    assert f"Study {study.number} differs in sex" in page and "2026-03-01, as sent" in page
    shown = plain(browser.get(reverse("study", args=[study.pk])).content.decode())
    assert texts.CONFLICT_OPEN.format(differs_in="sex") in shown and "Add patient number" not in shown


@pytest.mark.parametrize(
    ("is_same", "status"), [("same", ConflictStatus.LINKED), ("other", ConflictStatus.APART)]
)
def test_an_administrator_decides_a_conflict_with_a_reason(desk, conflict, is_same, status):
    assert decide(desk, conflict, is_same=is_same).url == reverse("identity")
    conflict.refresh_from_db()
    assert conflict.status == status
    assert "No conflict is open." in desk.get(reverse("identity")).content.decode()


@pytest.mark.parametrize("fields", [{"reason": " "}, {"is_same": "perhaps"}])
def test_without_a_reason_or_an_answer_nothing_is_decided(desk, conflict, fields):
    answer = decide(desk, conflict, **fields)
    assert answer.status_code == 422
    assert "Say w" in plain(answer.content.decode())
    conflict.refresh_from_db()
    assert conflict.status == ConflictStatus.OPEN


def test_the_second_administrator_is_told_that_it_is_decided(desk, conflict):
    decide(desk, conflict)
    page = desk.get(decide(desk, conflict, is_same="other").url).content.decode()
    assert texts.DECIDED_MEANWHILE in page
    assert Study.objects.get(pk=conflict.study_id).patient == conflict.patient


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.RADIOLOGIST])
def test_only_administrators_decide(sign_in, team, conflict, role):
    assert decide(sign_in(factories.UserFactory(role=role, team=team)), conflict).status_code == 403
    assert IdentityConflict.objects.get().status == ConflictStatus.OPEN


def test_a_conflict_of_a_withdrawn_study_waits_until_it_is_back(desk, conflict, study):
    study.move(StudyStatus.ACTIVE, StudyStatus.WITHDRAWN)
    assert "No conflict is open." in desk.get(reverse("identity")).content.decode()


def test_a_stopped_upload_stands_beside_the_film_that_is_stored(desk, known, hang, clinician):
    stored: Instance = hang()
    claimed = pseudonyms.record_hash("MRN99")
    batch = factories.BatchFactory(by=clinician, team=known.team)
    factories.UploadFactory(batch=batch, status=UploadStatus.STOPPED, instance=stored, patient_key=claimed)
    page = desk.get(reverse("identity")).content.decode()
    for fact in (known.patient.pseudonym, pseudonyms.pseudonym_of(claimed), known.number, clinician.username):
        assert fact in plain(page)
    assert reverse("instance-thumbnail", args=[stored.pk]) in page
    known.move(StudyStatus.ACTIVE, StudyStatus.WITHDRAWN)
    page = desk.get(reverse("identity")).content.decode()
    assert reverse("instance-thumbnail", args=[stored.pk]) not in page
    assert "a study that is withdrawn since" in plain(page)


def test_studies_without_a_patient_are_counted_and_listed_and_synthetic_ones_are_not(desk, known):
    nobody = factories.StudyFactory()
    factories.StudyFactory(is_demo=True)
    page = plain(desk.get(reverse("identity")).content.decode())
    assert "Studies without a patient (1)" in page and nobody.number in page and known.number not in page


def test_the_page_asks_no_more_queries_for_more_rows(desk, team, clinician, django_assert_max_num_queries):
    batch = factories.BatchFactory(by=clinician, team=team)
    for _ in range(5):
        conflict = factories.IdentityConflictFactory(study__team=team, study__uploaded_by=clinician)
        factories.StudyFactory(patient=conflict.patient, team=team, uploaded_by=clinician)
        stored = factories.InstanceFactory(
            series__study=factories.StudyFactory(team=team, uploaded_by=clinician)
        )
        factories.UploadFactory(batch=batch, status=UploadStatus.STOPPED, instance=stored)
    with django_assert_max_num_queries(20):
        desk.get(reverse("identity"))


def test_administrators_find_the_page_from_every_other(desk, browser):
    assert f'href="{reverse("identity")}"' in desk.get(reverse("studies")).content.decode()
    assert f'href="{reverse("identity")}"' in desk.get(reverse("system")).content.decode()
    assert reverse("identity") not in browser.get(reverse("studies")).content.decode()


# --- what makes an answer less certain, and which side is which (A11) ---


@pytest.mark.parametrize("address", ["studies", "study", "study-print"])
def test_lossy_films_and_screenshots_carry_a_badge_wherever_they_are_shown(browser, study, hang, address):
    hang()
    where = reverse(address, args=[study.pk] if address != "studies" else [])
    page = plain(browser.get(where).content.decode())
    assert texts.LOSSY not in page and texts.SCREENSHOT not in page
    Instance.objects.update(is_lossy=True, is_screenshot=True)
    page = plain(browser.get(where).content.decode())
    assert texts.LOSSY in page and texts.SCREENSHOT in page
    assert (texts.SCREENSHOT_ADVICE in page) == (address != "studies")


@pytest.mark.parametrize(
    ("orientation", "laterality", "words"),
    [
        (["L", "F"], "", "patient's right at the left edge"),
        ("L\\F", "R", "patient's right at the left edge"),
        (["R", "F"], "", "patient's left at the left edge"),
        ([], "L", "side L"),
        (None, "R", "side R"),
        (["A", "F"], "", "Side not recorded"),
        (None, "U", "Side not recorded"),
        ("", "", "Side not recorded"),
    ],
)
@pytest.mark.parametrize("address", ["study", "study-print"])
def test_the_side_is_what_the_file_says_and_never_guessed(
    browser, study, hang, address, orientation, laterality, words
):
    hang(laterality=laterality, attributes={"PatientOrientation": orientation})
    assert words in plain(browser.get(reverse(address, args=[study.pk])).content.decode())


def test_the_strip_says_which_of_several_films_it_is_about(browser, study, hang):
    hang(view="PA")
    second = hang(view="AP")
    page = plain(browser.get(reverse("study", args=[study.pk]), {"film": second.pk}).content.decode())
    assert "Film 2 of 2 View AP" in page


def test_a_patient_of_a_number_with_an_issuer_is_another(browser, known):
    move(browser, known, issuer="St. Anna")
    assert Patient.objects.filter(key=pseudonyms.patient_key(issuer="ST ANNA", patient_id="MRN22")).exists()
    assert Event.objects.filter(new=identity.NOBODY).count() == 0
