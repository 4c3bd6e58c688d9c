"""The notice that everybody confirms once a version, before any other page opens."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import reverse

from diagnosis import texts
from diagnosis.models import Acknowledgement, User
from tests import factories

pytestmark = pytest.mark.django_db

NOTICE = "/acknowledgement/"


@pytest.fixture
def newcomer(clinician: User) -> Client:
    """Signed in, nothing confirmed yet."""
    client = Client()
    client.force_login(clinician)
    return client


def test_no_page_opens_before_it(newcomer, study):
    for name in ("studies", "uploads", "lateness"):
        assert newcomer.get(reverse(name)).url.startswith(NOTICE)
    assert newcomer.get(reverse("study", args=[study.pk])).url.startswith(NOTICE)


def test_the_notice_names_the_sources_and_what_the_site_is_not(newcomer):
    factories.CheckpointFactory(header={"provenance": {"sources": {"hospital A": {}, "hospital B": {}}}})
    page = newcomer.get(NOTICE).content.decode()
    assert texts.FOOTER in page
    assert "Trained on hospital A, hospital B." in page
    assert "A radiologist must read every film." in page


def test_the_answer_is_stored_with_the_text_and_the_wanted_page_opens(newcomer, clinician, settings):
    wanted = "/studies/?show=above&search=3F"
    asked = newcomer.get(wanted)
    assert asked.url == f"{NOTICE}?next={quote(wanted, safe='/')}"
    assert f'value="{wanted.replace("&", "&amp;")}"' in newcomer.get(asked.url).content.decode()
    assert newcomer.post(NOTICE, {"next": wanted}).url == wanted
    stored = Acknowledgement.objects.get()
    assert (stored.user, stored.version) == (clinician, settings.VERSION)
    assert texts.FOOTER in stored.text
    assert newcomer.get(wanted).status_code == 200


def test_a_form_or_a_part_of_a_page_is_no_place_to_go_on_to(newcomer, study):
    form = newcomer.post(reverse("study-analyses", args=[study.pk]))
    part = newcomer.get(reverse("lateness"), headers={"HX-Request": "true"})
    assert form.url == part.url == f"{NOTICE}?next=/"


@pytest.mark.parametrize(
    "wanted", ["https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)", ""]
)
def test_it_leads_nowhere_else(newcomer, wanted):
    assert newcomer.post(NOTICE, {"next": wanted}).url == reverse("home")


def test_a_new_version_asks_again_and_the_same_one_does_not(newcomer, clinician, settings):
    newcomer.post(NOTICE)
    newcomer.post(NOTICE)
    assert Acknowledgement.objects.count() == 1
    settings.VERSION = "99.0"
    assert newcomer.get(reverse("studies")).url.startswith(NOTICE)
    newcomer.post(NOTICE)
    assert clinician.acknowledgements.count() == 2


def test_programs_get_a_problem_and_no_page(newcomer, study):
    answer = newcomer.get(reverse("api-study", args=[study.pk]))
    assert answer.status_code == 403
    assert answer["Content-Type"] == "application/problem+json"
    assert "confirm the notice" in answer.json()["detail"]


def test_one_may_leave_without_confirming(newcomer):
    assert newcomer.post(reverse("logout")).status_code == 302
    assert newcomer.get(reverse("studies")).url.startswith(reverse("login"))
