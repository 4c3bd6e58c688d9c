"""The worklist in a browser: live claims, the keyboard, saved filters, many cases at once and back, sessions."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser import stage

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("site")]


def number(study: str) -> str:
    return study[:8].upper()


def row(page: Page, study: str):
    return page.locator(f"[data-study='{study}']")


def in_focus(page: Page) -> str:
    return page.evaluate("() => document.activeElement?.closest('.case')?.dataset.study ?? ''")


def test_another_readers_claim_appears_and_moves_neither_focus_nor_scroll(page_as, site):
    pseudonym, studies = stage.cases_of_one_patient(site, 12)
    page = page_as("radiologist", height=420)
    page.goto(f"/worklist/?search={pseudonym}")
    link = page.get_by_role("link", name=number(studies[9]))
    link.focus()
    assert page.evaluate("() => scrollY") > 0
    name = stage.claimed_by_another(site, studies[8])
    expect(row(page, studies[8])).to_contain_text(name)
    expect(link).to_be_focused()
    # Not to the pixel: a banner above the list may come or go meanwhile.
    expect(link).to_be_in_viewport()


def test_a_page_in_which_nothing_happens_is_left_alone(page_as, site):
    pseudonym, studies = stage.cases_of_one_patient(site, 2)
    page = page_as("radiologist")
    page.goto(f"/worklist/?search={pseudonym}")
    page.evaluate(
        "study => { document.querySelector(`[data-study='${study}']`).dataset.mark = 'kept'; }", studies[0]
    )
    with page.expect_response(lambda answer: "/worklist/" in answer.url and answer.status == 204):
        page.evaluate("() => document.body.dispatchEvent(new CustomEvent('wake'))")
    expect(row(page, studies[0])).to_have_attribute("data-mark", "kept")


def test_a_reader_needs_no_mouse(page_as, site):
    pseudonym, studies = stage.cases_of_one_patient(site, 3)
    page = page_as("radiologist")
    page.goto(f"/worklist/?search={pseudonym}")
    for key, expected in (("j", 0), ("j", 1), ("j", 2), ("j", 2), ("k", 1)):
        page.keyboard.press(key)
        assert in_focus(page) == studies[expected]
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.get_by_label("Study number or pseudonym")).to_be_focused()
    page.keyboard.press("Tab")
    page.get_by_role("link", name=number(studies[1])).focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/cases/{studies[1]}/")
    page.goto(f"/worklist/?search={pseudonym}")
    expect(row(page, studies[1])).to_contain_text("You until")


def test_filters_are_saved_under_a_name_and_come_back(page_as, site):
    pseudonym, _ = stage.cases_of_one_patient(site, 1)
    page = page_as("radiologist")
    page.goto(f"/worklist/?search={pseudonym}")
    page.get_by_text("Save these filters").click()
    name = f"Patient {pseudonym}"
    page.get_by_label("Name", exact=True).last.fill(name)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text(f"Saved as '{name}'.")).to_be_visible()
    page.goto("/worklist/")
    page.get_by_role("link", name=name).click()
    expect(page.locator(".case")).to_have_count(1)
    page.locator(".saved__one", has_text=name).locator("summary").click()
    page.locator(".saved__one", has_text=name).get_by_role("button", name="Delete").click()
    expect(page.get_by_text(f"'{name}' is deleted.")).to_be_visible()
    expect(page.get_by_role("link", name=name)).to_have_count(0)


def test_cases_are_chosen_by_keyboard_taken_off_and_brought_back(page_as, site):
    pseudonym, studies = stage.cases_of_one_patient(site, 3)
    page = page_as("administrator")
    page.goto(f"/worklist/?search={pseudonym}")
    take_off = page.get_by_role("button", name="Take off the list…")
    expect(take_off).to_be_disabled()
    for key in "jxjx":
        page.keyboard.press(key)
    expect(page.locator(".bulk__n")).to_have_text("2 chosen")
    # What is chosen stays so while the list changes under it.
    name = stage.claimed_by_another(site, studies[2])
    expect(row(page, studies[2])).to_contain_text(name)
    expect(page.locator(".bulk__n")).to_have_text("2 chosen")
    take_off.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="Take off the list: 2 cases?")).to_be_visible()
    dialog.get_by_label("Reason").fill("Phantom films")
    dialog.get_by_role("button", name="Take off the list").click()
    expect(page.get_by_text("2 cases were taken off the worklist.")).to_be_visible()
    expect(page.locator(".case")).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("2 cases were put back on the worklist.")).to_be_visible()
    page.goto(f"/worklist/?search={pseudonym}")
    expect(page.locator(".case")).to_have_count(3)


def test_a_claim_is_freed_by_an_administrator(page_as, site):
    pseudonym, studies = stage.cases_of_one_patient(site, 1)
    name = stage.claimed_by_another(site, studies[0])
    page = page_as("administrator")
    page.goto(f"/worklist/?search={pseudonym}")
    expect(row(page, studies[0])).to_contain_text(name)
    page.get_by_label(f"Choose study {number(studies[0])}").check()
    page.get_by_role("button", name="Free claims…").click()
    page.get_by_role("dialog").get_by_role("link", name="Leave as it is").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Free claims…").click()
    page.get_by_role("dialog").get_by_label("Reason").fill("Went home")
    page.get_by_role("dialog").get_by_role("button", name="Free").click()
    expect(page.get_by_text("1 case was freed for others.")).to_be_visible()
    expect(
        page.locator(".case__held").filter(has_text=name).and_(page.locator(f"[data-study='{studies[0]}'] *"))
    ).to_have_count(0)


def test_a_session_is_begun_paused_resumed_and_ended(page_as, site):
    pseudonym, studies = stage.cases_of_one_patient(site, 2)
    page = page_as("radiologist")
    page.goto(f"/worklist/?search={pseudonym}")
    page.get_by_label(re.compile("^Read")).select_option("10")
    page.keyboard.press("Escape")
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("r")
    page.wait_for_url(f"**/cases/{studies[0]}/")
    page.goto("/worklist/")
    expect(page.get_by_text("0 of 10 read")).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("heading", name="Session paused")).to_be_visible()
    page.keyboard.press("r")
    page.wait_for_url(f"**/cases/{studies[0]}/")
    page.goto("/worklist/")
    page.get_by_role("button", name="End").click()
    expect(page.get_by_text("The session has ended. 0 of 10 films were read.")).to_be_visible()
    expect(page.get_by_text("films in a row")).to_be_visible()


def test_on_a_telephone_films_come_first_and_filters_are_one_press_away(page_as, site):
    stage.cases_of_one_patient(site, 2)
    page = page_as("radiologist", width=390)
    page.goto("/worklist/")
    expect(page.locator(".case").first).to_be_in_viewport()
    search, more = page.locator("[data-search]"), page.get_by_role("button", name="Filter and find")
    expect(search).to_be_hidden()
    more.click()
    expect(search).to_be_visible()
    expect(more).to_have_attribute("aria-expanded", "true")
    more.click()
    page.keyboard.press("/")
    expect(search).to_be_focused()
    page.goto("/worklist/?search=3F")
    expect(search).to_be_visible()
