"""A database that is as full as one likes, with a few runs, events, crons and so on that statements are asked about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg

from plait.ids import new_run_id
from plait.store.store import Store
from support.driver import make_definition

FOLDER = Path(__file__).parent
SLOTS = 5_000
"""How many tasks run at most, as many as the fleet has slots: what reads all of them is not reading a history."""
SETTINGS = 10_000
"""How many rows the tables of names have at most: versions, tasks, crons, filters, workers that are kept."""


class World:
    """What there is to ask about, and how much lies beside it."""

    def __init__(self, url: str, connection: asyncpg.Connection) -> None:
        self.url = url
        self.connection = connection
        self.size = 0
        self.ready, self.running, self.waiting, self.child, self.ended = (new_run_id() for _ in range(5))
        self.worker, self.event, self.fresh_event, self.filter, self.cron, self.scheduled = (
            new_run_id() for _ in range(6)
        )
        self.moment = datetime.now(UTC) - timedelta(minutes=1)
        self.ended_at = self.moment - timedelta(minutes=30)
        self.version = 0
        self.other = 0
        self.actions: list[int] = []

    async def make(self) -> World:
        """Store the subjects."""
        store = Store(self.url)
        try:
            version = await store.register_version(make_definition("subject", a=[], b=["a"]))
            other = await store.register_version(make_definition("other", a=[], b=["a"]))
        finally:
            await store.close()
        self.version, self.other, self.actions = version.id, other.id, list(version.actions)
        await self._execute("subject.sql")
        return self

    async def fill(self, size: int) -> None:
        """Put this many rows beside them into every table that grows."""
        self.size = size
        await self._execute("ballast.sql")
        await self.connection.execute("CHECKPOINT")

    async def believe(self, statistics: str) -> None:
        """What the planner knows: ``none``, what it was told of ``empty`` tables, or what there is (``fresh``)."""
        if statistics == "fresh":
            await self.connection.execute("ANALYZE")
            return
        pages = -1 if statistics == "none" else 0
        await self.connection.execute(
            "DELETE FROM pg_statistic WHERE starelid IN "
            "(SELECT oid FROM pg_class WHERE relnamespace = 'plait'::regnamespace)"
        )
        await self.connection.execute(
            "UPDATE pg_class SET reltuples = $1, relpages = 0 "
            "WHERE relnamespace = 'plait'::regnamespace AND relkind IN ('r', 'i')",
            pages,
        )

    async def _execute(self, file: str) -> None:
        values = {
            **{name: value for name, value in vars(self).items() if isinstance(value, (UUID, int, datetime))},
            "n": self.size,
            "few": min(self.size, SETTINGS),
            "slots": SLOTS,
        }
        sql = (
            (FOLDER / file)
            .read_text(encoding="utf-8")
            .replace("$id(", "pg_temp.ballast_id(")
            .replace("$actions", f"(ARRAY{self.actions})")
        )
        for name in sorted(values, key=len, reverse=True):
            value = values[name]
            sql = sql.replace(f"${name}", str(value) if isinstance(value, int) else f"'{value}'")
        await self.connection.execute(
            "CREATE OR REPLACE FUNCTION pg_temp.ballast_id(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS "
            "$$ SELECT (lpad(to_hex(1700000000000 + n), 12, '0') || '70008000000000000000')::uuid $$"
        )
        await self.connection.execute(sql)
