"""``python -m benchmarks.sleepers``: what many sleeping tasks cost the others, and how fast they wake.

First the throughput of plain diamonds, then 100,000 runs whose task sleeps for hours, then the throughput again; the
memory of the worker at each point. Then 10,000 of the sleepers fall due at one moment.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from statistics import median
from typing import Any

import asyncpg
import psutil

from benchmarks.__main__ import open_server

WOKEN = '"woken"'
"""What a sleeper puts out, as it is stored."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sleepers", description=__doc__)
    parser.add_argument("--sleepers", type=int, default=100_000)
    parser.add_argument("--woken", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3_000, help="diamonds per round (default 3000)")
    options = parser.parse_args()
    with open_server() as (url, _):
        asyncio.run(measure(url, options))


async def measure(url: str, options: argparse.Namespace) -> None:
    from benchmarks.endtoend import BenchWorker  # noqa: PLC0415 - the environment is set first
    from benchmarks.flows import plait, sleeper  # noqa: PLC0415

    connection = await asyncpg.connect(url)
    await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    with BenchWorker(url, 400) as worker:
        before = await measure_rounds(options)
        memory = [read_memory(worker)]
        started = time.perf_counter()
        await asyncio.to_thread(
            sleeper.run_many_no_wait, [sleeper.create_bulk_run_item() for _ in range(options.sleepers)]
        )
        await wait_for(connection, "SELECT count(*) FROM plait.waiting", options.sleepers)
        parking = time.perf_counter() - started
        memory.append(read_memory(worker))
        after = await measure_rounds(options)
        memory.append(read_memory(worker))
        await connection.execute("SELECT pg_stat_statements_reset()")
        await connection.execute(
            """WITH moved AS (
                UPDATE plait.waiting SET due_at = now() WHERE ctid IN (SELECT ctid FROM plait.waiting LIMIT $1)
                RETURNING run_id
            ) UPDATE plait.wait w SET since = since - interval '6 hours' FROM moved m WHERE w.run_id = m.run_id""",
            options.woken,
        )
        started = time.perf_counter()
        await connection.execute("SELECT pg_notify('plait_timer', '')")
        await wait_for(connection, f"SELECT count(*) FROM plait.attempt WHERE output = '{WOKEN}'", options.woken)
        waking = time.perf_counter() - started
        wakes = await connection.fetchval(
            "SELECT sum(calls) FROM pg_stat_statements WHERE query LIKE '%FROM plait.wake_tasks(%'"
        )
    await connection.close()
    plait.close()
    print(
        f"diamonds, tasks/s: {median(before):,.0f} alone, {median(after):,.0f} beside {options.sleepers:,} sleepers, "
        f"ratio {median(after) / median(before):.2f}"
    )
    print(f"parking: {options.sleepers / parking:,.0f} tasks/s, from trigger to waiting")
    print(
        f"worker's memory, MB: {memory[0]:.0f} before, {memory[1]:.0f} with sleepers, {memory[2]:.0f} after the rounds"
    )
    print(f"{options.woken:,} due at once: all ended after {waking:.2f} s, woken by {wakes} statements")


async def measure_rounds(options: argparse.Namespace) -> list[float]:
    from benchmarks.endtoend import measure_throughput  # noqa: PLC0415
    from benchmarks.flows import SHAPES  # noqa: PLC0415

    await asyncio.to_thread(measure_throughput, SHAPES["diamond"], options.runs // 3)
    return [await asyncio.to_thread(measure_throughput, SHAPES["diamond"], options.runs) for _ in range(options.rounds)]


async def wait_for(connection: Any, sql: str, count: int) -> None:
    deadline = time.monotonic() + 300
    while (await connection.fetchval(sql)) < count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"not reached within 300 s: {sql}")
        await asyncio.sleep(0.02)


def read_memory(worker: psutil.Process) -> float:
    return float(worker.memory_info().rss / 1e6)


if __name__ == "__main__":
    main()
