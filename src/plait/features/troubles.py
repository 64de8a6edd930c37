"""What keeps work from getting on although the database answers: read for ``plait doctor`` and the server's metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.store.store import Store

MOST_COUNTED = 1000
"""Ready tasks that are counted of each action."""
IDLE_SECONDS = 30.0
"""How long a task is the first in line while a worker that has its code and a free slot does not take it."""


@dataclass(frozen=True, slots=True)
class Troubles:
    """Rows of the statements of the same names. ``clocks`` has the workers whose clocks are furthest off."""

    unserved: Sequence[Record]
    idle_workers: Sequence[Record]
    suspects: Sequence[Record]
    switched_off: Sequence[Record]
    clocks: Sequence[Record]


async def read_troubles(store: Store) -> Troubles:
    """Look for all of them."""
    watch = store.observation
    return Troubles(
        await store.list_unserved(MOST_COUNTED),
        await watch.list_idle_workers(IDLE_SECONDS),
        await watch.list_suspects(MOST_COUNTED),
        await watch.list_switched_off(workflows=True),
        await watch.list_clocks(),
    )
