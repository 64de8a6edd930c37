"""Plait: one worker process with 400 slots, runs in bulk."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from pydantic import BaseModel

from benchmarks.peers.executions import note_execution
from benchmarks.peers.protocol import Peer
from plait import Context, Plait, Workflow

plait = Plait(os.environ["PEERS_DATABASE_URL"])


class Number(BaseModel):
    number: int


def _declare(name: str, parents: dict[str, list[str]]) -> Workflow[Number]:
    workflow = plait.workflow(name=name, input_validator=Number)
    declared: dict[str, Any] = {}
    for task, above in parents.items():

        async def body(input: Number, ctx: Context) -> dict[str, int]:
            return {"at": note_execution()}

        declared[task] = workflow.task(name=task, parents=[declared[parent] for parent in above])(body)
    return workflow


WORKFLOWS = {
    "single": _declare("peers-single", {"only": []}),
    "diamond": _declare("peers-diamond", {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}),
}


class PlaitPeer(Peer):
    tells_results = True
    packages = ("plait",)

    async def run_many(self, shape: str, runs: int) -> None:
        workflow = WORKFLOWS[shape]
        await workflow.aio_run_many([workflow.create_bulk_run_item(Number(number=n)) for n in range(runs)])

    async def run_one(self, shape: str, number: int) -> None:
        await WORKFLOWS[shape].aio_run(Number(number=number))

    async def close(self) -> None:
        await asyncio.to_thread(plait.close)

    def work(self) -> None:
        plait.worker("peers", slots=400).start()
        plait.close()


PEER = PlaitPeer
