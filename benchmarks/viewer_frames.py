"""Main-thread work a frame while a reader windows, zooms, moves, rotates and magnifies a film, in a real browser.

python -m benchmarks.viewer_frames http://localhost:8000 clinician PASSWORD [--side 3000]

Prints JSON: for each painter and gesture the number of frames, and p50, p95 and the largest of the milliseconds
that Chromium's trace says the page's main thread worked from one frame to the next. Run it on a machine that does
nothing else.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from ml.phantom import phantom
from tests import xrays
from tests.browser import stage
from tests.browser.chromium import launch, signed_in

NO_CARD = """const get = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind === "webgl2" ? null : get.call(this, kind, ...rest);
};"""
CATEGORIES = ["devtools.timeline", "disabled-by-default-devtools.timeline"]
SETTLED = "() => new Promise((done) => setTimeout(done, 400))"
N_STEPS = 60


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("user")
    parser.add_argument("password")
    parser.add_argument("--side", type=int, default=3000, help="of the film, in pixels (default 3000)")
    options = parser.parse_args(arguments)
    with sync_playwright() as playwright:
        browser = launch(playwright)
        report = measure(browser, options)
        browser.close()
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    return 0


def measure(browser: Browser, options: argparse.Namespace) -> dict[str, Any]:
    cookies = signed_in(browser, options.url, options.user, options.password)
    report: dict[str, Any] = {"side": options.side, "browser": browser.version}
    address = ""
    for name, script in (("card", ""), ("plain", NO_CARD)):
        with browser.new_context(base_url=options.url, viewport={"width": 1440, "height": 900}) as context:
            context.add_cookies(cookies)
            context.add_init_script(script)
            page = context.new_page()
            address = address or send(page, options.side)
            page.goto(address)
            page.wait_for_selector("[data-viewer][data-ready=true]", timeout=120_000)
            report[name] = {gesture: frames(browser, page, act) for gesture, act in GESTURES.items()}
            report[name]["painter"] = page.evaluate(
                "document.querySelector('[data-viewer]').viewer.painter.constructor.name"
            )
    return report


def send(page: Page, side: int) -> str:
    # A film that the site has not seen, of 16 bits.
    pixels = phantom(secrets.randbelow(2**31), side, side, bits=16)
    return stage.sent(page, {"name": "film.dcm", "mimeType": "", "buffer": xrays.dicom(pixels)})


def middle(page: Page) -> tuple[float, float]:
    box = page.locator("[data-stage]").bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page: Page, *, dx: float, dy: float) -> None:
    x, y = middle(page)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx, y + dy, steps=N_STEPS)
    page.mouse.up()


def window(page: Page) -> None:
    page.keyboard.press("w")
    drag(page, dx=80, dy=60)


def move(page: Page) -> None:
    page.keyboard.press("1")
    drag(page, dx=150, dy=120)


def zoom(page: Page) -> None:
    page.mouse.move(*middle(page))
    for n in range(N_STEPS):
        page.mouse.wheel(0, -60 if n < N_STEPS / 2 else 60)


def rotate(page: Page) -> None:
    for _ in range(N_STEPS // 3):
        page.keyboard.press("t")
        page.evaluate("() => new Promise(requestAnimationFrame)")


def magnify(page: Page) -> None:
    page.keyboard.press("g")
    x, y = middle(page)
    page.mouse.move(x - 150, y)
    page.mouse.move(x + 150, y + 50, steps=N_STEPS)


GESTURES: dict[str, Callable[[Page], None]] = {
    "window": window,
    "zoom": zoom,
    "pan": move,
    "rotate": rotate,
    "magnifier": magnify,
}


def frames(browser: Browser, page: Page, act: Callable[[Page], None]) -> dict[str, Any]:
    page.keyboard.press("r")
    page.evaluate(SETTLED)
    browser.start_tracing(page=page, categories=CATEGORIES)
    act(page)
    page.evaluate(SETTLED)
    trace = json.loads(browser.stop_tracing())["traceEvents"]
    work = np.array(work_per_frame(trace))
    clock = "processor" if any("tdur" in event for event in trace if event["name"] == "RunTask") else "wall"
    p50, p95, largest = np.percentile(work, [50, 95, 100]).round(2).tolist()
    return {"clock": clock, "frames": len(work), "p50_ms": p50, "p95_ms": p95, "largest_ms": largest}


def work_per_frame(trace: list[dict[str, Any]]) -> list[float]:
    """Milliseconds of the busiest renderer's main thread from each animation frame to the next."""
    drawn = [event for event in trace if event["name"] == "FireAnimationFrame"]
    threads = [(event["pid"], event["tid"]) for event in drawn]
    busiest = max(set(threads), key=threads.count)
    starts = sorted(event["ts"] for event in drawn if (event["pid"], event["tid"]) == busiest)
    tasks = [
        (event["ts"], event.get("tdur", event.get("dur", 0)) / 1000)
        for event in trace
        if event["name"] == "RunTask" and (event["pid"], event["tid"]) == busiest and event["ph"] == "X"
    ]
    at = np.array([ts for ts, _ in tasks])
    spent = np.array([ms for _, ms in tasks])
    # The task that fires a frame begins before the frame does.
    owner = np.searchsorted(np.array(starts), at, side="left")
    return [float(spent[owner == n].sum()) for n in range(len(starts))]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
