"""What a reader does with a film beyond zoom and window: flip, rotate, magnify, presets, badges, own keys."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests import xrays
from tests.browser import stage
from tests.browser.test_viewer import PLACE, SCALE, dot, gray_at, painted, ready, stage_centre, touch

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("site")]

VIEWER = "document.querySelector('[data-viewer]').viewer"
SENT: dict[str, str] = {}


@pytest.fixture
def film(page_as, site) -> Page:
    """A DICOM film with its sides, lossy; sent once, then found again by its address."""
    page = page_as("clinician")
    open_film(page)
    return page


def open_film(page: Page) -> None:
    if "sided" not in SENT:
        facts = {"PatientOrientation": ["L", "F"], "LossyImageCompression": "01"}
        SENT["sided"] = stage.sent(page, stage.picture("sided.dcm", seed=760, **facts))
    page.goto(SENT["sided"])
    ready(page)


def open_dot(page: Page) -> tuple[int, int]:
    """A picture that says nothing of its sides, black but for one white square, whose middle this returns."""
    body, middle = dot("lens.png", seed=761)
    if "dot" not in SENT:
        SENT["dot"] = stage.sent(page, body)
    page.goto(SENT["dot"])
    ready(page)
    return middle


def changed(page: Page) -> str:
    painted(page)
    return page.locator("[data-changed]").inner_text()


def mark(page: Page, letter: str) -> tuple[float, float]:
    """Where a letter stands on the stage, from 0 to 1."""
    painted(page)
    box, around = (
        page.locator(f"[data-mark={letter}]").bounding_box(),
        page.locator("[data-stage]").bounding_box(),
    )
    across = (box["x"] + box["width"] / 2 - around["x"]) / around["width"]
    return across, (box["y"] + box["height"] / 2 - around["y"]) / around["height"]


def test_a_turned_view_says_so_and_reset_turns_it_back(film):
    film.keyboard.press("x")
    assert changed(film) == "View changed: flipped"
    film.keyboard.press("t")
    film.keyboard.press("i")
    assert changed(film) == "View changed: flipped, rotated 90°, inverted"
    for tool in ("flip", "rotate", "invert"):
        expect(film.locator(f"[data-do={tool}]")).to_have_attribute("aria-pressed", "true")
    expect(film.locator("[data-told]")).to_have_text("Black and white swapped")
    film.keyboard.press("r")
    assert changed(film) == ""
    for tool in ("flip", "rotate", "invert"):
        expect(film.locator(f"[data-do={tool}]")).to_have_attribute("aria-pressed", "false")


@pytest.mark.long
def test_a_page_hears_of_every_turn_and_can_bring_one_back(film):
    film.evaluate(f"""() => {{ window.turns = [];
      {VIEWER}.root.addEventListener("view:turn", () => window.turns.push({VIEWER}.turned())); }}""")
    film.keyboard.press("t")
    film.click("[data-do=flip]")
    turns = [{"flipped": False, "rotated": 90}, {"flipped": True, "rotated": 270}]
    assert film.evaluate("window.turns") == turns
    film.evaluate(f"{VIEWER}.turn({{ flipped: true, rotated: 180 }})")
    assert changed(film) == "View changed: flipped, rotated 180°"


@pytest.mark.long
def test_every_way_to_lie_has_its_way_back_from_the_stage_to_the_film(film):
    off = film.evaluate(f"""() => {{
      const {{ view }} = {VIEWER};
      let worst = 0;
      for (const flipped of [false, true]) for (const rotated of [0, 90, 180, 270]) {{
        view.turn({{ flipped, rotated }});
        view.zoom(1.3, 100, 200);
        for (const [x, y] of [[0, 0], [17.5, 900], [896, 1024]]) {{
          const [backX, backY] = view.toFilm(...view.toStage(x, y));
          worst = Math.max(worst, Math.abs(backX - x), Math.abs(backY - y));
        }}
      }}
      return worst;
    }}""")
    assert off < 1e-9


@pytest.mark.long
def test_a_turn_keeps_what_is_in_the_middle(film):
    x, y = stage_centre(film)
    film.mouse.move(x + 100, y + 50)
    film.mouse.wheel(0, -500)
    painted(film)
    middle = f"() => {VIEWER}.view.toFilm({VIEWER}.view.stage.width / 2, {VIEWER}.view.stage.height / 2)"
    before = film.evaluate(middle)
    for key in "txt":
        film.keyboard.press(key)
    assert film.evaluate(middle) == pytest.approx(before, abs=0.01)


@pytest.mark.long
def test_the_letters_of_the_sides_go_along_with_flip_and_rotation(film):
    assert mark(film, "R")[0] < 0.5 < mark(film, "L")[0]
    film.keyboard.press("x")
    assert mark(film, "L")[0] < 0.5 < mark(film, "R")[0]
    film.keyboard.press("x")
    film.keyboard.press("t")
    assert mark(film, "R")[1] < 0.2 and mark(film, "L")[1] > 0.8
    film.keyboard.press("1")
    for letter in "LR":
        assert all(0 < place < 1 for place in mark(film, letter))


def test_the_film_says_what_is_to_be_known_of_it(film, page_as):
    badges = film.locator(".viewer__badges")
    expect(badges).to_contain_text("Lossy compression")
    percent = round(film.evaluate(SCALE) * 100)
    expect(badges.locator("[data-minified]")).to_have_text(f"Shown at {percent} %: not every pixel is seen")
    film.keyboard.press("1")
    painted(film)
    expect(badges.locator("[data-minified]")).to_be_empty()
    page = page_as("clinician")
    open_dot(page)
    expect(page.locator(".viewer__badges")).to_contain_text("Side not recorded")
    expect(page.locator("[data-mark]")).to_have_count(0)


@pytest.mark.long
def test_contrast_presets_are_parts_of_the_films_own_window(film):
    low, high = film.evaluate(f"[{VIEWER}.levels.sent.low, {VIEWER}.levels.sent.high]")
    for key, tool, (start, end) in (("l", "lung", (0.1, 0.75)), ("m", "mediastinum", (0.5, 0.95))):
        film.keyboard.press(key)
        painted(film)
        window = film.evaluate(f"[{VIEWER}.levels.low, {VIEWER}.levels.high]")
        assert window == pytest.approx([low + start * (high - low), low + end * (high - low)])
        expect(film.locator(f"[data-do={tool}]")).to_have_attribute("aria-pressed", "true")
        assert changed(film) == "View changed: window"
    film.keyboard.press("s")
    expect(film.locator("[data-do=mediastinum]")).to_have_attribute("aria-pressed", "false")
    expect(film.locator("[data-do=sent]")).to_have_attribute("aria-pressed", "true")


def square_in_lens(page: Page) -> float:
    """How wide the white square of `dot` is in the lens, in pixels of the lens's own canvas."""
    painted(page)
    return page.evaluate("""() => {
      const lens = document.querySelector(".viewer__lens");
      const copy = new OffscreenCanvas(lens.width, lens.height).getContext("2d", { willReadFrequently: true });
      copy.drawImage(lens, 0, 0);
      const { data } = copy.getImageData(0, 0, lens.width, lens.height);
      let n = 0;
      for (let at = 0; at < data.length; at += 4) n += data[at] > 200;
      return Math.sqrt(n);
    }""")


def test_the_magnifier_shows_the_films_own_pixels_larger_under_the_cursor(page_as, site):
    page = page_as("clinician")
    middle = open_dot(page)
    lens = page.locator(".viewer__lens")
    expect(lens).to_be_hidden()
    page.keyboard.press("t")
    page.keyboard.press("g")
    expect(page.locator("[data-do=magnify]")).to_have_attribute("aria-pressed", "true")
    painted(page)
    around = lens.bounding_box()
    x, y = stage_centre(page)
    assert (around["x"] + around["width"] / 2, around["y"] + around["height"] / 2) == pytest.approx(
        (x, y), abs=1
    )
    page.mouse.move(*page.evaluate(PLACE, list(middle)))
    larger = max(2.5 * page.evaluate(SCALE), 1)
    assert square_in_lens(page) == pytest.approx(40 * larger, rel=0.03)
    assert gray_at(page, *middle, side=5).min() > 240
    page.keyboard.press("g")
    expect(lens).to_be_hidden()


@pytest.mark.long
def test_without_a_mouse_arrows_move_the_film_under_the_lens(page_as, site):
    page = page_as("clinician")
    middle = open_dot(page)
    page.locator("[data-stage]").focus()
    page.keyboard.press("g")
    assert square_in_lens(page) < 5
    dx, dy = (a - b for a, b in zip(stage_centre(page), page.evaluate(PLACE, list(middle)), strict=True))
    for _ in range(round(abs(dx) / 40)):
        page.keyboard.press("ArrowLeft" if dx > 0 else "ArrowRight")
    for _ in range(round(abs(dy) / 40)):
        page.keyboard.press("ArrowUp" if dy > 0 else "ArrowDown")
    assert square_in_lens(page) > 20


@pytest.fixture
def phone(page_as, site, film) -> Page:
    page = page_as("clinician", width=390)
    open_film(page)
    page.locator("[data-stage]").scroll_into_view_if_needed()
    return page


@pytest.mark.long
def test_a_finger_that_rests_magnifies_until_it_lifts(phone):
    x, y = stage_centre(phone)
    y += 60
    lens, fingers = phone.locator(".viewer__lens"), phone.context.new_cdp_session(phone)
    touch(fingers, "touchStart", (x, y))
    expect(lens).to_be_visible()
    scrolled, before = phone.evaluate("scrollY"), lens.bounding_box()
    assert before["y"] + before["height"] <= y
    for step in range(1, 5):
        touch(fingers, "touchMove", (x + 10 * step, y - 15 * step))
    painted(phone)
    assert lens.bounding_box()["x"] - before["x"] == pytest.approx(40, abs=2)
    assert phone.evaluate("scrollY") == scrolled
    assert changed(phone) == ""
    touch(fingers, "touchEnd")
    expect(lens).to_be_hidden()


@pytest.mark.long
def test_one_finger_leaves_a_whole_film_alone_and_two_never_rotate_it(phone):
    x, y = stage_centre(phone)
    fingers = phone.context.new_cdp_session(phone)
    touch(fingers, "touchStart", (x, y))
    touch(fingers, "touchMove", (x + 60, y))
    touch(fingers, "touchEnd")
    assert changed(phone) == ""
    touch(fingers, "touchStart", (x - 50, y), (x + 50, y))
    for turn in np.linspace(0, np.pi / 2, 8):
        ends = [(x + s * 50 * np.cos(turn), y + s * 50 * np.sin(turn)) for s in (-1, 1)]
        touch(fingers, "touchMove", *ends)
    touch(fingers, "touchEnd")
    assert "rotated" not in changed(phone)
    assert phone.evaluate(f"{VIEWER}.turned()") == {"flipped": False, "rotated": 0}


@pytest.mark.long
def test_what_a_telephone_has_no_room_for_is_behind_more(phone):
    flip, more = phone.locator("[data-do=flip]"), phone.get_by_role("button", name="More", exact=True)
    expect(flip).to_be_hidden()
    more.click()
    expect(more).to_have_attribute("aria-expanded", "true")
    flip.click()
    assert changed(phone) == "View changed: flipped"


@pytest.mark.long
def test_a_page_brings_its_readers_own_keys(film):
    """As a page of the reading room does; the digits are its answers there, so the viewer leaves them to it."""
    keys = '<script type="application/json" id="reading-keys">{"flip": "y", "fit": "0", "submit": "Enter"}</script>'

    def with_keys(route):
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace("</main>", f"{keys}</main>"))

    film.route("**/studies/*/", with_keys)
    film.reload()
    ready(film)
    film.keyboard.press("x")
    film.keyboard.press("1")
    assert changed(film) == ""
    film.keyboard.press("y")
    assert changed(film) == "View changed: flipped"
    expect(film.locator("[data-do=flip]")).to_have_attribute("title", "Flip left and right (Y)")


@pytest.mark.long
def test_a_key_held_down_flips_once(film):
    film.keyboard.down("x")
    film.keyboard.down("x")
    film.keyboard.up("x")
    assert changed(film) == "View changed: flipped"


@pytest.mark.long
def test_a_viewer_that_is_let_go_hears_nothing_and_its_film_stands_at_once_again(film):
    fetched = []
    film.on(
        "request", lambda request: fetched.append(request.url) if request.url.endswith("/pixels/") else None
    )
    film.evaluate(f"() => {{ window.old = {VIEWER}; window.old.destroy(); }}")
    expect(film.locator(".viewer__canvas")).to_have_count(0)
    expect(film.locator("[data-mark]")).to_have_count(0)
    film.keyboard.press("x")
    assert film.evaluate("window.old.turned()") == {"flipped": False, "rotated": 0}
    is_ready = film.evaluate("""async () => {
      const root = document.querySelector("[data-viewer]");
      root.viewer = new window.old.constructor(root);
      return root.viewer.ready;
    }""")
    assert is_ready and fetched == []
    film.keyboard.press("x")
    assert changed(film) == "View changed: flipped"


@pytest.mark.long
def test_a_film_fetched_beforehand_is_fetched_once(film, page_as):
    page = page_as("clinician")
    page.goto("/studies/")
    fetched = []
    pixels = film.locator("[data-viewer]").get_attribute("data-pixels")
    decoder = film.locator("[data-viewer]").get_attribute("data-decoder")
    module = film.evaluate(
        "performance.getEntriesByType('resource').map((one) => one.name).find((name) => /viewer.film/.test(name))"
    )
    page.on("request", lambda request: fetched.append(request.url) if pixels in request.url else None)
    size = page.evaluate(
        """async ([module, pixels, decoder]) => {
          const { decoded, prefetch } = await import(module);
          prefetch(pixels, decoder);
          const film = await decoded(pixels, decoder);
          return [film.width, film.height, (await decoded(pixels, decoder)) === film];
        }""",
        [module, pixels, decoder],
    )
    assert size == [896, 1024, True]
    assert len(fetched) == 1


@pytest.mark.long
def test_a_tool_and_a_layer_can_be_added(film):
    film.evaluate(f"""() => {{
      window.seen = [];
      const note = (kind) => (x, y) => window.seen.push([kind, Math.round(x), Math.round(y)]);
      {VIEWER}.addTool("box", {{ press: note("press"), drag: note("drag"), release: note("release") }});
      {VIEWER}.addLayer({{ place: (view) => {{ window.placed = view.css(); }} }});
      {VIEWER}.do("box");
    }}""")
    box = film.locator("[data-stage]").bounding_box()
    film.mouse.move(box["x"] + 100, box["y"] + 100)
    film.mouse.down()
    film.mouse.move(box["x"] + 150, box["y"] + 120)
    film.mouse.up()
    kinds = [one[0] for one in film.evaluate("window.seen")]
    assert (kinds[0], kinds[-1]) == ("press", "release") and set(kinds[1:-1]) == {"drag"}
    assert film.evaluate("window.seen.at(-1).slice(1)") == pytest.approx([150, 120], abs=1)
    assert changed(film) == ""
    film.keyboard.press("t")
    painted(film)
    assert film.evaluate("window.placed") == film.evaluate(f"{VIEWER}.view.css()")


@pytest.mark.long
def test_screenshots_are_named_on_the_film(page_as, site):
    page = page_as("clinician")
    pixels = xrays.film(762, width=896, height=1024)
    body = xrays.dicom(
        pixels, Modality="SC", StudyInstanceUID="1.2.826.0.1.762", SOPInstanceUID="1.2.826.0.1.762.1"
    )
    page.goto(stage.sent(page, {"name": "sc.dcm", "mimeType": "", "buffer": body}))
    badges = ready(page).locator(".viewer__badges")
    expect(badges).to_contain_text("Screenshot or secondary capture")
