"""What a hand does on a film, for tests and pictures."""

from __future__ import annotations

from playwright.sync_api import Page, expect


def drag(page: Page, key: str, *ends: tuple[float, float]) -> None:
    """With the tool of a key, from end to end; in shares of the film's frame, from its middle."""
    stage = page.locator("[data-stage]").first
    frame = stage.bounding_box()
    assert frame
    (x, y), (to_x, to_y) = (
        (frame["x"] + frame["width"] * (0.5 + right), frame["y"] + frame["height"] * (0.5 + down))
        for right, down in ends
    )
    stage.focus()
    page.keyboard.press(key)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(to_x, to_y, steps=4)
    page.mouse.up()


def draw(page: Page) -> None:
    """A length, and a box that is chosen and has a finding; what is there already is not drawn twice."""
    drawn = page.locator("[data-region-list] button")
    if not drawn.count():
        drag(page, "k", (-0.2, 0.3), (0.15, 0.32))
        drag(page, "b", (0.05, 0), (0.2, 0.2))
        expect(drawn).to_have_count(2)
    drawn.filter(has_text="box").focus()
    page.locator("[data-region-finding]").select_option(index=1)


def compare(page: Page) -> None:
    """The same patient's film of before stands beside this one."""
    page.keyboard.press("y")
    expect(page.locator("[data-prior] [data-stage]")).to_have_attribute("data-ready", "true")
