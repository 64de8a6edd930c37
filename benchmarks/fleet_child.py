"""The processes of ``benchmarks.fleet``: ``worker N`` forks N workers, ``client N`` waits for N runs at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

from benchmarks.flows import SHAPES, plait

SLOTS = 20


def serve(count: int) -> None:
    """Fork workers, before anything has connected, and end with them."""
    children = []
    for number in range(count):
        pid = os.fork()
        if pid == 0:
            plait.worker(f"fleet-{number}", slots=SLOTS).start()
            plait.close()
            os._exit(0)
        children.append(pid)

    def stop(*_: object) -> None:
        for pid in children:
            os.kill(pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    for pid in children:
        os.waitpid(pid, 0)


async def run(count: int) -> None:
    """Start runs and wait for all of them; print the seconds."""
    diamond = SHAPES["diamond"]
    await diamond.aio_run()
    begin = time.monotonic()
    await asyncio.gather(*(diamond.aio_run() for _ in range(count)))
    print(time.monotonic() - begin)


if __name__ == "__main__":
    kind, count = sys.argv[1], int(sys.argv[2])
    if kind == "worker":
        serve(count)
    else:
        asyncio.run(run(count))
        plait.close()
