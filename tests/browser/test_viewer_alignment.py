"""Film and heatmap lie on each other, and where the view says, to one pixel of the film: measured on screenshots."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page

from ml.explain import colourise
from tests import xrays
from tests.browser import stage
from tests.browser.test_viewer import PLACE, SCALE, drag, painted, ready, stage_centre

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("site")]

Array = NDArray[np.float64]
SIDE = 40
# A browser without WebGL2 paints on the processor.
NO_CARD = """const get = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind === "webgl2" ? null : get.call(this, kind, ...rest);
};"""
PAINTERS = ("CardPainter", "AsidePainter")
# The site's own map makes way for a known one, which arrives as every map does: by a fragment that names it.
NAME_MAP = """(url) => {
  for (const one of document.querySelectorAll("[data-heatmap-url]")) one.removeAttribute("data-heatmap-url");
  document.body.prepend(Object.assign(document.createElement("i"), { hidden: true }));
  document.body.firstChild.dataset.heatmapUrl = url;
  document.dispatchEvent(new CustomEvent("htmx:afterSwap"));
}"""
SETTLED = "() => document.querySelector('[data-viewer]').viewer.painter.isSettled !== false"
SHOW = """([film, map]) => {
  const { viewer } = document.querySelector("[data-viewer]");
  viewer.painter.canvas.hidden = !film;
  if (viewer.heatmap.isOn !== map) viewer.do("heatmap");
  viewer.root.querySelector(".viewer__badges").hidden = true;
}"""


@dataclass
class Film:
    """An upright film, grey levels (height, width), that is white in one square about `middle` and black around it."""

    pixels: NDArray[np.uint8]
    middle: tuple[float, float]


def film_with_square(width: int, height: int, *, at: tuple[float, float], seed: int) -> Film:
    pixels = xrays.film(seed, width=width, height=height) // 4
    x, y = round(at[0] * width), round(at[1] * height)
    half = SIDE // 2
    pixels[y - 4 * half : y + 4 * half, x - 4 * half : x + 4 * half] = 0
    pixels[y - half : y + half, x - half : x + half] = 255
    return Film(pixels, (x, y))


def sent_film(page: Page, body: bytes, name: str) -> None:
    page.goto(stage.sent(page, {"name": name, "mimeType": "", "buffer": body}))
    ready(page)


def lay(page: Page, layer: Image.Image) -> None:
    """This picture is the film's heatmap from now on, at full opacity."""
    body = io.BytesIO()
    layer.save(body, format="PNG")
    page.route(
        "**/known-map.png", lambda route: route.fulfill(body=body.getvalue(), content_type="image/png")
    )
    page.evaluate(NAME_MAP, "/known-map.png")
    page.evaluate("document.querySelector('[data-viewer]').viewer.heatmap.fade(1)")
    page.wait_for_function("document.querySelector('.viewer__heatmap')?.complete")


def centre(page: Page, middle: tuple[float, float], *, film: bool, reach: float) -> tuple[Array, float]:
    """Where the middle of the square is on the page, by its light, and how many pixels wide it is."""
    page.evaluate(SHOW, [film, not film])
    painted(page)
    page.wait_for_function(SETTLED)
    painted(page)
    scale = page.evaluate(SCALE)
    x, y = page.evaluate(PLACE, list(middle))
    left, top, side = round(x - reach * scale), round(y - reach * scale), round(2 * reach * scale)
    clip = {"x": left, "y": top, "width": side, "height": side}
    shown = np.asarray(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("L"), dtype=float)
    ground = np.median(np.concatenate([shown[0], shown[-1], shown[:, 0], shown[:, -1]]))
    light = (shown - ground) / (shown[side // 2, side // 2] - ground)
    light[light < 0.03] = 0
    places = np.arange(side) + 0.5
    found = (light.sum(0) @ places / light.sum() + left, light.sum(1) @ places / light.sum() + top)
    return np.array(found), float(np.sqrt(light.sum()))


def together(page: Page, middle: tuple[float, float], *, reach: float = 1.6 * SIDE, map_reach: float) -> None:
    """Film and map about one point, which is where the view says, each to less than one pixel of the film."""
    scale = page.evaluate(SCALE)
    said = np.array(page.evaluate(PLACE, list(middle)))
    on_film, side = centre(page, middle, film=True, reach=reach)
    on_map, _ = centre(page, middle, film=False, reach=map_reach)
    assert np.abs(on_film - said).max() < scale
    assert np.abs(on_map - said).max() < scale
    assert np.abs(on_film - on_map).max() < scale
    assert side == pytest.approx(SIDE * scale, abs=max(scale, 1))


def acts(page: Page) -> list[Callable[[], object]]:
    """Everything that a reader does to a film, one after the other on top of each other."""
    x, y = stage_centre(page)
    return [
        lambda: None,
        lambda: page.keyboard.press("t"),
        lambda: page.keyboard.press("i"),
        lambda: page.keyboard.press("+"),
        lambda: drag(page, (x, y), (x + 37, y - 23)),
        lambda: page.keyboard.press("x"),
        lambda: page.keyboard.press("t"),
        lambda: (page.mouse.move(x, y), page.mouse.wheel(0, -150)),
        lambda: page.keyboard.press("t"),
        lambda: page.keyboard.press("0"),
    ]


@pytest.mark.parametrize("painter", PAINTERS)
@pytest.mark.parametrize(
    ("width", "height"), [(896, 1024), pytest.param(1201, 701, marks=pytest.mark.long), (560, 1240)]
)
def test_film_and_heatmap_stay_together_to_one_pixel(page_as, filled, painter, width, height):
    page = page_as("clinician")
    if painter == "AsidePainter":
        page.add_init_script(NO_CARD)
    seed = 700 + width + len(painter)
    film = film_with_square(width, height, at=(0.55, 0.45), seed=seed)
    sent_film(page, xrays.png(film.pixels), "aligned.png")
    assert page.evaluate("document.querySelector('[data-viewer]').viewer.painter.constructor.name") == painter
    layer = np.zeros((height, width, 4), dtype=np.uint8)
    x, y = round(film.middle[0]), round(film.middle[1])
    layer[y - SIDE // 2 : y + SIDE // 2, x - SIDE // 2 : x + SIDE // 2] = 255
    lay(page, Image.fromarray(layer))
    for act in acts(page):
        act()
        together(page, film.middle, map_reach=1.6 * SIDE)


# EXIF orientation → what a camera held that way stores of an upright film.
HELD = {
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    5: np.transpose,
    6: np.rot90,
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("orientation", HELD)
@pytest.mark.long
def test_a_film_that_was_held_turned_stands_upright_under_its_heatmap(page_as, filled, orientation):
    """The map is drawn by the site's own code, one cell of 7 × 7, and the square lies in the middle of that cell."""
    width, height = 840, 1050
    film = film_with_square(width, height, at=(4.5 / 7, 2.5 / 7), seed=720 + orientation)
    page = page_as("clinician")
    stored = np.ascontiguousarray(HELD[orientation](film.pixels))
    sent_film(page, xrays.jpeg(stored, orientation=orientation), "held.jpg")
    assert page.evaluate("Object.values(document.querySelector('[data-viewer]').viewer.view.film)") == [
        width,
        height,
    ]
    cells = np.zeros((7, 7), dtype=np.float32)
    cells[2, 4] = 1
    lay(page, colourise(cells, scale=1, width=width, height=height))
    for key in ("Shift", "t", "x", "+"):
        page.keyboard.press(key)
        together(page, film.middle, map_reach=1.1 * height / 7)


def test_flip_and_rotate_do_to_the_screen_what_they_say(page_as, filled):
    """Held against numpy's own turning: what x and t show is the array flipped left to right and turned clockwise."""
    film = film_with_square(896, 1024, at=(0.3, 0.2), seed=740)
    page = page_as("clinician")
    sent_film(page, xrays.png(film.pixels), "turned.png")
    page.evaluate(SHOW, [True, False])
    seen = film.pixels
    box = page.locator("[data-stage]").bounding_box()
    for key in "txttxtt":
        page.keyboard.press(key)
        seen = np.fliplr(seen) if key == "x" else np.rot90(seen, -1)
        painted(page)
        shown = np.asarray(Image.open(io.BytesIO(page.screenshot(clip=box))).convert("L"))
        height, width = seen.shape
        scale = min(shown.shape[1] / width, shown.shape[0] / height)
        y, x = (np.argwhere(seen == 255).mean(axis=0) + 0.5) * scale
        left, top = (shown.shape[1] - width * scale) / 2, (shown.shape[0] - height * scale) / 2
        bright = np.argwhere(shown[:, : shown.shape[1]] > 200)
        about = bright[(abs(bright[:, 1] - x - left) < 40) & (abs(bright[:, 0] - y - top) < 40)]
        assert len(about) > 100
        assert about.mean(axis=0) + 0.5 == pytest.approx([y + top, x + left], abs=1)
