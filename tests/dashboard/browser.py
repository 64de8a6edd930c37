"""A system Chromium, driven by Playwright; and the dashboard as somebody at it sees it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

AXE = Path(__file__).with_name("axe") / "axe.min.js"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HOW = "install Debian's chromium (apt install chromium), or name one: PLAIT_CHROMIUM=/path/to/chromium"
WAIT_MS = 45_000


def find_chromium() -> str:
    """The browser's path. Without one: on CI a failure, elsewhere the test is left out, saying so."""
    named = os.environ.get("PLAIT_CHROMIUM")
    for candidate in [named] if named else ["chromium", "chromium-browser", "google-chrome", "/usr/bin/chromium"]:
        if path := shutil.which(candidate):
            return path
    message = f"THE BROWSER TESTS WERE LEFT OUT: there is no Chromium; {HOW}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A browser. While it is open the thread has Playwright's event loop, and no asynchronous test can run in it."""
    path = find_chromium()
    from playwright.sync_api import expect, sync_playwright  # noqa: PLC0415 - only where there is a browser for it

    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Watched:
    """A page, and everything about it that must not happen."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    pending: set[Any] = field(default_factory=set)
    """Requests of the page that are not answered yet, but for the stream, which never ends."""

    def __post_init__(self) -> None:
        self.page.set_default_timeout(WAIT_MS)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.faults.append(f"page error: {error}"))
        self.page.on("request", self._on_request)
        self.page.on("requestfinished", self._on_answer)
        self.page.on("requestfailed", self._on_answer)

    def _on_console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"console {message.type}: {message.text}")

    def _on_request(self, request: Any) -> None:
        if "/api/v1/stream" not in request.url:
            self.pending.add(request)
        if not request.url.startswith(self.url):
            self.faults.append(f"a request left the origin: {request.url}")

    def _on_answer(self, request: Any) -> None:
        self.pending.discard(request)

    def settle(self) -> None:
        """Wait until the page has all it asked for, and has drawn it."""
        drawn = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        self.page.evaluate(drawn)
        while self.pending:
            self.page.evaluate(drawn)

    def open(self, path: str = "") -> Page:
        """Go to a page of the dashboard."""
        self.pending.clear()
        self.page.goto(self.url + path)
        return self.page

    def check(self) -> None:
        """Fail if anything happened that must not. ``expected`` holds parts of the texts that a test provoked."""
        faults = [fault for fault in self.faults if not any(part in fault for part in self.expected)]
        assert not faults, "\n".join(faults)


def find_node(page: Page, task: str) -> Locator:
    """A task in the graph."""
    return page.locator(f'.node[data-task="{task}"]')


ABOUT_COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
"""The rules of axe that a theme can break: nothing else of it differs between the themes but colours."""


def find_violations(page: Page, *, only_colours: bool = False) -> list[str]:
    """What axe finds, as text. The page must bypass its own policy, which refuses axe."""
    if not page.evaluate("'axe' in window"):
        page.add_script_tag(path=AXE)
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    rules = ABOUT_COLOURS if only_colours else {"type": "tag", "values": tags}
    found = page.evaluate("rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", rules)
    return [
        f"{violation['id']} ({violation['impact']}): {violation['help']}\n"
        + "\n".join(f"    {node['html'][:200]}\n      {node['failureSummary']}" for node in violation["nodes"][:4])
        for violation in found["violations"]
    ]
