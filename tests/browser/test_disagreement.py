"""A clinician disagrees, is answered, and opens the answer; as people do it, with and without scripts."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser import stage

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("site")]

READ = re.compile(r"Research read by R-\d\d \(radiologist\): (Typical|Normal)\.")
SENTENCE = "Dense left lower zone"


def number_of(address: str) -> str:
    return address.split("/")[2][:8].upper()


def own_film(page: Page) -> str:
    """The address of a study of this person's own that has its result."""
    address = stage.sent(page, stage.picture("doubted.png", seed=next(stage.UNSEEN)))
    expect(page.locator("#disagree summary")).to_be_visible()
    return address


def test_it_is_said_taken_back_and_said_again_by_keyboard(page_as):
    page = page_as("clinician")
    page.goto(own_film(page))
    summary = page.locator("#disagree summary")
    summary.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type(SENTENCE)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    said = page.locator("#disagreement")
    expect(said).to_contain_text(f"“{SENTENCE}”. The film is on the reading list.")
    page.get_by_role("button", name="Take back").press("Enter")
    expect(page.get_by_role("status").filter(has_text="Taken back.")).to_be_visible()
    expect(summary).to_be_visible()


def test_an_answer_is_counted_opened_and_read(page_as, filled):
    page = page_as("clinician")
    address = stage.answered_study(filled, page)
    page.goto("/studies/")
    expect(page.locator(".bar__n")).to_be_visible()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Answers").click()
    page.get_by_role("button", name=f"Open the answer to study {number_of(address)}").click()
    page.wait_for_url(f"**{address}")
    expect(page.locator(".reads")).to_contain_text(READ)
    page.goto("/answers/")
    mine = page.locator(".told", has_text=number_of(address))
    expect(mine).to_contain_text("opened by")
    expect(mine.get_by_role("link", name="Look again")).to_be_visible()


def test_all_of_it_works_without_scripts(page_as, filled):
    sender = page_as("clinician")
    address = own_film(sender)
    page = page_as("clinician", java_script_enabled=False, width=390)
    stage.disagree(page, address, SENTENCE)
    expect(page.locator("#disagreement")).to_contain_text("The film is on the reading list.")
    stage.answer(filled, address)
    page.goto("/answers/")
    page.get_by_role("button", name=f"Open the answer to study {number_of(address)}").click()
    expect(page.locator(".reads")).to_contain_text("Not the clinical report.")


def test_what_is_being_typed_outlives_a_new_result(page_as, filled):
    """The part of the page that waits is replaced; the sentence, and what it is about, stay."""
    page = page_as("clinician")
    page.goto(own_film(page))
    expect(page.locator("[data-viewer][data-ready=true]")).to_be_visible()
    filled.pause("inference")
    try:
        page.locator("#history").click()
        page.get_by_role("button", name="Analyse again").click()
        expect(page.locator("#analysis")).to_contain_text("New analysis")
        page.locator("#disagree summary").click()
        shown = about(page)
        page.locator("#disagree textarea").fill(SENTENCE)
    finally:
        filled.resume("inference")
    expect(page.locator("#analysis .pulse")).to_have_count(0)
    expect(page.locator("#disagree textarea")).to_have_value(SENTENCE)
    assert about(page) == shown
    assert page.locator("#disagree").evaluate("(details) => details.open")


def about(page: Page) -> Any:
    return page.locator("#disagree [name=prediction]").input_value()
