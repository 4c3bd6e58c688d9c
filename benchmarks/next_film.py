"""Milliseconds from Enter, which submits a read, to the next film on the screen, in a real browser.

python -m benchmarks.next_film http://localhost:8000 radiologist PASSWORD [--films 30]

Sends films of its own, reads them one after the other by keyboard, and prints JSON: n, p50_ms, p95_ms and every time.
`depth` counts up to the first frame with the film's lossless grey levels, `film` up to the page's own mark that
the film is displayed. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys

import numpy as np
from playwright.sync_api import Page, sync_playwright

from tests.browser import stage
from tests.browser.chromium import launch, signed_in

# From the key itself to the frame after the one that shows it: what is in that frame is on the screen.
WATCH = """
  window.times = [];
  addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    const began = event.timeStamp, before = document.getElementById("case").dataset.case, time = {};
    const shown = (selector) => document.querySelector(`#case:not([data-case="${before}"])${selector}`);
    const look = () => requestAnimationFrame(() => {
      if (shown("[data-displayed=true]")) time.film ??= performance.now() - began;
      if (shown(" [data-viewer][data-ready=true]")) time.depth ??= performance.now() - began;
      if (time.film && time.depth) window.times.push(time); else look();
    });
    look();
  }, { capture: true });
"""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("user")
    parser.add_argument("password")
    parser.add_argument("--films", type=int, default=30)
    parser.add_argument("--width", type=int, default=2000, help="of the films, in pixels (default 2000)")
    parser.add_argument(
        "--look-s", type=float, default=3.0, help="how long each film is looked at (default 3)"
    )
    options = parser.parse_args(arguments)
    times = measure(options)
    sys.stdout.write(json.dumps({"n": len(times), "width": options.width, **summary(times)}) + "\n")
    return 0


def summary(times: list[dict[str, float]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for what in ("film", "depth"):
        values = [round(time[what], 1) for time in times]
        p50, p95 = np.percentile(values, [50, 95]).round(1).tolist()
        found[what] = {"p50_ms": p50, "p95_ms": p95, "times_ms": values}
    return found


def measure(options: argparse.Namespace) -> list[dict[str, float]]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        with browser.new_context(base_url=options.url) as context:
            context.add_cookies(signed_in(browser, options.url, options.user, options.password))
            page = context.new_page()
            send(page, options.films + 2, options.width)
            page.add_init_script(WATCH)
            page.goto("/cases/next/")
            for n in range(options.films + 1):
                read(page, n + 1, options.look_s)
            times: list[dict[str, float]] = page.evaluate("window.times")
        browser.close()
    return times[1:]  # the first was not fetched beforehand by a page that was looked at as long


def send(page: Page, n_films: int, width: int) -> None:
    """Films that the site has not seen: a duplicate would be no new case."""
    first = secrets.randbelow(2**40)
    for n in range(n_films):
        stage.sent(page, stage.picture("film.png", seed=first + n, width=width, height=width * 8 // 7))


def read(page: Page, n_times: int, look_s: float) -> None:
    page.wait_for_selector("#case[data-displayed=true]")
    page.wait_for_timeout(look_s * 1000)
    page.keyboard.press("2")
    page.wait_for_timeout(600)  # a draft is saved within half a second
    page.keyboard.press("Enter")
    page.wait_for_function("(n) => window.times.length >= n", arg=n_times)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
