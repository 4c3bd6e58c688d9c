"""Requests that nobody types on purpose: an answer in words or the plain page, never an error."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from diagnosis import texts
from tests import factories

pytestmark = pytest.mark.django_db

ODD_FILTERS = [
    "since=0001-01-01",
    "until=9999-12-31",
    "since=yesterday&until=2026-02-30",
    "show=everything",
    "team=x",
    "team=99999999999999999999999999",
    "search=%00",
    "search=%25_%27%22--",
    "search=-",
    "search=" + "F" * 500,
    "search=%F0%9F%AB%81",
    "before=x",
    "before=_",
    "before=2026-01-01T00:00:00_00000000000040008000000000000000",
    "before=0001-01-01T00:00:00%2B14:00_00000000000040008000000000000000",
    "before=9999-12-31T23:59:59-14:00_00000000000040008000000000000000",
    "search&show&team&since&until&before",
]


@pytest.mark.parametrize("query", ODD_FILTERS)
@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", "Asia/Tokyo"])
def test_the_list_answers_whatever_is_asked(browser, study, settings, query, zone):
    settings.TIME_ZONE = zone
    answer = browser.get(f"{reverse('studies')}?{query}")
    assert answer.status_code == 200
    assert browser.get(f"{reverse('studies')}?{query}", headers={"HX-Request": "true"}).status_code == 200


@pytest.mark.parametrize("query", ["since=yesterday", "until=9999-12-31", "show=everything", "team=x"])
def test_a_filter_that_cannot_be_right_is_named_and_not_applied(browser, study, query):
    page = browser.get(f"{reverse('studies')}?{query}").content.decode()
    assert "This filter is not applied." in page
    assert study.number in page


@pytest.mark.parametrize("query", ["film=x", "polls=-1", "polls=x", "polls=" + "9" * 5000, "polls=²"])
def test_a_study_answers_whatever_is_asked(browser, study, query):
    assert browser.get(f"{reverse('study', args=[study.pk])}?{query}").status_code == 200


@pytest.mark.parametrize("search", ["Study {number}", "study {number}", "{number}", " {number} "])
def test_a_study_is_found_as_its_page_names_it(browser, study, search):
    other = factories.StudyFactory(team=study.team)
    page = browser.get(reverse("studies"), {"search": search.format(number=study.number)}).content.decode()
    assert study.number in page
    assert other.number not in page


def test_pages_of_errors_carry_the_notice(settings, sign_in, clinician):
    settings.ALLOWED_HOSTS = ["testserver"]
    browser = sign_in(clinician, enforce_csrf_checks=True, raise_request_exception=False)
    answers = {
        400: browser.get("/studies/", headers={"host": "elsewhere.example"}),
        403: browser.post(reverse("uploads")),
        404: browser.get("/nowhere/"),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert texts.FOOTER in answer.content.decode()


def test_a_sign_in_form_without_its_token_is_refused_with_the_notice():
    answer = Client(enforce_csrf_checks=True).post(reverse("login"), {"username": "a", "password": "b"})
    assert answer.status_code == 403
    assert "reload the page" in answer.content.decode() and texts.FOOTER in answer.content.decode()
