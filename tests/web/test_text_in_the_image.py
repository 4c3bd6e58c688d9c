"""A film whose text may name the patient: seen by its team, cleared by whoever may, and the file that leaves."""

from __future__ import annotations

import io
from typing import Any

import pydicom
import pytest
from django.urls import reverse

from diagnosis import texts
from diagnosis.models import Instance
from diagnosis.states import Role
from tests import factories
from tests.web.test_study_page import markup, words

pytestmark = pytest.mark.django_db


@pytest.fixture
def suspect(hang: Any) -> Instance:
    return hang(text_suspected="detected", bits=12)


def address(instance: Instance, name: str = "instance-text-clearance") -> str:
    return reverse(name, args=[instance.pk])


def test_the_team_sees_a_suspect_with_its_sentence_and_cannot_clear_it(browser, study, suspect):
    page = markup(browser, study)
    assert texts.TEXT_SUSPECTED in words(browser, study)
    assert "Found in the picture by software" in words(browser, study)
    assert address(suspect) not in page and address(suspect, "instance-dicom") not in page
    assert browser.post(address(suspect)).status_code == 403
    suspect.refresh_from_db()
    assert suspect.is_barred


@pytest.mark.parametrize("role", [Role.RADIOLOGIST, Role.ADMINISTRATOR])
def test_whoever_sees_all_studies_clears_and_takes_back_with_one_button(role, sign_in, study, suspect):
    theirs = sign_in(factories.UserFactory(role=role))
    assert f'action="{address(suspect)}"' in markup(theirs, study)
    answer = theirs.post(address(suspect))
    assert answer.url == f"{reverse('study', args=[study.pk])}?film={suspect.pk}"
    page = words(theirs, study)
    assert texts.TEXT_CLEARED in page and texts.TEXT_SUSPECTED not in page
    assert address(suspect, "instance-dicom") in markup(theirs, study)
    theirs.post(address(suspect), {"undo": "1"})
    assert texts.TEXT_SUSPECTED in words(theirs, study)


def test_a_declared_text_says_who_declared_it(browser, study, hang):
    hang(text_suspected="declared")
    assert "Declared by the sender" in words(browser, study)


def test_a_film_without_text_says_nothing_of_text(browser, study, hang):
    hang()
    page = words(browser, study)
    assert texts.TEXT_SUSPECTED not in page and texts.TEXT_CLEARED not in page


def test_another_team_learns_nothing_of_a_suspect(sign_in, suspect):
    theirs = sign_in(factories.UserFactory(team=factories.TeamFactory()))
    assert theirs.post(address(suspect)).status_code == 404
    assert theirs.get(address(suspect, "instance-dicom")).status_code == 404


# --- the de-identified file ---


def test_the_study_page_offers_a_deidentified_dicom_file(browser, study, hang):
    instance = hang(bits=12)
    assert f'href="{address(instance, "instance-dicom")}"' in markup(browser, study)
    answer = browser.get(address(instance, "instance-dicom"))
    assert answer["Content-Type"] == "application/dicom" and "private" in answer["Cache-Control"]
    name = f"{study.number}-{instance.pk.hex[:8].upper()}.dcm"
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
    ds = pydicom.dcmread(io.BytesIO(answer.content))
    assert ds.PatientIdentityRemoved == "YES" and ds.pixel_array.shape == (64, 64)


def test_a_suspect_does_not_leave_as_deidentified(browser, suspect):
    answer = browser.get(address(suspect, "instance-dicom"))
    assert (answer.status_code, answer.content.decode()) == (409, texts.TEXT_SUSPECTED)


def test_a_film_whose_grey_levels_are_gone_is_not_found(browser, study):
    instance = factories.InstanceFactory(series__study=study)
    assert browser.get(address(instance, "instance-dicom")).status_code == 404
