"""``make bench``: measure, print a table for people, write ``benchmarks/latest.json`` for programs."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg

RESULT_FILE = Path(__file__).parent / "latest.json"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds per shape; medians are reported (default 5)")
    parser.add_argument("--tasks", type=int, default=12_000, help="tasks per round and shape (default 12000)")
    parser.add_argument("--slots", type=int, default=400, help="slots of the worker (default 400)")
    parser.add_argument("--samples", type=int, default=200, help="runs for the latencies (default 200)")
    parser.add_argument("--shape", action="append", help="only this shape; may be repeated")
    options = parser.parse_args()
    with open_server() as (url, postmaster):
        result = asyncio.run(measure(url, postmaster, options))
    RESULT_FILE.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten: {RESULT_FILE}")


@contextmanager
def open_server(connections: int | None = None) -> Iterator[tuple[str, int]]:
    """A fresh embedded server in a temporary folder for the time of the block: its URL, which ``BENCH_DATABASE_URL``
    tells to workers and flows, and the postmaster's pid. ``connections``: how many it allows, if not as usual."""
    from plait.embedded import get_status, start_embedded, stop_embedded  # noqa: PLC0415 - only where it runs

    with tempfile.TemporaryDirectory(prefix="plait-bench-") as folder:
        project = Path(folder)
        server = start_embedded(project)
        if connections is not None:
            asyncio.run(allow_connections(server.dsn, connections))
            server.release()
            stop_embedded(project)
            server = start_embedded(project)
        pid = get_status(project).pid
        if pid is None:
            sys.exit("the embedded server did not tell its process id")
        os.environ["BENCH_DATABASE_URL"] = server.dsn
        try:
            yield server.dsn, pid
        finally:
            from benchmarks.flows import plait  # noqa: PLC0415 - the environment is set first

            plait.close()
            server.release()
            stop_embedded(project)


async def allow_connections(url: str, count: int) -> None:
    """From the next start of the server on."""
    connection = await asyncpg.connect(url)
    await connection.execute(f"ALTER SYSTEM SET max_connections = {count}")
    await connection.close()


async def measure(url: str, postmaster: int, options: argparse.Namespace) -> dict[str, Any]:
    """Everything, shape by shape, floor and Plait in turn so that both meet the same machine."""
    from benchmarks.endtoend import BenchWorker, measure_latency  # noqa: PLC0415
    from benchmarks.flows import SHAPES, plait  # noqa: PLC0415
    from benchmarks.machine import describe_machine  # noqa: PLC0415
    from plait.client import get_access  # noqa: PLC0415

    if unknown := [name for name in options.shape or () if name not in SHAPES]:
        sys.exit(f"--shape {unknown[0]!r} is none of {', '.join(map(repr, SHAPES))}")
    machine = describe_machine()
    print(
        f"machine: {machine['cores']} cores, {machine['cpu']}, Python {machine['python']}, "
        f"load {machine['load_before']}"
    )
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    engine_versions = {
        name: await get_access(plait).portal.acall(register(workflow)) for name, workflow in SHAPES.items()
    }
    shapes: dict[str, Any] = {}
    for name in options.shape or SHAPES:
        shapes[name] = await measure_shape(url, name, engine_versions[name], connection, postmaster, options)
    with BenchWorker(url, options.slots):
        await asyncio.to_thread(measure_latency, url, SHAPES["chain of 10"], 20)
        latency = await asyncio.to_thread(measure_latency, url, SHAPES["chain of 10"], options.samples)
    server = await connection.fetchval("SHOW server_version")
    await connection.close()
    print_latency(latency)
    return {"machine": machine, "postgresql": server, "options": vars(options), "shapes": shapes, "latency": latency}


async def register(workflow: Any) -> Any:
    """The stored version of a workflow (engine's loop)."""
    from benchmarks.flows import plait  # noqa: PLC0415
    from plait.client import get_access  # noqa: PLC0415

    return await (await get_access(plait).open_engine()).versions.register(workflow.definition)


async def measure_shape(
    url: str, name: str, version: Any, connection: asyncpg.Connection, postmaster: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Floor and Plait for one shape, ``options.rounds`` times in turn."""
    from benchmarks.endtoend import BenchWorker, measure_costs, measure_throughput  # noqa: PLC0415
    from benchmarks.floor import measure_floor  # noqa: PLC0415
    from benchmarks.flows import SHAPES  # noqa: PLC0415

    workflow = SHAPES[name]
    runs = max(1, options.tasks // len(workflow.definition.tasks))
    floors, plaits = [], []
    await measure_floor(url, version, max(1, runs // 4))
    for _ in range(options.rounds):
        floors.append(await measure_floor(url, version, runs))
        with BenchWorker(url, options.slots):
            await asyncio.to_thread(measure_throughput, workflow, max(1, runs // 10))
            plaits.append(await asyncio.to_thread(measure_throughput, workflow, runs))
    costs = await measure_costs(url, workflow, runs, connection, postmaster, options.slots)
    result = {
        "tasks": runs * len(workflow.definition.tasks),
        "floor_tasks_per_second": round(median(floors)),
        "plait_tasks_per_second": round(median(plaits)),
        "ratio": round(median(plaits) / median(floors), 3),
        "floor_rounds": [round(value) for value in floors],
        "plait_rounds": [round(value) for value in plaits],
        **costs,
    }
    print_shape(name, result)
    return result


def print_shape(name: str, result: dict[str, Any]) -> None:
    per_task, cpu = result["per_task"], result["cpu_us_per_task"]
    print(
        f"\n{name} ({result['tasks']} tasks a round)\n"
        f"  floor {result['floor_tasks_per_second']:>7} tasks/s   Plait {result['plait_tasks_per_second']:>7} tasks/s"
        f"   ratio {result['ratio']:.2f}\n"
        f"  per task: {per_task.get('statements', 0):.3f} statements, {per_task['inserts']:.2f} inserts, "
        f"{per_task['deletes']:.2f} deletes, {per_task['hot_updates']:.2f} HOT and {per_task['cold_updates']:.2f} "
        f"other updates, {per_task['wal_bytes']:.0f} bytes of WAL\n"
        f"  CPU per task: worker {cpu['worker']:.0f} µs, PostgreSQL {cpu['postgres']:.0f} µs, client "
        f"{cpu['client']:.0f} µs; worker's memory {result['worker_memory_mb']:.0f} MB",
        flush=True,
    )


def print_latency(latency: dict[str, float]) -> None:
    print(
        f"\nat idle (median; 95th percentile), one bare commit being {latency['bare_commit_ms']:.2f} ms\n"
        f"  trigger → start   {latency['trigger_to_start_ms']:.2f} ms ({latency['trigger_to_start_p95_ms']:.2f}), "
        f"{latency['trigger_to_start_commits']:.1f} commits\n"
        f"  parent → child    {latency['parent_to_child_ms']:.2f} ms ({latency['parent_to_child_p95_ms']:.2f}), "
        f"{latency['parent_to_child_commits']:.1f} commits\n"
        f"  whole chain of 10 {latency['whole_run_ms']:.2f} ms",
        flush=True,
    )


if __name__ == "__main__":
    main()
