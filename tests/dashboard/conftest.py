"""A dashboard on the test's database, with a worker for the shop's workflows, and a browser to look at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from plait import Plait
from support.workers import WorkerThread

pytest.importorskip("fastapi")

from dashboard.browser import Watched, find_chromium, open_browser
from dashboard.sample_flows import Shop, declare
from plait.server import serve as runner

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(autouse=True)
def _needs_chromium() -> None:
    find_chromium()


@pytest.fixture
def shop(plait: Plait) -> Shop:
    """The workflows, declared; nobody serves them yet."""
    return declare(plait)


@pytest.fixture
def worker(shop: Shop, work: Callable[..., WorkerThread]) -> WorkerThread:
    """A worker that has the code of all of them."""
    return work(*shop.workflows, slots=40)


@pytest.fixture
def address(plait: Plait) -> Iterator[str]:
    """Where the dashboard is served."""
    server = runner.start(plait)
    yield server.url
    server.stop()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A browser for the tests of this folder, each of which has contexts of its own."""
    with open_browser() as browser:
        yield browser


@pytest.fixture
def watch(browser: Browser, address: str) -> Iterator[Callable[..., Watched]]:
    """Opens pages of a browser: ``watch(**options of a context)``. Every one must stay free of faults. What moves for
    ever is asked not to: the browser would draw it anew sixty times a second."""
    pages: list[Watched] = []

    def start(url: str = address, **options: Any) -> Watched:
        context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce", **options)
        pages.append(Watched(context.new_page(), url))
        return pages[-1]

    yield start
    for page in pages:
        page.page.context.close()
    for page in pages:
        page.check()


@pytest.fixture
def dashboard(watch: Callable[..., Watched]) -> Watched:
    """One page, in the light theme."""
    return watch(color_scheme="light")
