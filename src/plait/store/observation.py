"""Statements for those who watch: what traces are made of, what runs now and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from plait.store.connection import LinkPool
from plait.store.statements import load_sql

if TYPE_CHECKING:
    from asyncpg import Record


class ObservationStore:
    """Looking at the work as a whole. Every statement is bounded by what runs now, or by the runs it is asked for."""

    def __init__(self, pool: LinkPool) -> None:
        self._pool = pool

    async def read_lifetimes(self, run_ids: Sequence[UUID]) -> list[Record]:
        """Ended runs with the times and outcomes of their attempts."""
        return await self._pool.fetch(load_sql("read_lifetimes"), run_ids)
