"""Drivers of bare statements, closed whatever the test does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from plait.graph.definition import WorkflowDefinition
from support.database import Database
from support.driver import Driver


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
