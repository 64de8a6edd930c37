"""Celery with Redis as broker and result backend: the prefork pool with a process a core, and a large prefetch
multiplier as its page on optimizing says for many short tasks. Not durable: Redis answers before it has written."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery, chain, group

from benchmarks.peers.executions import note_execution
from benchmarks.peers.protocol import DEADLINE_SECONDS, Peer

app = Celery("peers", broker=os.environ["PEERS_REDIS_URL"], backend=os.environ["PEERS_REDIS_URL"])
app.conf.worker_prefetch_multiplier = 128


@app.task(name="node")
def node(number: int) -> dict[str, int]:
    return {"at": note_execution()}


@app.task(name="join")
def join(parents: list[dict[str, int]], number: int) -> dict[str, int]:
    return {"at": note_execution()}


def make_diamond(number: int) -> Any:
    return chain(node.si(number), group(node.si(number), node.si(number)), join.s(number))


class CeleryPeer(Peer):
    tells_results = True
    packages = ("celery", "redis")

    async def run_many(self, shape: str, runs: int) -> None:
        if shape == "single":
            group(node.s(number) for number in range(runs)).apply_async().join_native(timeout=DEADLINE_SECONDS)
            return
        with app.producer_pool.acquire(block=True) as producer:
            results = [make_diamond(number).apply_async(producer=producer) for number in range(runs)]
        for result in results:
            result.get(timeout=DEADLINE_SECONDS)

    async def run_one(self, shape: str, number: int) -> None:
        signature = node.s(number) if shape == "single" else make_diamond(number)
        signature.apply_async().get(timeout=DEADLINE_SECONDS)

    def work(self) -> None:
        app.worker_main(["worker", "--pool", "prefork", "--loglevel", "WARNING"])


PEER = CeleryPeer
