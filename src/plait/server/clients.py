"""What the routes ask: the features of one ``Plait``, which show JSON as text and long payloads in part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from plait.client import Plait, get_access
from plait.errors import PlaitError
from plait.features.base import FeatureClient, on_engine
from plait.features.cron import CronClient
from plait.features.event import EventClient
from plait.features.filters import FiltersClient
from plait.features.metrics import MetricsClient
from plait.features.runs import RunsClient
from plait.features.scheduled import ScheduledClient
from plait.features.troubles import Troubles, read_troubles
from plait.features.workers import WorkersClient
from plait.features.workflows import WorkflowsClient
from plait.server.answers import Health
from plait.store.urls import hide_password

if TYPE_CHECKING:
    from asyncpg import Record


class Clients(FeatureClient):
    """The features, and the database that they ask."""

    def __init__(self, plait: Plait) -> None:
        access = get_access(plait)
        super().__init__(access)
        self.runs = RunsClient(access, previews=True)
        self.event = EventClient(access, previews=True)
        self.cron = CronClient(access, previews=True)
        self.scheduled = ScheduledClient(access, previews=True)
        self.filters = FiltersClient(access, previews=True)
        self.workflows = WorkflowsClient(access, previews=True)
        self.workers = WorkersClient(access, previews=True)
        self.metrics = MetricsClient(access, previews=True)

    @on_engine
    async def check_health(self) -> Health:
        """Whether the database answers."""
        try:
            await (await self._open_store()).read_server()
        except PlaitError as error:
            return Health(status="unavailable", detail=type(error).__name__)
        return Health(status="ok", detail=None)

    @on_engine
    async def read_troubles(self) -> Troubles:
        """What keeps work from getting on."""
        return await read_troubles(await self._open_store())

    @on_engine
    async def measure_connections(self) -> Sequence[Record]:
        """Open connections beside their limits."""
        return await (await self._open_store()).observation.measure_connections()

    @on_engine
    async def list_holders(self, seconds: float) -> Sequence[Record]:
        """Transactions that have been open for so long and keep dead rows from being removed."""
        return await (await self._open_store()).observation.list_holders(seconds)

    @on_engine
    async def describe_database(self) -> str:
        """Where the data is, without the password."""
        return hide_password((await self._open_store()).url)
