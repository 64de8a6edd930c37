"""pgqueuer: its `run` (what `pgq run` does, on uvloop) with one connection of asyncpg, a pool in the producer, `pgq autovac`
and larger batches, as its page on performance says for short jobs. It has no graph and keeps no output."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import uvloop
from pgqueuer import PgQueuer, run
from pgqueuer.db import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from benchmarks.peers.executions import count_executions, note_execution
from benchmarks.peers.protocol import Peer, wait_executed, wait_until

COMMAND = str(Path(sys.executable).parent / "pgq")
BATCH = 100


@asynccontextmanager
async def open_consumer() -> AsyncIterator[PgQueuer]:
    """What the worker runs."""
    connection = await asyncpg.connect(os.environ["PEERS_DATABASE_URL"])
    consumer = PgQueuer(AsyncpgDriver(connection))

    @consumer.entrypoint("nothing")
    async def nothing(job: Job) -> None:
        note_execution()

    try:
        yield consumer
    finally:
        await connection.close()


class PgqueuerPeer(Peer):
    packages = ("pgqueuer", "asyncpg")

    async def prepare(self) -> None:
        for command in ("install", "autovac"):
            subprocess.run([COMMAND, "--pg-dsn", self.url, command], check=True)

    async def open(self) -> None:
        self.pool = await asyncpg.create_pool(self.url, min_size=2, max_size=10)
        self.queries = Queries(AsyncpgPoolDriver(self.pool))

    async def run_many(self, shape: str, runs: int) -> None:
        before = count_executions()
        payloads: list[bytes | None] = [b'{"number": %d}' % number for number in range(runs)]
        await self.queries.enqueue(["nothing"] * runs, payloads, [0] * runs)
        await wait_executed(before + runs)
        await wait_until(self.is_empty, 0.002)

    async def run_one(self, shape: str, number: int) -> None:
        await self.queries.enqueue("nothing", b'{"number": %d}' % number)

    async def is_empty(self) -> bool:
        return bool(await self.pool.fetchval("SELECT NOT EXISTS (SELECT FROM pgqueuer)"))

    async def close(self) -> None:
        await self.pool.close()

    def work(self) -> None:
        uvloop.run(run(open_consumer, batch_size=BATCH, max_concurrent_tasks=4 * BATCH))


PEER = PgqueuerPeer
