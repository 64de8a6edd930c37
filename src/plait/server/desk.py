"""What the routes ask: everything about one ``Plait``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plait.errors import PlaitError
from plait.features.base import on_engine
from plait.server.catalog_desk import CatalogDesk
from plait.server.desk_base import DeskBase
from plait.server.models.session import Health
from plait.server.order_desk import OrderDesk
from plait.server.run_desk import RunDesk
from plait.server.trigger_desk import TriggerDesk

if TYPE_CHECKING:
    from plait.client import Plait


class Desk(DeskBase):
    """The parts of the API, each with its questions and orders."""

    def __init__(self, plait: Plait) -> None:
        super().__init__(plait)
        self.runs = RunDesk(plait)
        self.orders = OrderDesk(plait, self.runs)
        self.catalog = CatalogDesk(plait)
        self.triggers = TriggerDesk(plait, self.runs)

    @on_engine
    async def check_health(self) -> Health:
        """Whether the database answers."""
        try:
            await (await self._open_store()).read_server()
        except PlaitError as error:
            return Health(status="unavailable", detail=type(error).__name__)
        return Health(status="ok")

    @on_engine
    async def describe_database(self) -> str:
        """Where the data is, without the password."""
        from plait.store.connection import hide_password  # noqa: PLC0415 - asyncpg comes with it

        return hide_password((await self._open_store()).url)
