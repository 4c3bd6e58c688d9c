"""The AI's answer after one's own read, as a radiologist asks for it: by one key, with a mouse, and without scripts."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser import stage
from tests.browser.test_reading import looked, opened, saved, shown

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("site")]

REVISION = "stays the one that counts"


@pytest.fixture
def reader(page_as) -> Page:
    return page_as("radiologist")


def reads_of(site: Any, study: str) -> list[tuple]:
    return site.rows(
        "SELECT kind, answer, status, is_blinded, revealed_at IS NOT NULL FROM diagnosis_read "
        f"WHERE study_id = '{study.replace('-', '')}' ORDER BY created_at"
    )


def submitted(page: Page, study: str, digit: str) -> Page:
    """A read of it, and the next film on the screen."""
    opened(page, study)
    page.keyboard.press(digit)
    looked(page).keyboard.press("Enter")
    expect(page.locator("#case")).not_to_have_attribute("data-case", study)
    expect(page.locator("[data-undo-bar]")).to_contain_text(study[:8].upper())
    return shown(page)


def revealed(page: Page) -> Page:
    page.wait_for_url("**/revelation/")
    expect(page.locator("[data-viewer]")).to_have_attribute("data-ready", "true")
    return page


def test_one_key_shows_the_answer_a_revision_follows_and_both_reads_are_kept(filled, page_as, reader):
    study = stage.analysed(page_as("clinician"))
    stage.cases(page_as("clinician"), 1)
    submitted(reader, study, "4").keyboard.press("e")
    revealed(reader)
    panel = reader.get_by_role("complementary", name="Your read and the AI's answer")
    expect(panel).to_contain_text("Normal")
    expect(panel).to_contain_text("AI score")
    heatmap = reader.locator("[data-do=heatmap]")
    if heatmap.is_enabled():  # below the band there is none
        expect(heatmap).to_have_attribute("aria-pressed", "false")
        reader.keyboard.press("h")
        expect(heatmap).to_have_attribute("aria-pressed", "true")
    reader.get_by_role("button", name="Revise my read").click()
    reader.wait_for_url(f"**/cases/{study}/")
    expect(shown(reader, study).get_by_role("note")).to_contain_text(REVISION)
    expect(reader.locator("[name=answer]:checked")).to_have_value("normal")
    reader.keyboard.press("1")
    saved(looked(reader)).keyboard.press("Enter")
    expect(reader.locator("#case")).not_to_have_attribute("data-case", study)
    assert reads_of(filled, study) == [
        ("first", "normal", "superseded", 1, 1),
        ("revision", "typical", "submitted", 0, 0),
    ]


def test_enter_goes_on_at_the_film_that_was_open_with_what_was_chosen_there(filled, page_as, reader):
    study, _ = stage.cases(page_as("clinician"), 2)
    submitted(reader, study, "4")
    following = reader.locator("#case").get_attribute("data-case")
    reader.keyboard.press("2")
    reader.locator("[data-undo-bar]").get_by_role("button", name="Show the AI's answer").click()
    revealed(reader)
    # Enter that was meant for the film before does nothing at first (rule D11).
    reader.wait_for_timeout(1100)
    reader.keyboard.press("Enter")
    reader.wait_for_url(f"**/cases/{following}/")
    expect(shown(reader, following or "").locator("[name=answer]:checked")).to_have_value("indeterminate")
    expect(reader.locator("[data-undo-bar]")).to_have_count(0)


def test_it_works_without_scripts(filled, page_as):
    study = stage.analysed(page_as("clinician"))
    # With nothing left to read the worklist would follow, and no bar.
    stage.cases(page_as("clinician"), 1)
    page = page_as("radiologist", java_script_enabled=False)
    page.goto(f"/cases/{study}/")
    page.locator("[name=answer][value=normal]").check(force=True)
    page.get_by_role("button", name="Submit").click()
    page.get_by_role("button", name="Show the AI's answer").click()
    page.wait_for_url("**/revelation/")
    expect(page.get_by_text("AI score").first).to_be_visible()
    page.get_by_role("button", name="Revise my read").click()
    page.wait_for_url(f"**/cases/{study}/")
    expect(page.get_by_role("note")).to_contain_text(REVISION)
    page.locator("[name=answer][value=typical]").check(force=True)
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url(lambda url: study not in url)
    assert [row[:2] for row in reads_of(filled, study)] == [("first", "normal"), ("revision", "typical")]
