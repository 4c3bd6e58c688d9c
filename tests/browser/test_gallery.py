"""The page of films in Chromium: axe in both themes and sizes, by keyboard, without a script, and in print."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from ml import gallery
from tests import checkpoints, xrays
from tests.browser.test_accessibility import ALL_RULES, SIZES

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("site")]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of six synthetic films; the band is wide, so that all are uncertain and have a map."""
    folder = tmp_path_factory.mktemp("films")
    lines = ["file,label,split,source_slug,licence"]
    for i in range(6):
        (folder / f"{i}.png").write_bytes(xrays.png(xrays.film(i, width=256, height=(240, 300)[i % 2])))
        lines.append(f"{i}.png,{('covid', 'noncovid')[i % 2]},test,{('harbour', 'hill')[i // 4]},CC BY 4.0")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    checkpoint = folder / "c.safetensors"
    checkpoints.write_tiny_checkpoint(checkpoint, band_low=0.0, band_high=1.0, heatmap_scale=0.02)
    return gallery.gallery(checkpoint, folder / "manifest.csv", folder / "page", n=6, threads=1).as_uri()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
        page = context.new_page()
        page.goto(address)
        yield page


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: str(size["width"]))
def test_axe_finds_nothing_and_nothing_runs_off_sideways(
    browser: Browser, address: str, theme: str, size: dict[str, int]
) -> None:
    with browser.new_context(viewport=size, color_scheme=theme) as context:
        page = context.new_page()
        page.goto(address)
        page.click("summary")
        page.check("#maps")
        assert [v["id"] for v in Axe().run(page, options=ALL_RULES).response["violations"]] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.click(".enlarge >> nth=0")
        expect(page.locator("dialog[open] .stage")).to_have_count(2)
        assert [v["id"] for v in Axe().run(page, options=ALL_RULES).response["violations"]] == []


def test_maps_are_off_at_first_and_switched_one_by_one_or_all_at_once(page: Page) -> None:
    maps = page.locator(".cards .stage--map:visible")
    expect(maps).to_have_count(0)
    page.check(".one >> nth=1")
    expect(maps).to_have_count(1)
    page.check("#maps")
    expect(maps).to_have_count(6)
    page.uncheck(".one >> nth=0")
    expect(maps).to_have_count(5)
    expect(page.locator("#maps")).not_to_be_checked()


def test_filters_leave_the_films_of_a_source_and_say_how_many(page: Page) -> None:
    page.check("#source-2")
    expect(page.locator(".card:visible")).to_have_count(2)
    expect(page.get_by_role("status")).to_have_text("2 of 6 films")
    page.check("#group-1")
    expect(page.locator(".card:visible")).to_have_count(0)


def test_keys_go_from_film_to_film_and_enlarge_one(page: Page) -> None:
    for key in ("j", "j", "k", "j"):
        page.keyboard.press(key)
    expect(page.locator("#film-2")).to_be_focused()
    page.keyboard.press("m")
    expect(page.locator("#film-2 .stage--map")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("dialog")).to_contain_text("film 2 of 6")
    expect(page.locator("dialog .stage:visible")).to_have_count(2)
    page.keyboard.press("ArrowRight")
    expect(page.locator("dialog")).to_contain_text("film 3 of 6")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_be_hidden()
    expect(page.locator("#film-3")).to_be_focused()


def test_it_works_without_a_script(browser: Browser, address: str) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(address)
        page.check("#maps")
        expect(page.locator(".cards .stage--map:visible")).to_have_count(6)
        page.check("#source-1")
        expect(page.locator(".card:visible")).to_have_count(4)


def test_in_print_each_film_stands_plain_beside_its_map(page: Page) -> None:
    page.emulate_media(media="print")
    expect(page.locator(".cards .stage:visible")).to_have_count(12)
    expect(page.locator(".notice")).to_be_visible()
    expect(page.locator(".bar")).to_be_hidden()


def test_a_map_lies_exactly_on_its_film(page: Page) -> None:
    page.check("#maps")
    for number in (1, 2):
        film, layer = (
            page.locator(f"#film-{number} .stage--map {kind}").bounding_box()
            for kind in ("img:first-child", ".layer")
        )
        assert film == pytest.approx(layer, abs=0.01)
