"""pgqueuer: its `run` (what `pgq run` does, on uvloop) with one connection of asyncpg, a pool in the producer, `pgq
autovac`, and larger batches, as its page on performance says for short jobs. No graph, no outputs."""

from __future__ import annotations

import asyncio
import os
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

from benchmarks.peers.executions import note_execution
from benchmarks.peers.protocol import JobQueue

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


class PgqueuerPeer(JobQueue):
    packages = ("pgqueuer", "asyncpg")

    async def prepare(self) -> None:
        for command in ("install", "autovac"):
            process = await asyncio.create_subprocess_exec(COMMAND, "--pg-dsn", self.url, command)
            assert await process.wait() == 0

    async def open(self) -> None:
        self.pool = await asyncpg.create_pool(self.url, min_size=2, max_size=10)
        self.queries = Queries(AsyncpgPoolDriver(self.pool))

    async def enqueue(self, jobs: int) -> None:
        payloads: list[bytes | None] = [b'{"number": %d}' % number for number in range(jobs)]
        await self.queries.enqueue(["nothing"] * jobs, payloads, [0] * jobs)

    async def run_one(self, shape: str, number: int) -> None:
        await self.queries.enqueue("nothing", b'{"number": %d}' % number)

    async def is_empty(self) -> bool:
        return bool(await self.pool.fetchval("SELECT NOT EXISTS (SELECT FROM pgqueuer)"))

    async def close(self) -> None:
        await self.pool.close()

    def work(self) -> None:
        uvloop.run(run(open_consumer, batch_size=BATCH, max_concurrent_tasks=4 * BATCH))


PEER = PgqueuerPeer
