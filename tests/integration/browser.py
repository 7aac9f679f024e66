"""A headless Chromium that remembers what went wrong in a page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")
FLAGS = [
    "--no-sandbox",  # tests run as root
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(slots=True)
class Seen:
    """A page, and what it complained about or asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    """Errors on the console, those of the security policy too, and exceptions."""
    requests: list[str] = field(default_factory=list)
    """Addresses of everything it asked for."""
    missing: list[str] = field(default_factory=list)
    """Addresses that were answered with an error."""

    def text(self, selector: str) -> str:
        """Of the first element, as it is shown."""
        return self.page.locator(selector).first.inner_text()


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, closed at the end."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def seen(browser: Browser, address: str | Path, **options: Any) -> Iterator[Seen]:
    """Open a page: an address or a file; options are those of a browser context (viewport, color_scheme)."""
    url = address.absolute().as_uri() if isinstance(address, Path) else address
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    found = Seen(page=context.new_page())
    found.page.on("console", lambda said: found.complaints.append(said.text) if said.type == "error" else None)
    found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
    found.page.on("request", lambda request: found.requests.append(request.url))
    found.page.on("response", lambda answer: found.missing.append(answer.url) if answer.status >= 400 else None)
    try:
        found.page.goto(url)
        yield found
    finally:
        context.close()
