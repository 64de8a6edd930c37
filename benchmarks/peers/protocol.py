"""What a system has to offer to be measured, and how it is measured: this runs in the system's own processes.

    python -m benchmarks.peers.protocol NAME client     # takes commands as lines of JSON, and answers so
    python -m benchmarks.peers.protocol NAME worker

Imports nothing but the standard library and the system, so that it runs in each one's environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from importlib.metadata import version
from typing import Any, TextIO

from benchmarks.peers.executions import count_executions, read_last_execution

SIZES = {"single": 1, "diamond": 4}  # tasks of one run of a shape
PAUSE_SECONDS = 0.02
DEADLINE_SECONDS = 300.0


class Peer:
    """One system. All but ``work`` runs in the client process."""

    tells_results = False  # does ``wait_one`` return when the client knows the result?
    packages: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.url = os.environ["PEERS_DATABASE_URL"]

    async def prepare(self) -> None:
        """Install the schema into an empty database. Neither ``open`` nor ``close`` is called then."""

    async def open(self) -> None:
        """Connect, before anything is measured."""

    async def run_many(self, shape: str, runs: int) -> None:
        """Enqueue so many runs in the guide's quickest way, and return when all results are known here."""
        raise NotImplementedError

    async def run_one(self, shape: str, number: int) -> None:
        """Enqueue one run, and return when its result is known here, or else at once."""
        raise NotImplementedError

    async def close(self) -> None:
        """Disconnect."""

    def work(self) -> None:
        """Be the worker process until SIGTERM."""


class JobQueue(Peer):
    """A system of single jobs that does not tell the client how one ended: all have ended when all have run and its
    tables hold none that has not."""

    async def run_many(self, shape: str, runs: int) -> None:
        before = count_executions()
        await self.enqueue(runs)
        await wait_executed(before + runs)
        await wait_until(self.is_empty, 0.01)

    async def enqueue(self, jobs: int) -> None:
        """Enqueue so many jobs in the guide's quickest way."""
        raise NotImplementedError

    async def is_empty(self) -> bool:
        """Are all ends committed?"""
        raise NotImplementedError


async def wait_until(is_done: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Ask again and again, with pauses of ``seconds``."""
    end = time.monotonic() + DEADLINE_SECONDS
    while not await is_done():
        if time.monotonic() > end:
            raise TimeoutError(f"not done after {DEADLINE_SECONDS:.0f} s; {count_executions()} tasks ran in all")
        await asyncio.sleep(seconds)


async def wait_executed(count: int, seconds: float = 0.005) -> None:
    """Until ``count`` tasks have run since the file was made."""

    async def is_executed() -> bool:
        return count_executions() >= count

    await wait_until(is_executed, seconds)


async def measure_throughput(peer: Peer, shape: str, tasks: int) -> dict[str, Any]:
    """Seconds from before the first enqueue until the last result is known, or committed where none is told."""
    runs, before = max(1, tasks // SIZES[shape]), count_executions()
    begun = time.perf_counter()
    await peer.run_many(shape, runs)
    seconds = time.perf_counter() - begun
    return {"seconds": seconds, "tasks": runs * SIZES[shape], "executed": count_executions() - before}


async def measure_latency(peer: Peer, shape: str, samples: int) -> dict[str, Any]:
    """Milliseconds of single runs at idle: until the last task ran, and until the client knows."""
    ran, known = [], []
    for number in range(samples):
        await asyncio.sleep(PAUSE_SECONDS)
        before, begun = count_executions(), time.monotonic_ns()
        await peer.run_one(shape, number)
        known.append((time.monotonic_ns() - begun) / 1e6)
        await wait_executed(before + SIZES[shape], 0.0005)
        ran.append((read_last_execution() - begun) / 1e6)
    return {"ran_ms": ran, "known_ms": known if peer.tells_results else []}


async def serve_client(peer: Peer, commands: TextIO, answers: TextIO) -> None:
    """Do what the runner says until it closes the pipe."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), commands)
    is_open = False
    while line := await reader.readline():
        command = json.loads(line)
        match command["do"]:
            case "prepare":
                await peer.prepare()
                answer = {"versions": {name: version(name) for name in peer.packages}}
            case "open":
                await peer.open()
                is_open, answer = True, {}
            case "throughput":
                answer = await measure_throughput(peer, command["shape"], command["tasks"])
            case "latency":
                answer = await measure_latency(peer, command["shape"], command["samples"])
            case unknown:
                raise ValueError(f"no such command: {unknown}")
        print(json.dumps(answer), file=answers, flush=True)
    if is_open:
        await peer.close()


def main() -> None:
    name, role = sys.argv[1:]
    module = import_module(f"benchmarks.peers.{name}")
    if role == "worker":
        module.PEER().work()
        return
    answers = os.fdopen(os.dup(1), "w")  # what a library prints must not come between
    os.dup2(2, 1)
    asyncio.run(serve_client(module.PEER(), sys.stdin, answers))


if __name__ == "__main__":
    main()
