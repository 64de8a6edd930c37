"""Drivers of bare statements, storms and proxies, closed whatever the test does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from faults.harness.storm import Storm
from plait import Plait
from plait.graph.definition import WorkflowDefinition
from plait.store.hints import Hub
from support.database import Database
from support.driver import Driver
from support.ledger import Ledger
from support.proxy import Proxy
from support.server import OwnServer


@pytest.fixture
async def open_driver(database: Database) -> AsyncIterator[Callable[[WorkflowDefinition], Awaitable[Driver]]]:
    """Opens drivers registered for a definition."""
    opened: list[Driver] = []

    async def open_one(definition: WorkflowDefinition) -> Driver:
        opened.append(await Driver(database.url).open(definition))
        return opened[-1]

    yield open_one
    for driver in opened:
        await driver.close()


@pytest.fixture
async def hub(database: Database) -> AsyncIterator[Hub]:
    """Hints for what is driven without an engine."""
    hub = Hub(database.url)
    yield hub
    await hub.stop()


@pytest.fixture
def proxy(own_server: OwnServer) -> Iterator[Proxy]:
    """A proxy in front of the server."""
    proxy = Proxy(own_server)
    yield proxy
    proxy.close()


@pytest.fixture
def far(proxy: Proxy, database: Database) -> Iterator[Plait]:
    """Plait on the database behind the proxy."""
    plait = Plait(proxy.build_url(database))
    yield plait
    plait.close()


@pytest.fixture
def storm(database: Database, ledger: Ledger, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Storm]:
    """Workers, load and a probe, for a test that does harm; its row in the table is the test's name in words."""
    row = request.node.name.removeprefix("test_").replace("_", " ")
    storm = Storm(row, database, ledger, tmp_path)
    yield storm
    storm.close()
    if getattr(request.node, "failed", False):
        print(storm.show_logs())
