"""A page whose server goes away, or whose session ends, says so and goes on by itself."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser import stage

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("site")]

LOST = "No connection to the server."


def forgive_lost_requests(errors: list[str]) -> None:
    """They are the point here; the browser and htmx log each."""
    expected = ("ERR_INTERNET_DISCONNECTED", "ERR_FAILED", "htmx:afterRequest", "htmx:sendError")
    errors[:] = [error for error in errors if not any(word in error for word in expected)]


def test_a_list_without_its_server_says_so_and_recovers(page_as, errors):
    page = page_as("clinician")
    page.goto("/studies/")
    page.context.set_offline(True)
    expect(page.locator("[data-lost]")).to_contain_text(LOST)
    page.context.set_offline(False)
    expect(page.locator("[data-lost]")).to_be_empty()
    forgive_lost_requests(errors)


def test_a_study_that_waits_asks_again_after_a_question_was_lost(page_as, site, errors):
    page = page_as("clinician")
    try:
        stage.waiting_study(site, page)
        page.route("**/studies/*/?film=*", lambda route: route.abort())
        expect(page.locator("[data-lost]")).to_contain_text(LOST)
        page.unroute("**/studies/*/?film=*")
    finally:
        site.resume("inference")
    expect(page.locator(".answer__score")).to_be_visible(timeout=90_000)
    forgive_lost_requests(errors)


def test_a_list_whose_session_has_ended_becomes_the_sign_in_page(page_as):
    page = page_as("clinician")
    page.goto("/studies/?show=above")
    page.context.clear_cookies(name="sessionid")
    page.wait_for_url("**/sign-in/?next=/studies/%3Fshow%3Dabove")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
