"""The bell counts on in a page that stays open."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("site")]

TELL = """
from diagnosis.models import User
from diagnosis.services import notices
notices.tell([User.objects.get(username="radiologist")], "run-done", "The run is done.", address="/uploads/")
"""


def test_a_notice_rings_in_an_open_page_and_is_quiet_once_it_is_read(page_as, site):
    page = page_as("radiologist")
    page.goto("/studies/")
    expect(page.get_by_role("link", name="0 unread notices")).to_be_visible()
    site.shell(TELL)
    page.get_by_role("link", name="0 unread notices").focus()
    # Somebody comes back to this tab: all that is live on a page is asked for at once.
    page.evaluate("() => document.body.dispatchEvent(new CustomEvent('wake'))")
    bell = page.get_by_role("link", name="1 unread notice", exact=True)
    expect(bell).to_be_focused()
    bell.click()
    page.get_by_role("button", name="Open: The run is done.").click()
    page.wait_for_url("**/uploads/")
    expect(page.get_by_role("link", name="0 unread notices")).to_be_visible()
