"""DBOS: a library, so the client's process runs the workflows too, started directly, which is quicker than its queues.
A single task is a workflow without steps, a node of the diamond a step."""

from __future__ import annotations

import asyncio

from dbos import DBOS, DBOSConfig

from benchmarks.peers.executions import note_execution
from benchmarks.peers.protocol import Peer


@DBOS.step()
async def node(number: int) -> dict[str, int]:
    return {"at": note_execution()}


@DBOS.workflow()
async def single(number: int) -> dict[str, int]:
    return {"at": note_execution()}


@DBOS.workflow()
async def diamond(number: int) -> dict[str, int]:
    await node(number)
    await asyncio.gather(node(number), node(number))
    return await node(number)


WORKFLOWS = {"single": single, "diamond": diamond}


class DbosPeer(Peer):
    tells_results = True
    packages = ("dbos", "psycopg", "sqlalchemy")

    async def prepare(self) -> None:
        await self.open()
        await self.close()

    async def open(self) -> None:
        url = self.url.replace("postgresql://", "postgresql+psycopg://", 1)
        config: DBOSConfig = {"name": "peers", "system_database_url": url, "log_level": "WARNING"}
        DBOS(config=config)
        await asyncio.to_thread(DBOS.launch)

    async def run_many(self, shape: str, runs: int) -> None:
        workflow = WORKFLOWS[shape]
        handles = await asyncio.gather(*(DBOS.start_workflow_async(workflow, number) for number in range(runs)))
        await asyncio.gather(*(handle.get_result() for handle in handles))

    async def run_one(self, shape: str, number: int) -> None:
        await (await DBOS.start_workflow_async(WORKFLOWS[shape], number)).get_result()

    async def close(self) -> None:
        await asyncio.to_thread(DBOS.destroy)


PEER = DbosPeer
