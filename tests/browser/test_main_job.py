"""The main job in a real browser: a film in, COVIDNet's answer with a heatmap out."""

from __future__ import annotations

import re
import sys
import time

import pytest
from playwright.sync_api import Locator, Page, expect

from tests import xrays
from tests.browser import stage

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("site")]

FILMS = [("chest.dcm", 100), ("chest.jpg", 101), ("chest.png", 102)]
WITHIN_S = 60


def answer_of(page: Page) -> str:
    """What the study page says once the answer is there."""
    page.wait_for_url("**/studies/*/")
    expect(page.locator(".answer__score")).to_be_visible(timeout=WITHIN_S * 1000)
    return page.locator("#analysis").inner_text()


def row(page: Page, name: str) -> Locator:
    return page.locator(".file", has_text=name)


@pytest.fixture
def page(page_as):
    page = page_as("clinician")
    page.goto("/uploads/")
    return page


@pytest.mark.parametrize(
    ("kind", "offset", "name", "seed"),
    [("drop", 0, *film) for film in FILMS] + [("paste", 10, *FILMS[2]), ("dialog", 20, *FILMS[0])],
)
def test_one_film_leads_to_its_answer(page, capsys, name, seed, kind, offset):
    film = stage.picture(name, seed=seed + offset)
    started = time.monotonic()
    if kind == "dialog":
        with page.expect_file_chooser() as chooser:
            page.locator("label", has_text="Choose files").click()
        chooser.value.set_files(film)
    else:
        stage.hand_over(page, kind, film)
    words = answer_of(page)
    took = time.monotonic() - started
    with capsys.disabled():
        sys.stdout.write(f"\n{kind} {name}: {took:.2f} s to the answer on the page\n")
    assert re.search(r"(above threshold|Uncertain: the AI gives no answer|No COVID-19 pattern found)", words)
    expect(page.locator("[data-viewer]")).to_have_attribute("data-ready", "true")


def test_a_study_page_that_is_slow_to_come_is_asked_for_once(page):
    """The outcome is asked for meanwhile, more often than a busy server answers."""
    asked = []

    def slowly(route):
        asked.append(route.request.url)
        time.sleep(1)
        route.continue_()

    page.route(re.compile(r"/studies/[0-9a-f-]{36}/$"), slowly)
    page.set_input_files("input[type=file]", stage.picture("slow.png", seed=next(stage.UNSEEN)))
    answer_of(page)
    assert len(asked) == 1


def test_a_finding_with_a_heatmap_shows_it_as_a_layer_over_the_film(page, filled):
    address = stage.study(filled, "above")
    page.goto(address)
    expect(page.locator("[data-viewer]")).to_have_attribute("data-ready", "true")
    layer = page.locator(".viewer__heatmap")
    expect(layer).to_be_hidden()
    page.click("[data-do=heatmap]")
    expect(layer).to_be_visible()
    assert layer.evaluate("image => image.decode().then(() => image.naturalWidth > 0)")


def test_several_files_each_get_their_outcome_a_bad_one_its_sentence(page):
    good = [stage.picture(name, seed=140 + n) for n, name in enumerate(("one.png", "two.jpg"))]
    bad = {"name": "small.png", "buffer": xrays.png(xrays.film(width=180, height=160))}
    empty = {"name": "nothing.png", "buffer": b""}
    stage.hand_over(page, "drop", *good, bad, empty)
    expect(row(page, "small.png")).to_contain_text("Too small: 180 × 160 pixels; at least 224 × 224 needed.")
    expect(row(page, "nothing.png")).to_contain_text("Empty file: 0 bytes.")
    for name in ("one.png", "two.jpg"):
        expect(row(page, name).locator("[data-open]")).to_be_visible()
        expect(row(page, name)).to_contain_text(re.compile("pattern|Uncertain"), timeout=WITHIN_S * 1000)
    assert page.url.endswith("/uploads/")


def test_the_batch_page_shows_every_file_under_its_name(page):
    stage.hand_over(
        page, "drop", stage.picture("left.png", seed=150), {"name": "note.pdf", "buffer": xrays.PDF}
    )
    page.click("[data-batch-link]")
    expect(page.get_by_role("heading", name="Batch", exact=True)).to_be_visible()
    expect(row(page, "left.png")).to_contain_text("AI score", timeout=WITHIN_S * 1000)
    expect(row(page, "note.pdf")).to_contain_text("PDF")
    row(page, "left.png").get_by_text("Open study").click()
    assert "/studies/" in page.url


def test_the_same_film_again_is_already_here(page):
    film = stage.picture("twice.png", seed=160)
    stage.sent(page, film)
    page.goto("/uploads/")
    stage.hand_over(page, "drop", film, stage.picture("other.png", seed=161))
    expect(row(page, "twice.png")).to_contain_text("Already here")


def tab_to(page: Page, selector: str, *, at_most: int = 40) -> None:
    for _ in range(at_most):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab does not reach {selector}")


def test_a_keyboard_is_enough_from_sign_in_to_print(filled, page_as):
    page = page_as(None)
    page.goto("/")
    # Chromium gives the focus with the first frame, which nobody types ahead of.
    expect(page.locator("[name=username]")).to_be_focused()
    page.keyboard.type("clinician")
    page.keyboard.press("Tab")
    page.keyboard.type(filled.passwords["clinician"])
    page.keyboard.press("Enter")
    # Whoever signs in first on this site is asked first; which of the two pages comes depends on the tests before.
    page.wait_for_url(re.compile(r"/(acknowledgement|studies)/"))
    if "/acknowledgement/" in page.url:
        tab_to(page, "main button")
        page.keyboard.press("Enter")
    page.wait_for_url("**/studies/")
    page.keyboard.press("u")
    page.wait_for_url("**/uploads/")
    expect(page.locator("form.is-live")).to_be_visible()
    # Playwright takes the dialog over from its first listener on, without waiting for the browser: one listens early.
    page.on("filechooser", lambda _: None)
    tab_to(page, "input[type=file]")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(stage.picture("keys.png", seed=170))
    answer_of(page)
    page.goto(stage.study(filled, "above"))
    tab_to(page, "[data-do=heatmap]")
    page.keyboard.press("Enter")
    expect(page.locator(".viewer__heatmap")).to_be_visible()
    tab_to(page, "a[href*='/print/']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/print/*")
    expect(page.get_by_text("patient label here")).to_be_visible()


def test_without_javascript_the_plain_form_works(page_as):
    page = page_as("clinician", java_script_enabled=False)
    page.goto("/uploads/")
    page.set_input_files("input[type=file]", stage.picture("plain.png", seed=180))
    page.get_by_role("button", name="Send").click()
    page.wait_for_url("**/batches/*/")
    open_study = page.get_by_role("link", name="Open study")
    until = time.monotonic() + WITHIN_S
    while not open_study.count() and time.monotonic() < until:
        page.reload()
    open_study.click()
    expect(page.locator("[data-preview]")).to_be_visible()
    until = time.monotonic() + WITHIN_S
    while not page.locator(".answer__score").count() and time.monotonic() < until:
        page.reload()
    expect(page.locator(".answer__score")).to_be_visible()
