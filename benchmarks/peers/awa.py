"""awa-pg: its engine is in Rust, its handlers in Python; queue storage, jobs by COPY. No graph, no outputs."""

from __future__ import annotations

import asyncio
import json
import signal
from dataclasses import dataclass

from awa import AsyncClient

from benchmarks.peers.executions import note_execution
from benchmarks.peers.protocol import JobQueue, wait_until

QUEUE = "peers"
WORKERS = 400  # with its default of 50 it does a third; more than one claimer did not help on two cores
COMPLETED = """
SELECT (SELECT coalesce(sum(completed_count), 0) FROM awa.receipt_completion_batches)::int8
     + (SELECT count(*) FROM awa.done_entries) AS found
"""


@dataclass
class Number:
    number: int


class AwaPeer(JobQueue):
    packages = ("awa-pg",)

    async def prepare(self) -> None:
        await self.make_client().migrate()

    async def open(self) -> None:
        self.client = self.make_client()
        await wait_until(self.is_active, 0.1)

    def make_client(self) -> AsyncClient:
        """Its driver takes no URL without a host, though the one that it uses is the socket's folder."""
        return AsyncClient(self.url.replace("@/", "@localhost/", 1), max_connections=20)

    async def enqueue(self, jobs: int) -> None:
        self.expected = await self.count_completed() + jobs
        await self.client.enqueue_many_copy([Number(number) for number in range(jobs)], queue=QUEUE)

    async def run_one(self, shape: str, number: int) -> None:
        await self.client.insert(Number(number), queue=QUEUE)

    async def is_active(self) -> bool:
        """The first worker of a fresh database switches to queue storage."""
        return bool(json.loads(await self.client.storage_status())["active_engine"] == "queue_storage")

    async def is_empty(self) -> bool:
        return await self.count_completed() >= self.expected

    async def count_completed(self) -> int:
        """From the tables themselves: what `queue_stats` and the view `awa.jobs` add up takes seconds."""
        async with await self.client.transaction() as transaction:
            return int((await transaction.fetch_one(COMPLETED))["found"])

    async def close(self) -> None:
        await self.client.close()

    def work(self) -> None:
        asyncio.run(self.serve())

    async def serve(self) -> None:
        client = self.make_client()

        @client.task(Number, queue=QUEUE)
        async def nothing(job: object) -> None:
            note_execution()

        stopping = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
        await client.start([{"name": QUEUE, "max_workers": WORKERS}])
        await stopping.wait()
        await client.shutdown()


PEER = AwaPeer
