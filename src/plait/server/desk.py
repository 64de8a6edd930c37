"""What the routes ask: everything about one ``Plait``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plait.client import Plait


class Desk:
    def __init__(self, plait: Plait) -> None:
        self.plait = plait
        self.runs: Any = None
        self.orders: Any = None
        self.catalog: Any = None
        self.triggers: Any = None

    async def check_health(self) -> Any: ...
