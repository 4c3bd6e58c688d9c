"""The page on which administrators keep the list of findings."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from diagnosis import texts
from diagnosis.models import FindingTerm
from diagnosis.states import Role
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def chief(sign_in):
    return sign_in(factories.UserFactory(role=Role.ADMINISTRATOR, username="chief"))


@pytest.fixture
def term():
    return FindingTerm.objects.get(code="nodule")


def page_of(browser):
    answer = browser.get(reverse("finding-terms"))
    assert answer.status_code == 200
    return answer.content.decode()


def listed(browser):
    return re.findall(r"<strong>([^<]+)</strong>", page_of(browser).split("<ol")[1])


def act(browser, noun, term, /, **fields):
    return browser.post(reverse(f"finding-term-{noun}", args=[term.pk]), fields, follow=True)


def test_the_list_stands_in_its_order_with_codes(chief):
    assert listed(chief) == [term.name for term in FindingTerm.objects.all()]
    assert "ground-glass" in page_of(chief)


def test_a_finding_is_added_and_the_page_says_by_whom(chief):
    answer = chief.post(reverse("finding-terms"), {"name": "Rib fracture"}, follow=True)
    assert listed(chief)[-1] == "Rib fracture"
    assert "Added: Rib fracture (rib-fracture)" in answer.content.decode()
    assert "by chief" in answer.content.decode()


def test_a_name_that_is_there_is_refused_and_kept_in_the_field(chief):
    answer = chief.post(reverse("finding-terms"), {"name": "Nodule or Mass"})
    page = answer.content.decode()
    assert texts.terms.TAKEN in page and 'value="Nodule or Mass"' in page
    assert FindingTerm.objects.filter(name__iexact="nodule or mass").count() == 1


def test_a_finding_is_renamed_and_keeps_its_code(chief, term):
    act(chief, "name", term, name="Nodule")
    term.refresh_from_db()
    assert (term.name, term.code) == ("Nodule", "nodule")


@pytest.mark.parametrize("name", ["", "Consolidation", "x" * 81])
def test_a_name_that_cannot_be_changes_nothing_and_says_why(chief, term, name):
    page = act(chief, "name", term, name=name).content.decode()
    assert 'role="alert"' in page
    before, term.name = term.name, ""
    term.refresh_from_db()
    assert term.name == before


def test_findings_move_up_and_down_by_buttons(chief, term):
    here = listed(chief).index(term.name)
    answer = act(chief, "place", term, to="up")
    assert answer.redirect_chain[-1][0].endswith(f"#term-{term.pk}")
    assert listed(chief).index(term.name) == here - 1
    act(chief, "place", term, to="down")
    act(chief, "place", term, to="sideways")
    assert listed(chief).index(term.name) == here


def test_the_ends_of_the_list_offer_no_way_out(chief):
    page = page_of(chief)
    buttons = re.findall(r'value="(?:up|down)"( disabled)?', page)
    assert buttons[0] == buttons[-1] == " disabled" and buttons.count(" disabled") == 2


def test_a_finding_goes_off_the_list_and_comes_back(chief, term):
    act(chief, "activation", term, active="no")
    assert term.name not in listed(chief) and "Off the list" in page_of(chief)
    assert FindingTerm.objects.filter(pk=term.pk).exists()
    act(chief, "activation", term, active="yes")
    assert listed(chief)[-1] == term.name and "Off the list" not in page_of(chief)


def test_an_empty_list_says_what_that_means(chief):
    FindingTerm.objects.update(is_active=False)
    assert texts.terms.EMPTY_LIST in page_of(chief)


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.RADIOLOGIST])
def test_nobody_else_changes_the_list(sign_in, role, term):
    browser = sign_in(factories.UserFactory(role=role))
    before = list(FindingTerm.objects.values())
    assert browser.post(reverse("finding-terms"), {"name": "Another"}).status_code == 403
    for name, fields in (
        ("name", {"name": "Other"}),
        ("place", {"to": "up"}),
        ("activation", {"active": "no"}),
    ):
        assert act(browser, name, term, **fields).status_code == 403
    assert list(FindingTerm.objects.values()) == before


def test_a_number_that_no_finding_has_is_not_found(chief):
    assert chief.post(reverse("finding-term-name", args=[10**6]), {"name": "x"}).status_code == 404
