"""A protocol is made in a browser: looked at, made, and the cases follow while one watches."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser import stage

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("site")]


def make_cohort(page: Page, source: str) -> None:
    page.goto("/protocols/")
    page.get_by_role("link", name="New cohort").click()
    page.get_by_label("Name").fill(f"Films of {source}")
    page.get_by_label(source, exact=True).check()
    page.get_by_role("button", name="Make the cohort").click()
    expect(page.get_by_text(f"The cohort Films of {source} is made.")).to_be_visible()


def test_two_readers_are_asked_for_and_a_case_that_was_done_opens_again(page_as, site):
    source, study = stage.cases_of_a_source(site)
    page = page_as("administrator")
    make_cohort(page, source)
    expect(page.locator("#following")).to_contain_text("3 of 3 cases follow version 1.")
    expect(page.locator("#following")).to_contain_text("1 done")
    page.get_by_label("Two readers").check()
    page.get_by_label("Adjudicated").check()
    page.get_by_label("Reason for the change").fill("A second opinion on all of these")
    page.get_by_role("button", name="See what changes").click()
    expect(page.locator("#change")).to_be_focused()
    expect(page.get_by_text("1 case that is done will open again: another read is wanted.")).to_be_visible()
    page.get_by_role("button", name="Make this version").click()
    expect(page.get_by_text("Version 2 holds from now on.")).to_be_visible()
    # The sweep of a real worker places them; nobody touches the page.
    expect(page.locator("#following")).to_contain_text("3 of 3 cases follow version 2.")
    expect(page.locator("#following")).to_contain_text("1 wait for a second read")
    assert site.rows(f"select status from diagnosis_case where study_id = '{study.replace('-', '')}'") == [
        ("open",)
    ]
    page.get_by_role("button", name="Go back to version 1").click()
    expect(page.locator("#following")).to_contain_text("3 of 3 cases follow version 3.")
    expect(page.locator("#following")).to_contain_text("1 done")


def test_what_is_refused_is_in_view_and_nothing_typed_is_lost(page_as, site):
    source, _ = stage.cases_of_a_source(site)
    page = page_as("administrator", width=390)
    make_cohort(page, source)
    page.get_by_label("Two readers").check()
    page.get_by_label("Random cases, in %").fill("35")
    page.get_by_role("button", name="See what changes").click()
    expect(page.get_by_role("alert")).to_be_in_viewport()
    expect(page.get_by_label("Random cases, in %")).to_have_value("35")
    expect(page.get_by_label("Two readers")).to_be_checked()
    expect(page.get_by_text("Say why it is changed")).to_be_visible()


def test_the_box_for_adjudicators_is_there_for_radiologists_alone(page_as):
    page = page_as("administrator")
    page.goto("/users/new/")
    expect(page.get_by_label("Adjudicator")).to_be_hidden()
    page.get_by_label("Role").select_option("radiologist")
    expect(page.get_by_label("Adjudicator")).to_be_visible()
