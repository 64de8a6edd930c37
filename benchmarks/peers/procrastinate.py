"""Procrastinate: its asynchronous connector and worker, jobs deferred in one batch. No graph, no outputs."""

from __future__ import annotations

import asyncio
import os

from procrastinate import App, PsycopgConnector

from benchmarks.peers.executions import note_execution
from benchmarks.peers.protocol import JobQueue

CONCURRENCY = 30
UNFINISHED = "SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE status IN ('todo', 'doing')) AS found"

app = App(connector=PsycopgConnector(conninfo=os.environ["PEERS_DATABASE_URL"], min_size=4, max_size=20))


@app.task(name="nothing")
async def nothing(number: int) -> dict[str, int]:
    return {"at": note_execution()}


class ProcrastinatePeer(JobQueue):
    packages = ("procrastinate", "psycopg")

    async def prepare(self) -> None:
        async with app.open_async():
            await app.schema_manager.apply_schema_async()

    async def open(self) -> None:
        await app.open_async()

    async def enqueue(self, jobs: int) -> None:
        await nothing.batch_defer_async(*({"number": number} for number in range(jobs)))

    async def run_one(self, shape: str, number: int) -> None:
        await nothing.defer_async(number=number)

    async def is_empty(self) -> bool:
        return not (await app.connector.execute_query_one_async(UNFINISHED))["found"]

    async def close(self) -> None:
        await app.close_async()

    def work(self) -> None:
        asyncio.run(self.serve())

    async def serve(self) -> None:
        async with app.open_async():
            await app.run_worker_async(concurrency=CONCURRENCY)


PEER = ProcrastinatePeer
