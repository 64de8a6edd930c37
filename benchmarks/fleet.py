"""``python -m benchmarks.fleet``: what many worker processes cost, and how soon one of several takes a task.

First diamonds, one at a time, with some idle workers; then what idle workers cost, for a time; then runs that many
clients start and wait for at once. Workers are forked from one process, so that a hundred of them begin within seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import asyncpg
import psutil

from benchmarks.__main__ import open_server
from benchmarks.machine import read_cpu_seconds, read_postgres_cpu

PAUSE_SECONDS, SETTLE_SECONDS = 0.03, 12.0
WARM_UP = 20
"""Diamonds before those that count."""
KINDS = {
    "claims": "%DELETE FROM plait.ready r USING picked%INSERT INTO plait.running%",
    "finishes": "%FROM plait.finish_tasks(%",
    "notifications": "%pg_notify(channel, payload)%",
}
MINUTE = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--latency", type=int, nargs="*", default=[1, 2, 4], help="workers for the latencies")
    parser.add_argument("--samples", type=int, default=200, help="diamonds for each latency (default 200)")
    parser.add_argument("--idle", type=int, nargs="*", default=[1, 10, 30], help="idle workers for the costs")
    parser.add_argument("--seconds", type=float, default=30.0, help="for which these are counted (default 30)")
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 10], help="client processes")
    parser.add_argument("--runs", type=int, default=1000, help="runs that all of them together wait for (default 1000)")
    parser.add_argument("--beside", type=int, default=10, help="workers for these runs (default 10)")
    options = parser.parse_args()
    with open_server(1500) as (url, postmaster):
        asyncio.run(measure(url, postmaster, options))


async def measure(url: str, postmaster: int, options: argparse.Namespace) -> None:
    from benchmarks.flows import SHAPES  # noqa: PLC0415 - the environment is set first

    SHAPES["diamond"].run_no_wait().cancel()  # the schema is there
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    for workers in options.latency:
        with fork_workers(workers):
            await wait_for_workers(connection, workers)
            before = await count_statements(connection)
            print(await asyncio.to_thread(measure_latency, workers, options.samples), flush=True)
            spent = {name: after - before[name] for name, after in (await count_statements(connection)).items()}
            each = ", ".join(f"{count / (options.samples + WARM_UP):.2f} {name}" for name, count in spent.items())
            print(f"  statements for each: {each}", flush=True)
        await forget_workers(connection)
    for workers in options.idle:
        with fork_workers(workers) as family:
            await wait_for_workers(connection, workers)
            await asyncio.sleep(SETTLE_SECONDS)
            before = await read_costs(connection, postmaster, family)
            await asyncio.sleep(options.seconds)
            after = await read_costs(connection, postmaster, family)
            print_costs(workers, {name: after[name] - before[name] for name in after}, after["connections"])
        await forget_workers(connection)
    for clients in options.clients:
        with fork_workers(options.beside) as family:
            await wait_for_workers(connection, options.beside)
            await asyncio.sleep(2)
            before = await read_costs(connection, postmaster, family)
            await measure_clients(connection, clients, options)
            after = await read_costs(connection, postmaster, family)
            cpu = ", ".join(f"{name} {after[name] - before[name]:.2f} s" for name in ("server", "workers"))
            print(f"  CPU: {cpu}; {after['xids'] - before['xids']:.0f} transaction ids", flush=True)
        await forget_workers(connection)
    await connection.close()


@contextmanager
def fork_workers(count: int) -> Iterator[psutil.Process]:
    """So many worker processes, children of the one that comes back."""
    parent = subprocess.Popen([sys.executable, "-m", "benchmarks.fleet_child", "worker", str(count)])
    try:
        yield psutil.Process(parent.pid)
    finally:
        parent.terminate()
        parent.wait(60)


async def wait_for_workers(connection: Any, count: int) -> None:
    while await connection.fetchval("SELECT count(*) FROM plait.worker WHERE ended_at IS NULL") < count:
        await asyncio.sleep(0.2)
    await asyncio.sleep(1)


async def forget_workers(connection: Any) -> None:
    await connection.execute("DELETE FROM plait.worker")


def measure_latency(workers: int, samples: int) -> str:
    """Milliseconds of single diamonds at idle, from the trigger to the result, and where they go."""
    from benchmarks.flows import SHAPES  # noqa: PLC0415 - see above

    whole, parts = [], []
    for number in range(samples + WARM_UP):
        time.sleep(PAUSE_SECONDS)
        begin = time.monotonic_ns()
        result = SHAPES["diamond"].run()
        end = time.monotonic_ns()
        if number >= WARM_UP:
            a, b, c, d = (result[task]["at"] for task in "abcd")
            whole.append((end - begin) / 1e6)
            parts.append(
                [(later - earlier) / 1e6 for earlier, later in ((begin, a), (a, max(b, c)), (max(b, c), d), (d, end))]
            )
    p50, p95 = median(whole), sorted(whole)[int(samples * 0.95)]
    steps = ", ".join(
        f"{name} {median(step):.1f}"
        for name, step in zip(("to a", "to b and c", "to d", "to the result"), zip(*parts, strict=True), strict=True)
    )
    p10 = sorted(whole)[len(whole) // 10]
    return f"diamond at idle, {workers} workers: p10 {p10:.1f} ms, p50 {p50:.1f} ms, p95 {p95:.1f} ms ({steps})"


async def count_statements(connection: Any) -> dict[str, int]:
    sql = "SELECT coalesce(sum(calls), 0)::int FROM pg_stat_statements WHERE toplevel AND query LIKE $1"
    return {name: await connection.fetchval(sql, pattern) for name, pattern in KINDS.items()}


async def read_costs(connection: Any, postmaster: int, family: psutil.Process) -> dict[str, float]:
    row = await connection.fetchrow(
        "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::int8 AS xids, "
        "pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::int8 AS wal, "
        "(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) - 1 AS connections, "
        "(SELECT sum(calls)::int8 FROM pg_stat_statements WHERE toplevel) AS statements, "
        "(SELECT coalesce(sum(rows), 0)::int8 FROM pg_stat_statements WHERE query LIKE $1) AS notifies",
        KINDS["notifications"],
    )
    return {
        **{name: float(value) for name, value in row.items()},
        "server": read_postgres_cpu(postmaster),
        "workers": sum(map(read_cpu_seconds, family.children())),
        "at": time.monotonic(),
    }


def print_costs(workers: int, spent: dict[str, float], connections: float) -> None:
    each = MINUTE / spent["at"] / workers
    print(
        f"{workers} idle workers: {connections:.0f} connections; each of them, per minute: "
        f"{spent['statements'] * each:.0f} statements, {spent['xids'] * each:.1f} transaction ids, "
        f"{spent['wal'] * each / 1e3:.1f} kB of WAL, {spent['notifies'] * each:.2f} notifications; CPU: "
        f"server {spent['server'] / spent['at'] * 100:.1f} %, workers {spent['workers'] / spent['at'] * 100:.1f} % "
        "of a core",
        flush=True,
    )


async def measure_clients(connection: Any, clients: int, options: argparse.Namespace) -> None:
    before, begin, most = await count_statements(connection), time.monotonic(), 0
    processes = [
        subprocess.Popen(  # noqa: ASYNC220 - it returns at once
            [sys.executable, "-m", "benchmarks.fleet_child", "client", str(options.runs // clients)],
            stdout=subprocess.PIPE,
        )
        for _ in range(clients)
    ]
    while any(process.poll() is None for process in processes):
        count = await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        most = max(most, count - 1)
        await asyncio.sleep(0.05)
    waits = [float(process.stdout.read()) for process in processes if process.stdout is not None]
    spent = {name: after - before[name] for name, after in (await count_statements(connection)).items()}
    counts = ", ".join(f"{count} {name}" for name, count in spent.items())
    print(
        f"{options.runs} runs at once from {clients} clients, {options.beside} workers: all results after "
        f"{median(waits):.2f} s (slowest client {max(waits):.2f} s), {counts} in {time.monotonic() - begin:.1f} s, "
        f"{most} connections",
        flush=True,
    )


if __name__ == "__main__":
    main()
