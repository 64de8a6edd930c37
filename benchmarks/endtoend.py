"""Plait end to end: this process triggers and waits, a worker process of its own runs the tasks."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from itertools import pairwise
from statistics import median
from typing import Any

import asyncpg
import psutil

from benchmarks.counts import read_counts
from benchmarks.flows import plait
from benchmarks.machine import read_cpu_seconds, read_postgres_cpu
from plait import EmptyModel, Workflow
from plait.client import get_access

PAUSE_SECONDS = 0.01


class BenchWorker:
    """A worker process for the time of a ``with`` block."""

    def __init__(self, url: str, slots: int) -> None:
        self._environment = {**os.environ, "BENCH_DATABASE_URL": url, "BENCH_SLOTS": str(slots)}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> psutil.Process:
        self._process = subprocess.Popen([sys.executable, "-m", "benchmarks.flows"], env=self._environment)
        return psutil.Process(self._process.pid)

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)


def measure_throughput(workflow: Workflow[EmptyModel], runs: int) -> float:
    """Tasks per second from before the first trigger until the last result is known here."""
    started = time.perf_counter()
    refs = workflow.run_many_no_wait([workflow.create_bulk_run_item() for _ in range(runs)])
    last = refs[-1]
    get_access(plait).portal.call(get_access(plait).wait_runs([ref._run_id for ref in refs], 60))
    elapsed = time.perf_counter() - started
    assert last.workflow_run_id
    return runs * len(workflow.definition.tasks) / elapsed


async def measure_costs(
    url: str, workflow: Workflow[EmptyModel], runs: int, connection: asyncpg.Connection, postmaster: int, slots: int
) -> dict[str, Any]:
    """Statements, rows, WAL bytes and CPU per task of one more round.

    Rows are counted from before the worker starts until after everybody has disconnected: a backend that is still
    connected may owe its statistics.
    """
    before = await read_counts(connection)
    with BenchWorker(url, slots) as worker:
        await asyncio.to_thread(measure_throughput, workflow, max(1, runs // 10))
        processes = {
            "worker": lambda: read_cpu_seconds(worker),
            "client": lambda: read_cpu_seconds(psutil.Process()),
            "postgres": lambda: read_postgres_cpu(postmaster),
        }
        cpu_before = {name: read() for name, read in processes.items()}
        await asyncio.to_thread(measure_throughput, workflow, runs)
        cpu = {name: read() - cpu_before[name] for name, read in processes.items()}
        memory = worker.memory_info().rss
    plait.close()
    after = await read_counts(connection)
    size = len(workflow.definition.tasks)
    counted = (runs + max(1, runs // 10)) * size
    return {
        "per_task": {name: round((after[name] - before[name]) / counted, 4) for name in after},
        "cpu_us_per_task": {name: round(seconds / (runs * size) * 1e6, 1) for name, seconds in cpu.items()},
        "worker_memory_mb": round(memory / 1e6, 1),
    }


def measure_latency(url: str, workflow: Workflow[EmptyModel], samples: int) -> dict[str, float]:
    """Milliseconds at idle, median and 95th percentile: trigger to the start of the first task, and from the end of a
    parent to the start of its child. The tasks' outputs say when they ran (the monotonic clock is the machine's).

    Every sample comes after a bare commit, and both after a pause: a server that has just slept takes about twice as
    long for anything, so a commit measured in a tight loop would be another unit.
    """
    tasks = [spec.name for spec in workflow.definition.tasks]
    to_start, to_child, whole, commits = [], [], [], []
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(url))
        runner.run(connection.execute("CREATE TABLE IF NOT EXISTS bare_commit (n bigint)"))
        insert = runner.run(connection.prepare("INSERT INTO bare_commit VALUES ($1)"))
        for number in range(samples):
            time.sleep(PAUSE_SECONDS)
            started = time.monotonic_ns()
            runner.run(insert.fetch(number))
            commits.append((time.monotonic_ns() - started) / 1e6)
            time.sleep(PAUSE_SECONDS)
            triggered = time.monotonic_ns()
            result = workflow.run()
            whole.append((time.monotonic_ns() - triggered) / 1e6)
            moments = [result[task]["at"] for task in tasks]
            to_start.append((moments[0] - triggered) / 1e6)
            to_child.extend((later - earlier) / 1e6 for earlier, later in pairwise(moments))
        runner.run(connection.close())
    commit = median(commits)
    return {
        "bare_commit_ms": round(commit, 3),
        "trigger_to_start_ms": round(median(to_start), 3),
        "trigger_to_start_p95_ms": round(sorted(to_start)[int(samples * 0.95)], 3),
        "trigger_to_start_commits": round(median(to_start) / commit, 2),
        "parent_to_child_ms": round(median(to_child), 3),
        "parent_to_child_p95_ms": round(sorted(to_child)[int(len(to_child) * 0.95)], 3),
        "parent_to_child_commits": round(median(to_child) / commit, 2),
        "whole_run_ms": round(median(whole), 3),
    }
