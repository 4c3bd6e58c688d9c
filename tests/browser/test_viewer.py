"""The film's viewer in a real browser: layers that stay together, a window deeper than 8 bits, touch, late answers."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests import xrays
from tests.browser import stage

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("site")]

# Where the viewer's own arithmetic says that a point of the film is, in pixels of the page: a stage is painted from a
# whole pixel on.
PLACE = """([x, y]) => {
  const { viewer } = document.querySelector("[data-viewer]");
  const box = viewer.stage.getBoundingClientRect();
  const [left, top] = viewer.view.toStage(x, y);
  return [Math.round(box.left) + left, Math.round(box.top) + top];
}"""
SCALE = "() => document.querySelector('[data-viewer]').viewer.view.scale"


def ready(page: Page) -> Page:
    expect(page.locator("[data-viewer]")).to_have_attribute("data-ready", "true")
    return page


def painted(page: Page) -> None:
    """Two frames later every change is on the screen."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def gray_at(page: Page, x: float, y: float, *, side: int = 1) -> np.ndarray:
    """The screen at a point of the film, a square of grey levels from a screenshot."""
    painted(page)
    left, top = page.evaluate(PLACE, [x, y])
    clip = {"x": round(left) - side // 2, "y": round(top) - side // 2, "width": side, "height": side}
    return np.asarray(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("L"), dtype=float)


def stage_centre(page: Page) -> tuple[float, float]:
    box = page.locator("[data-stage]").bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def dot(name: str, *, seed: int) -> tuple[dict[str, object], tuple[int, int]]:
    """A film that is black but for one white square, and the square's middle."""
    pixels = np.asarray(xrays.film(seed, width=896, height=1024)) // 4
    pixels[300:340, 500:540] = 255
    return {"name": name, "mimeType": "image/png", "buffer": xrays.png(pixels)}, (520, 320)


@pytest.fixture
def above(page_as, filled) -> Page:
    page = page_as("clinician")
    page.goto(stage.study(filled, "above"))
    return ready(page)


def test_the_heatmap_is_off_at_first_and_key_and_button_toggle_it(above):
    layer = above.locator(".viewer__heatmap")
    expect(layer).to_be_hidden()
    above.keyboard.press("h")
    expect(layer).to_be_visible()
    expect(above.locator("[data-do=heatmap]")).to_have_attribute("aria-pressed", "true")
    above.click("[data-do=heatmap]")
    expect(layer).to_be_hidden()


def test_the_opacity_of_the_heatmap_follows_its_slider(above):
    above.keyboard.press("h")
    above.locator("[data-opacity]").fill("30")
    expect(above.locator(".viewer__heatmap")).to_have_css("opacity", "0.3")


def test_below_the_band_there_is_no_heatmap_to_switch_on(above, filled):
    above.goto(stage.study(filled, "below"))
    expect(ready(above).locator("[data-do=heatmap]")).to_be_disabled()
    above.keyboard.press("h")
    expect(above.locator(".viewer__heatmap")).to_have_count(0)
    expect(above.locator("#analysis")).to_contain_text("No heatmap: the score is below the uncertain band.")


def test_the_heatmap_stays_on_the_film_under_zoom_pan_and_resize(above):
    above.keyboard.press("h")
    width, height = above.evaluate(
        "() => Object.values(document.querySelector('[data-viewer]').viewer.view.film)"
    )
    x, y = stage_centre(above)
    for act in (
        lambda: above.keyboard.press("+"),
        lambda: (above.mouse.move(x + 90, y - 60), above.mouse.wheel(0, -400)),
        lambda: drag(above, (x, y), (x + 120, y + 45)),
        lambda: above.set_viewport_size({"width": 1100, "height": 800}),
    ):
        act()
        painted(above)
        box = above.locator(".viewer__heatmap").bounding_box()
        left, top = above.evaluate(PLACE, [0, 0])
        right, bottom = above.evaluate(PLACE, [width, height])
        corners = (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])
        assert corners == pytest.approx((left, top, right, bottom), abs=0.6)


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=4)
    page.mouse.up()


def test_the_painted_film_lies_where_the_view_says(page_as):
    film, middle = dot("dot.png", seed=200)
    page = page_as("clinician")
    page.goto(stage.sent(page, film))
    ready(page)
    for act in (lambda: None, lambda: page.keyboard.press("+"), lambda: page.keyboard.press("1")):
        act()
        assert gray_at(page, *middle, side=5).min() > 240
        assert gray_at(page, middle[0] - 26, middle[1]).max() < 120
        assert gray_at(page, middle[0], middle[1] + 26).max() < 120


def test_steps_too_fine_for_8_bits_become_visible_by_narrowing_the_window(page_as):
    """Two halves of a square, 4 of 4096 grey levels apart: a quarter of one step of an 8-bit picture."""
    pixels = xrays.film(201, width=896, height=1024, bits=12).copy()
    pixels[400:600, 300:600] = 2000
    pixels[400:600, 450:600] = 2004
    body = xrays.dicom(pixels, StudyInstanceUID="1.2.826.0.1.201", SOPInstanceUID="1.2.826.0.1.201.9")
    page = page_as("clinician")
    page.goto(stage.sent(page, {"name": "fine.dcm", "mimeType": "", "buffer": body}))
    ready(page)
    assert contrast(page) <= 1
    page.evaluate("""() => { const { viewer } = document.querySelector("[data-viewer]");
      viewer.levels.low = 1990; viewer.levels.high = 2014; viewer.draw(); }""")
    assert contrast(page) == pytest.approx(4 / 24 * 255, abs=3)


@pytest.fixture
def windowed(page_as, site) -> Page:
    """A film with three windows; sent once, then found again by its address."""
    facts = {"StudyInstanceUID": "1.2.826.0.1.203", "SOPInstanceUID": "1.2.826.0.1.203.9"}
    pixels = xrays.film(203, width=896, height=1024, bits=12).copy()
    pixels[400:600, 300:600] = 2200
    film = xrays.dicom(pixels, **stage.WINDOWS, **facts)
    page = page_as("clinician")
    if not WINDOWED:
        WINDOWED.append(stage.sent(page, {"name": "windows.dcm", "mimeType": "", "buffer": film}))
    page.goto(WINDOWED[0])
    return ready(page)


WINDOWED: list[str] = []


def chosen(page: Page) -> str:
    return page.locator("[data-windows]").evaluate("list => list.selectedOptions[0].text")


def test_windows_that_came_with_a_film_are_chosen_by_name(windowed):
    levels, choice = windowed.locator("[data-levels]"), windowed.get_by_label("Windows as sent")
    expect(levels).to_have_text("W 1999  L 2000")
    assert chosen(windowed) == "Window: NORMAL"
    expect(windowed.get_by_text("View changed")).to_be_hidden()
    assert gray_at(windowed, 450, 500, side=9).mean() == pytest.approx(1200 / 1999 * 255, abs=2)
    choice.select_option("Window: HARDER")
    expect(levels).to_have_text("W 999  L 1800")
    expect(windowed.get_by_text("View changed: window")).to_be_visible()
    assert gray_at(windowed, 450, 500, side=9).mean() == pytest.approx(900 / 999 * 255, abs=2)
    windowed.get_by_role("button", name="As sent").click()
    expect(levels).to_have_text("W 1999  L 2000")
    painted(windowed)
    assert chosen(windowed) == "Window: NORMAL"


def test_a_keyboard_goes_through_the_windows(windowed):
    levels, choice = windowed.locator("[data-levels]"), windowed.locator("[data-windows]")
    for width in (999, 2999, 1999):
        windowed.keyboard.press("v")
        expect(levels).to_contain_text(f"W {width}")
    windowed.locator("[data-do=sent]").focus()
    windowed.keyboard.press("Tab")
    expect(choice).to_be_focused()
    windowed.keyboard.press("ArrowDown")
    expect(levels).to_contain_text("W 999")
    # In the list, letters look for names: they are not the viewer's keys.
    windowed.keyboard.press("s")
    expect(levels).to_contain_text("W 999")


def test_a_window_of_ones_own_is_none_of_those_that_came(windowed):
    windowed.keyboard.press("a")
    painted(windowed)
    assert chosen(windowed) == "Changed"
    windowed.keyboard.press("v")
    painted(windowed)
    assert chosen(windowed) == "Window: NORMAL"


def contrast(page: Page) -> float:
    return float(gray_at(page, 525, 500, side=9).mean() - gray_at(page, 375, 500, side=9).mean())


def test_dragging_with_the_window_tool_changes_the_window_and_as_sent_brings_it_back(above):
    sent = above.locator("[data-levels]").inner_text()
    above.keyboard.press("w")
    x, y = stage_centre(above)
    drag(above, (x, y), (x + 60, y + 40))
    expect(above.locator("[data-levels]")).not_to_have_text(sent)
    expect(above.get_by_text("View changed")).to_be_visible()
    # By its role: a DICOM film's identity strip says "as sent" too.
    above.get_by_role("button", name="As sent").click()
    expect(above.locator("[data-levels]")).to_have_text(sent)


def test_invert_turns_black_to_white_and_reset_turns_it_back(above):
    at = (450, 900)
    before = gray_at(above, *at, side=9).mean()
    above.keyboard.press("i")
    assert gray_at(above, *at, side=9).mean() == pytest.approx(255 - before, abs=4)
    above.keyboard.press("r")
    assert gray_at(above, *at, side=9).mean() == pytest.approx(before, abs=2)
    expect(above.get_by_text("View changed")).to_be_hidden()


def test_fit_shows_the_whole_film_and_1_to_1_one_pixel_for_one(above):
    above.keyboard.press("1")
    assert above.evaluate(SCALE) == 1
    above.keyboard.press("0")
    painted(above)
    box = above.locator("[data-stage]").bounding_box()
    left, top = above.evaluate(PLACE, [0, 0])
    assert left >= box["x"] - 0.5 and top == pytest.approx(box["y"], abs=0.5)


def test_two_fingers_zoom_and_one_moves_on_a_telephone(page_as, above):
    page = page_as("clinician", width=390)
    page.goto(above.url)
    ready(page).locator("[data-stage]").scroll_into_view_if_needed()
    x, y = stage_centre(page)
    before = page.evaluate(SCALE)
    touches = page.context.new_cdp_session(page)
    touch(touches, "touchStart", (x - 30, y), (x + 30, y))
    touch(touches, "touchMove", (x - 60, y), (x + 60, y))
    touch(touches, "touchEnd")
    painted(page)
    assert page.evaluate(SCALE) == pytest.approx(2 * before, rel=0.02)
    corner = page.evaluate(PLACE, [0, 0])
    touch(touches, "touchStart", (x, y))
    touch(touches, "touchMove", (x + 40, y + 25))
    touch(touches, "touchEnd")
    painted(page)
    moved = page.evaluate(PLACE, [0, 0])
    assert [moved[0] - corner[0], moved[1] - corner[1]] == pytest.approx([40, 25], abs=1)


def touch(session, kind: str, *points: tuple[float, float]) -> None:
    places = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})


def test_an_answer_that_comes_later_arrives_without_a_reload_and_off_at_first(page_as, site, above):
    page = page_as("clinician")
    try:
        address = stage.waiting_study(site, page)
        expect(ready(page).locator("#analysis")).to_contain_text("Not analysed yet.")
        page.evaluate("() => { window.stays = true; }")
    finally:
        site.resume("inference")
    expect(page.locator(".answer__score")).to_be_visible(timeout=90_000)
    assert page.evaluate("() => window.stays") and page.url.endswith(address)
    button = page.locator("[data-do=heatmap]")
    if page.locator("[data-heatmap-url]").count():
        expect(button).to_be_enabled()
        expect(page.locator(".viewer__heatmap")).to_be_hidden()
        button.click()
        expect(page.locator(".viewer__heatmap")).to_be_visible()
    else:
        expect(button).to_be_disabled()
