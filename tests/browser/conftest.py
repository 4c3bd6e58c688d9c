"""Chromium against the real processes; `page_as` makes a page whose every error fails the test.

Fixtures end with the package: while Playwright runs, its event loop keeps Django's database from all other tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Request, expect, sync_playwright

from tests.browser import stage
from tests.browser.chromium import chromium, launch, signed_in
from tests.browser.site import running_site
from tests.sites import Site

PageAs = Callable[..., Page]
# Two cores carry the site, Chromium and the other half of the tests.
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="package")
def site() -> Iterator[Site]:
    if not chromium():
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    with running_site() as running:
        yield running
    assert running.running() == []


@pytest.fixture(scope="package")
def filled(site: Site) -> Site:
    """The site with synthetic films in it, of every finding."""
    stage.fill(site, 12)
    return site


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    if not chromium():
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    running = launch(playwright)
    yield running
    running.close()


@pytest.fixture(scope="package")
def cookies(site: Site, browser: Browser) -> Callable[[str], Any]:
    """Cookies of somebody who has signed in and confirmed the notice, by role; each signs in once."""
    known: dict[str, Any] = {}

    def of(role: str) -> Any:
        if role not in known:
            known[role] = signed_in(browser, site.url, role, site.passwords[role])
        return known[role]

    return of


@pytest.fixture
def page_as(
    site: Site, browser: Browser, cookies: Callable[[str], Any], errors: list[str]
) -> Iterator[PageAs]:
    """`page_as("clinician", theme="light", width=390)`; role None is a stranger; `ignore` lists expected errors."""
    contexts = []

    def make(
        role: str | None, *, theme: str = "dark", width: int = 1440, height: int | None = None, **options: Any
    ) -> Page:
        size = {"width": width, "height": height or (844 if width < 500 else 900)}
        context = browser.new_context(
            viewport=size, base_url=site.url, has_touch=width < 500, is_mobile=width < 500, **options
        )
        contexts.append(context)
        context.add_cookies([{"name": "theme", "value": theme, "url": site.url}])
        if role:
            context.add_cookies(cookies(role))
        page = context.new_page()
        watch(page, errors)
        return page

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def errors() -> Iterator[list[str]]:
    """What went wrong in any page of the test; a test that provokes an error takes it out again."""
    found: list[str] = []
    yield found
    assert found == []


def watch(page: Page, errors: list[str]) -> None:
    page.set_default_timeout(PATIENCE_MS)
    page.on(
        "console",
        lambda message: (
            errors.append(f"{message.text} {message.location['url']}") if is_complaint(message) else None
        ),
    )
    page.on("pageerror", lambda error: errors.append(f"page: {error}"))
    page.on("requestfailed", lambda request: errors.append(failure(request)) if is_failure(request) else None)


def is_complaint(message: ConsoleMessage) -> bool:
    """Chromium without a graphics card remarks that its own compositor reads pixels back; the page does not."""
    return message.type in {"error", "warning"} and "GPU stall due to ReadPixels" not in message.text


def is_failure(request: Request) -> bool:
    """A request that the browser dropped because the page was left is none."""
    return request.failure != "net::ERR_ABORTED"


def failure(request: Request) -> str:
    return f"request: {request.method} {request.url} {request.failure}"
