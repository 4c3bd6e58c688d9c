"""Seconds from dropping one film on the upload page to its AI score on the study page, in a real browser.

python -m benchmarks.drop_to_result http://localhost:8000 clinician PASSWORD [--films 30]

Prints JSON: n, p50_s, p95_s, and every measured time. Run it on a machine that does nothing else.
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

KINDS = ("dcm", "jpg", "png")
# The moment of the first frame with an answer in it. Playwright's own waiting looks only twice a second.
WATCH = """
  const seen = () => document.querySelector(".answer__score");
  const look = () => requestAnimationFrame(() => {
    if (seen()) window.answeredAt ??= Date.now() / 1000; else look();
  });
  look();
"""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("user")
    parser.add_argument("password")
    parser.add_argument("--films", type=int, default=30)
    parser.add_argument("--width", type=int, default=2000, help="of the films, in pixels (default 2000)")
    options = parser.parse_args(arguments)
    times = measure(options)
    p50, p95 = np.percentile(times, [50, 95]).round(3).tolist()
    report = {"n": len(times), "width": options.width, "p50_s": p50, "p95_s": p95, "times_s": times}
    sys.stdout.write(json.dumps(report) + "\n")
    return 0


def measure(options: argparse.Namespace) -> list[float]:
    # Films that the site has not seen: a duplicate would have its answer already.
    first = secrets.randbelow(2**40)
    with sync_playwright() as playwright:
        browser = launch(playwright)
        with browser.new_context(base_url=options.url) as context:
            context.add_cookies(signed_in(browser, options.url, options.user, options.password))
            context.add_init_script(WATCH)
            page = context.new_page()
            times = [drop(page, first + n, KINDS[n % 3], options.width) for n in range(options.films + 1)]
        browser.close()
    return times[1:]  # the first fills the browser's cache


def drop(page: Page, seed: int, kind: str, width: int) -> float:
    film = stage.picture(f"film.{kind}", seed=seed, width=width, height=width * 8 // 7)
    page.goto("/uploads/")
    # The browser's own clock: carrying the film into the browser is the test's work and no user's.
    dropped = stage.hand_over(page, "drop", film)
    page.wait_for_selector(".answer__score", timeout=60_000)
    return round(page.wait_for_function("window.answeredAt").json_value() - dropped, 3)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
