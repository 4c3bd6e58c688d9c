"""The reading room as a radiologist uses it, in a real browser: by keyboard, with drafts that are never lost."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import hands, stage
from tests.browser.chromium import signed_in
from tests.browser.conftest import watch
from tests.sites import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("site")]

# Enter counts from here on (rule D11); the page's own clock, as a busy machine may need longer to show the film.
LOOKED = "() => (document.getElementById('case').room.sitting?.displayedMs ?? 0) > 1000"
HELD_DOWN = """(key) => {
  const event = new KeyboardEvent("keydown", { key, repeat: true, bubbles: true, cancelable: true });
  document.activeElement.dispatchEvent(event);
}"""
SESSION_OF_ONE = """
from diagnosis.models import User
from diagnosis.services import sessions
sessions.start(by=User.objects.get(username="second.reader"), n_wanted=1)
"""
EXPECTED = ("Failed to load resource", "net::ERR_INTERNET_DISCONNECTED")


@pytest.fixture
def reader(page_as) -> Page:
    return page_as("radiologist")


@pytest.fixture
def studies(page_as) -> Callable[..., list[str]]:
    """`studies(2)`: new ones on the worklist, sent by a clinician."""
    return lambda n=1: stage.cases(page_as("clinician"), n)


def opened(page: Page, study: str) -> Page:
    page.goto(f"/cases/{study}/")
    return shown(page, study)


def shown(page: Page, study: str = "") -> Page:
    case = f"[data-case='{study}']" if study else ""
    expect(page.locator(f"#case[data-displayed=true]{case}")).to_be_attached()
    return page


def looked(page: Page) -> Page:
    """Long enough for Enter to count."""
    page.wait_for_function(LOOKED)
    return page


def status(page: Page) -> Any:
    return page.locator("[data-status]")


def saved(page: Page) -> Page:
    expect(status(page)).to_have_text(re.compile(r"^saved \d\d:\d\d:\d\d$"))
    return page


def answer(page: Page) -> Any:
    return page.locator("[name=answer]:checked")


def reads_of(site: Any, study: str) -> list[tuple]:
    return site.rows(
        "SELECT answer, confidence, findings, comment, status, active_ms FROM diagnosis_read "
        f"WHERE study_id = '{study.replace('-', '')}' ORDER BY created_at"
    )


def drafts_of(site: Any, study: str) -> list[tuple]:
    return site.rows(
        f"SELECT answer, comment, version FROM diagnosis_draft WHERE study_id = '{study.replace('-', '')}'"
    )


def let_go(errors: list[str], *expected: str) -> None:
    """Take out what the test itself has provoked."""
    errors[:] = [error for error in errors if not any(words in error for words in expected)]


def test_a_read_is_made_by_keyboard_alone_and_the_next_film_stands_without_loading_a_page(
    filled, reader, studies
):
    # Whatever stands first on the list may hold another test's draft; of these two the films are new.
    [study, _] = studies(2)
    opened(reader, study)
    reader.evaluate("() => { window.isTheSamePage = true; }")
    for key in ("1", "8", "f", "Space", "c"):
        reader.keyboard.press(key)
    reader.keyboard.type("Both bases.")
    reader.keyboard.press("Escape")
    saved(looked(reader))
    reader.keyboard.press("Enter")
    expect(reader.locator("#case")).not_to_have_attribute("data-case", study)
    shown(reader)
    assert reader.evaluate("() => window.isTheSamePage") is True
    assert reader.url.endswith(reader.locator("#case").get_attribute("data-address"))
    expect(reader.locator("[data-stage]")).to_be_focused()
    expect(reader.locator("[data-aloud-region]")).to_contain_text("Read submitted.")
    [(given, confidence, findings, comment, state, active_ms)] = reads_of(filled, study)
    assert (given, confidence, comment, state) == ("typical", 3, "Both bases.", "submitted")
    assert findings == '["ground-glass"]'
    assert active_ms > 900


@pytest.mark.long
def test_back_shows_the_case_before_and_forward_the_one_after(filled, reader, studies):
    [study, _] = studies(2)
    opened(reader, study)
    reader.keyboard.press("2")
    looked(reader).keyboard.press("Enter")
    expect(reader.locator("#case")).not_to_have_attribute("data-case", study)
    following = reader.locator("#case").get_attribute("data-case")
    reader.go_back()
    shown(reader, study)
    expect(reader.locator(".reading__panel")).to_contain_text("You read this study at")
    reader.go_forward()
    shown(reader, following)


def test_enter_within_a_second_of_the_film_and_a_key_that_is_held_down_do_nothing(filled, reader, studies):
    [study] = studies()
    opened(reader, study)
    reader.evaluate("() => { document.getElementById('case').room.sitting.displayedAt = performance.now(); }")
    reader.keyboard.press("3")
    reader.keyboard.press("Enter")
    expect(reader.locator("[data-hint]")).to_have_text("Enter counts one second after the film is there.")
    looked(reader).evaluate(HELD_DOWN, "Enter")
    reader.evaluate(HELD_DOWN, "4")
    saved(reader)
    expect(answer(reader)).to_have_value("atypical")
    assert reads_of(filled, study) == []


@pytest.mark.long
def test_enter_without_an_answer_says_what_is_missing(filled, reader, studies):
    [study] = studies()
    looked(opened(reader, study)).keyboard.press("Enter")
    expect(reader.locator("[data-hint]")).to_have_text("Choose an answer first: a digit from 1 to 5.")
    reader.keyboard.press("5")
    reader.keyboard.press("Enter")
    expect(reader.locator("[data-hint]")).to_have_text("Say why it cannot be assessed.")
    reader.keyboard.press("ArrowDown")
    reader.keyboard.press("Enter")
    expect(reader.locator("#case")).not_to_have_attribute("data-case", study)
    assert [row[0] for row in reads_of(filled, study)] == ["cannot"]


def test_a_read_can_be_taken_back_for_a_while_and_is_a_draft_again(filled, reader, studies):
    [study, _] = studies(2)
    opened(reader, study)
    reader.keyboard.press("4")
    reader.keyboard.press("c")
    reader.keyboard.type("Too soon")
    looked(reader).keyboard.press("Control+Enter")
    expect(reader.locator("#case")).not_to_have_attribute("data-case", study)
    expect(reader.locator("[data-undo-bar]")).to_be_visible()
    reader.keyboard.press("u")
    shown(reader, study)
    expect(answer(reader)).to_have_value("normal")
    expect(reader.locator("[name=comment]")).to_have_value("Too soon")
    assert [row[4] for row in reads_of(filled, study)] == ["taken_back"]
    reader.keyboard.press("2")
    saved(looked(reader)).keyboard.press("Enter")
    expect(reader.locator("#case")).not_to_have_attribute("data-case", study)
    assert [row[0] for row in reads_of(filled, study) if row[4] == "submitted"] == ["indeterminate"]


@pytest.mark.long
def test_the_undo_bar_goes_after_its_seconds(filled, reader, studies):
    [study, _] = studies(2)
    reader.clock.install()
    opened(reader, study)
    reader.clock.run_for(1500)
    reader.keyboard.press("2")
    reader.keyboard.press("Enter")
    expect(reader.locator("[data-undo-bar]")).to_be_visible()
    reader.clock.run_for(11_000)
    expect(reader.locator("[data-undo-bar]")).to_have_count(0)


def test_a_draft_survives_a_closed_tab_and_a_session_that_was_killed(
    filled, browser: Browser, studies, errors
):
    [study] = studies()
    with browser.new_context(base_url=filled.url) as context:
        context.add_cookies(signed_in(browser, filled.url, "radiologist", filled.passwords["radiologist"]))
        page = context.new_page()
        watch(page, errors)
        opened(page, study)
        page.keyboard.press("2")
        page.keyboard.press("c")
        page.keyboard.type("Left base, faint")
        # As a person closes it: a target that is torn down by the debugger may not be told that it goes.
        page.close(run_before_unload=True)
        # What a closing tab still sends is on its way: neither the session nor the browser ends before it has come.
        stored = ("indeterminate", "Left base, faint")
        wait_for(lambda: stored in [row[:2] for row in drafts_of(filled, study)], what="the draft is stored")
    [name] = filled.rows("SELECT session_key FROM django_session ORDER BY expire_date DESC LIMIT 1")
    stage.run(
        filled,
        f"from django.contrib.sessions.models import Session; Session.objects.filter(pk='{name[0]}').delete()",
    )
    with browser.new_context(base_url=filled.url) as context:
        context.add_cookies(signed_in(browser, filled.url, "radiologist", filled.passwords["radiologist"]))
        page = context.new_page()
        watch(page, errors)
        opened(page, study)
        expect(answer(page)).to_have_value("indeterminate")
        expect(page.locator("[name=comment]")).to_have_value("Left base, faint")
        expect(page.locator("[data-restored]")).to_contain_text("restored")


@pytest.mark.long
def test_without_a_connection_nothing_is_lost(filled, reader, studies, errors):
    [study] = studies()
    opened(reader, study)
    reader.context.set_offline(True)
    reader.keyboard.press("3")
    expect(status(reader)).to_have_text("not saved, trying again")
    reader.keyboard.press("8")
    looked(reader).keyboard.press("Enter")
    expect(reader.locator("[data-hint]")).to_have_text(
        "No connection: nothing was sent. What you chose stays here."
    )
    reader.context.set_offline(False)
    saved(reader)
    assert [row[0] for row in drafts_of(filled, study)] == ["atypical"]
    let_go(errors, *EXPECTED)


@pytest.mark.long
def test_whoever_is_signed_out_signs_in_in_another_tab_and_nothing_is_lost(filled, browser, studies, errors):
    [study] = studies()
    with browser.new_context(base_url=filled.url) as context:
        context.add_cookies(signed_in(browser, filled.url, "radiologist", filled.passwords["radiologist"]))
        page = context.new_page()
        watch(page, errors)
        opened(page, study)
        [cookie] = [one for one in context.cookies() if one["name"] == "sessionid"]
        context.clear_cookies(name="sessionid")
        page.keyboard.press("1")
        expect(status(page)).to_have_text("You are signed out: sign in in another tab, nothing is lost.")
        expect(page.get_by_role("link", name="Sign in")).to_be_visible()
        assert cookie["value"]
        context.add_cookies(signed_in(browser, filled.url, "radiologist", filled.passwords["radiologist"]))
        saved(page)
        expect(answer(page)).to_have_value("typical")
        assert [row[0] for row in drafts_of(filled, study)] == ["typical"]
    let_go(errors, "401", "Failed to load resource")


def test_two_windows_never_overwrite_each_other_and_their_versions_are_merged(
    filled, reader, studies, errors
):
    [study] = studies()
    other = reader.context.new_page()
    watch(other, errors)
    opened(reader, study)
    opened(other, study)
    other.keyboard.press("4")
    other.keyboard.press("c")
    other.keyboard.type("Nothing to see")
    saved(other)
    reader.bring_to_front()
    reader.keyboard.press("1")
    reader.keyboard.press("8")
    dialog = reader.locator("#merge")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("group", name="Answer")).to_contain_text("Typical")
    expect(dialog.get_by_role("group", name="Answer")).to_contain_text("Normal")
    expect(dialog.locator("input:checked").first).to_be_focused()
    assert [row[:2] for row in drafts_of(filled, study)] == [("normal", "Nothing to see")]
    reader.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(status(reader)).to_have_text("Changed in another window: not saved.")
    assert [row[:2] for row in drafts_of(filled, study)] == [("normal", "Nothing to see")]
    reader.get_by_role("button", name="Compare").click()
    reader.wait_for_timeout(1050)  # Enter counts from then on
    reader.keyboard.press("Enter")
    saved(reader)
    # This window's answer, which it had changed, and the other's comment, which it had not.
    assert [row[:2] for row in drafts_of(filled, study)] == [("typical", "Nothing to see")]
    let_go(errors, "409")


def test_of_two_readers_one_has_the_case_and_the_other_is_told_who_and_takes_it_over_when_it_is_free(
    filled, page_as, reader, studies, errors
):
    [study] = studies()
    second = page_as(stage.second_reader(filled))
    opened(reader, study)
    opened(second, study)
    banner = second.locator("[data-held]")
    expect(banner).to_contain_text(re.compile(r"R-\d+ has this case open until"))
    second.keyboard.press("1")
    expect(answer(second)).to_have_count(0)
    expect(second.locator("[data-submit]")).to_be_disabled()
    second.get_by_role("button", name="Take over when it is free").click()
    expect(banner).to_be_visible()
    stage.end_claim(filled, study)
    second.evaluate("() => document.getElementById('case').room.sitting.claim.renew()")
    expect(banner).to_be_hidden()
    shown(second, study).keyboard.press("1")
    saved(second)
    # The first one's claim is gone: what they had is kept, and they are told.
    reader.keyboard.press("2")
    expect(reader.locator("[data-held]")).to_contain_text(re.compile(r"R-\d+ has this case open until"))
    saved(reader)
    let_go(errors, "409")


def test_two_readers_who_ask_for_the_next_case_at_once_get_different_ones(filled, page_as, reader, studies):
    studies(2)
    second = page_as(stage.second_reader(filled))
    reader.goto("/cases/next/", wait_until="commit")
    second.goto("/cases/next/", wait_until="commit")
    cases = {shown(page).locator("#case").get_attribute("data-case") for page in (reader, second)}
    assert len(cases) == 2


def test_a_key_map_is_kept_after_signing_out(filled, browser, studies, errors):
    [study] = studies()
    with browser.new_context(base_url=filled.url) as context:
        reader = stage.second_reader(filled)
        context.add_cookies(signed_in(browser, filled.url, reader, filled.passwords[reader]))
        page = context.new_page()
        watch(page, errors)
        page.goto("/account/reading-keys/")
        invert = page.get_by_label("Swap black and white")
        invert.press("f")
        expect(page.get_by_text("f is the key of “tick findings”, too.")).to_be_visible()
        expect(page.get_by_role("button", name="Save keys")).to_be_disabled()
        invert.press("q")
        page.get_by_role("button", name="Save keys").click()
        expect(page.get_by_label("Swap black and white")).to_have_value("q")
        page.click("details.menu summary")
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/sign-in/**")
        context.clear_cookies()
        context.add_cookies(signed_in(browser, filled.url, reader, filled.passwords[reader]))
        opened(page, study)
        expect(page.locator("[data-viewer]")).to_have_attribute("data-ready", "true")
        page.keyboard.press("q")
        expect(page.locator("[data-do=invert]")).to_have_attribute("aria-pressed", "true")
        page.keyboard.press("i")
        expect(page.locator("[data-do=invert]")).to_have_attribute("aria-pressed", "true")
        page.keyboard.press("?")
        expect(page.locator("#keys")).to_contain_text("Q")
        page.goto("/account/reading-keys/")
        page.get_by_role("button", name="The usual keys again").click()
        expect(page.get_by_label("Swap black and white")).to_have_value("i")


def test_a_film_that_is_gone_says_so_and_the_rest_goes_on(filled, page_as, reader, errors):
    clinician = page_as("clinician")
    study = stage.lost_case(filled, clinician)
    stage.cases(clinician, 1)
    opened(reader, study)
    expect(reader.get_by_role("heading", name="This film cannot be shown")).to_be_visible()
    reader.keyboard.press("5")
    expect(reader.locator("[name=reason]:checked")).to_have_value("file")
    looked(reader).keyboard.press("Enter")
    expect(reader.locator("#case")).not_to_have_attribute("data-case", study)
    shown(reader)
    assert [row[0] for row in reads_of(filled, study)] == ["cannot"]
    let_go(errors, "404")


@pytest.mark.long
def test_n_leaves_the_case_and_its_draft_for_later(filled, reader, studies):
    [study, _] = studies(2)
    opened(reader, study)
    reader.keyboard.press("3")
    reader.keyboard.press("n")
    expect(reader.locator("#case")).not_to_have_attribute("data-case", study)
    assert [row[0] for row in drafts_of(filled, study)] == ["atypical"]
    assert reads_of(filled, study) == []


@pytest.mark.long
def test_time_counts_while_somebody_reads_and_not_while_nobody_does(filled, reader, studies):
    [study] = studies()
    reader.clock.install()
    opened(reader, study)
    clock = "() => document.getElementById('case').room.sitting.clock.ms"
    before = reader.evaluate(clock)
    reader.mouse.move(300, 300)
    reader.clock.run_for(20_000)
    assert reader.evaluate(clock) - before == pytest.approx(20_000, abs=1500)
    reader.mouse.move(310, 300)
    reader.clock.run_for(300_000)
    assert reader.evaluate(clock) - before == pytest.approx(50_000, abs=2500)


@pytest.mark.long
def test_on_a_telephone_the_film_comes_first_and_every_target_has_room_for_a_finger(filled, page_as, studies):
    [study] = studies()
    page = opened(page_as("radiologist", width=390), study)
    film, panel = (page.locator(f".reading__{part}").bounding_box() for part in ("film", "panel"))
    assert film["y"] < panel["y"]
    assert panel["y"] < 844, "a part of the sheet is in sight"
    targets = page.locator(".reading__panel").locator("button, label:has(input), select, textarea").all()
    for target in targets:
        if target.is_visible():
            assert target.bounding_box()["height"] >= 43.5, target.inner_text()


def test_what_is_drawn_on_one_film_is_listed_beside_the_other_and_can_be_removed_there(page_as, reader):
    uid = f"1.2.826.0.1.3.{next(stage.UNSEEN)}"
    films = [stage.picture("film.dcm", seed=next(stage.UNSEEN), StudyInstanceUID=uid) for _ in range(2)]
    first, _ = (stage.sent(page_as("clinician"), film) for film in films)
    study = first.split("/")[2]
    opened(reader, study)
    hands.drag(reader, "b", (-0.05, -0.05), (0.08, 0.07))
    saved(reader)
    elsewhere = reader.locator("[data-marks]")
    expect(elsewhere).to_be_hidden()
    reader.locator("[data-film]").nth(1).click()
    expect(elsewhere).to_have_text(re.compile(r"On other films\s*Box"))
    expect(reader.locator("[data-region-list] li")).to_have_count(0)
    elsewhere.get_by_role("button", name="Remove from the other film: Box").click()
    expect(elsewhere).to_be_hidden()
    reader.locator("[data-film]").nth(0).click()
    expect(reader.locator("[data-film][aria-current]")).to_contain_text("Film 1")
    expect(reader.locator("[data-region-list] li")).to_have_count(0)


def test_what_is_drawn_is_part_of_the_draft_and_of_the_read(filled, reader, studies):
    [study] = studies()
    opened(reader, study)
    hands.drag(reader, "b", (-0.05, -0.05), (0.08, 0.07))
    drawn = reader.locator("[data-region-list] li")
    expect(drawn).to_have_count(1)
    expect(reader.locator("[data-marks]")).to_be_hidden()
    reader.keyboard.press("x")
    reader.keyboard.press("3")
    saved(looked(reader))
    reader.reload()
    shown(reader, study)
    expect(drawn).to_contain_text("box")
    assert reader.evaluate("() => document.querySelector('[data-viewer]').viewer.turned().flipped") is True
    looked(reader).keyboard.press("Enter")
    expect(reader.locator("#case")).not_to_have_attribute("data-case", study)
    [(kind, view)] = filled.rows(
        "SELECT region.kind, read.view FROM diagnosis_region AS region JOIN diagnosis_read AS read "
        f"ON read.id = region.read_id WHERE read.study_id = '{study.replace('-', '')}'"
    )
    assert kind == "box"
    assert '"flipped": true' in view


@pytest.mark.long
def test_a_session_that_is_over_says_so_and_how_many_were_read(filled, page_as, studies):
    studies(1)
    second = page_as(stage.second_reader(filled))
    second.goto("/worklist/")
    stage.run(filled, SESSION_OF_ONE)
    second.goto("/cases/next/")
    shown(second)
    expect(second.locator(".sitting")).to_contain_text("0 of 1 read")
    second.keyboard.press("2")
    looked(second).keyboard.press("Enter")
    expect(second.get_by_role("heading", name="Session finished: 1 of 1 films read.")).to_be_visible()
    expect(second.get_by_role("link", name="To the worklist")).to_be_visible()
    second.keyboard.press("u")
    shown(second)
    expect(answer(second)).to_have_value("indeterminate")
