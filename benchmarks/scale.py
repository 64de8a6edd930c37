"""``make bench-scale``: what Plait does when it is full, with several workers, and beside those who misbehave.

Each row compares with the same work on an empty database in the same run. ``--row`` picks some; ``--minutes`` is how
long the rows with neighbours last.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from benchmarks.__main__ import open_server

RESULT_FILE = Path(__file__).parent / "scale.json"
IDLE_SAMPLES = 100
PAUSE_SECONDS = 0.02

FOREIGN = """
INSERT INTO plait.action (workflow, task) SELECT 'foreign', i::text FROM generate_series(0, 9) i;
INSERT INTO plait.run (id, created_at, version_id, priority, pending, input)
SELECT uuidv7(), now(), {version}, 1, '{{0}}', '{{}}' FROM generate_series(1, {count});
INSERT INTO plait.ready (run_id, position, queued_at, era, action_id, task, attempt, retry, lost, priority)
SELECT r.id, r.position, now(), 1, (SELECT min(id) FROM plait.action WHERE workflow = 'foreign') + r.position % 10, 0,
       1, 0, 0, 1
FROM plait.run r WHERE r.status = 0;
"""
OWN = """
INSERT INTO plait.run (id, created_at, version_id, priority, pending, input)
SELECT uuidv7(), now(), {version}, 1, '{{}}', '{{}}' FROM generate_series(1, {count});
INSERT INTO plait.ready (run_id, position, queued_at, era, action_id, task, attempt, retry, lost, priority)
SELECT r.id, r.position, now(), 1, {action}, 0, 1, 0, 0, 1
FROM plait.run r WHERE r.status = 0 AND r.version_id = {version};
"""


class Scale:
    """One server, and the rows that are measured on it."""

    def __init__(self, url: str, options: argparse.Namespace) -> None:
        self.url = url
        self.options = options

    # the means

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def empty(self) -> None:
        """Forget every run."""
        self.query("TRUNCATE plait.run, plait.ready, plait.running, plait.waiting, plait.attempt")

    @contextmanager
    def workers(self, count: int = 1, slots: int = 400) -> Iterator[None]:
        from benchmarks.endtoend import BenchWorker  # noqa: PLC0415 - the environment is set first

        workers = [BenchWorker(self.url, slots) for _ in range(count)]
        try:
            for worker in workers:
                worker.__enter__()
            while self.query("SELECT count(*) FROM plait.worker WHERE ended_at IS NULL")[0][0] < count:
                time.sleep(0.1)
            yield
        finally:
            for worker in workers:
                worker.__exit__()

    def measure_throughput(self, shape: str, tasks: int) -> float:
        """Median tasks per second of a few rounds, after one to warm up."""
        from benchmarks.endtoend import measure_throughput  # noqa: PLC0415
        from benchmarks.flows import SHAPES  # noqa: PLC0415

        runs = tasks // len(SHAPES[shape].definition.tasks)
        measure_throughput(SHAPES[shape], max(1, runs // 5))
        return median(measure_throughput(SHAPES[shape], runs) for _ in range(self.options.rounds))

    def measure_idle(self, samples: int = IDLE_SAMPLES, priority: int | None = None) -> float:
        """Median milliseconds of a diamond, one at a time."""
        from benchmarks.flows import SHAPES  # noqa: PLC0415

        took = []
        for _ in range(samples):
            time.sleep(PAUSE_SECONDS)
            begun = time.perf_counter()
            SHAPES["diamond"].run(priority=priority)
            took.append((time.perf_counter() - begun) * 1000)
        return median(took)

    def register(self, shape: str) -> Any:
        from benchmarks.__main__ import register  # noqa: PLC0415
        from benchmarks.flows import SHAPES, plait  # noqa: PLC0415
        from plait.client import get_access  # noqa: PLC0415

        return get_access(plait).portal.call(register(SHAPES[shape]))

    def count_ended(self) -> int:
        return int(self.query("SELECT count(*) FROM plait.attempt")[0][0])

    # the rows

    def beside_foreign(self) -> dict[str, float]:
        """Diamonds beside ready tasks of a workflow that no worker here serves."""
        version = self.register("diamond")
        with self.workers():
            empty, idle = self.measure_throughput("diamond", self.options.tasks), self.measure_idle()
            self.query(FOREIGN.format(count=self.options.foreign, version=version.id))
            full, idle_full = self.measure_throughput("diamond", self.options.tasks), self.measure_idle()
        return {
            "empty, tasks/s": empty,
            "full, tasks/s": full,
            "ratio": full / empty,
            "idle diamond, ms": idle,
            "idle diamond when full, ms": idle_full,
        }

    def own_backlog(self) -> dict[str, float]:
        """Draining own ready tasks, with urgent diamonds meanwhile."""
        version = self.register("single")
        with self.workers():
            empty = self.measure_throughput("single", self.options.tasks)
        self.query(OWN.format(count=self.options.own, version=version.id, action=version.actions[0]))
        with self.workers():
            while self.count_ended() < 2 * self.options.tasks + 5_000:
                time.sleep(0.05)
            begun, before = time.perf_counter(), self.count_ended()
            urgent = self.measure_idle(40, priority=3)
            drained = (self.count_ended() - before - 160) / (time.perf_counter() - begun)
            left = self.query("SELECT count(*) FROM plait.ready")[0][0]
        assert left, "the backlog was drained before all was measured: use a greater --own"
        return {
            "empty, tasks/s": empty,
            "draining, tasks/s": drained,
            "ratio": drained / empty,
            "urgent diamond, ms": urgent,
        }

    def several_workers(self) -> dict[str, float]:
        """An idle diamond with one, two and four workers."""
        found = {}
        for count in (1, 2, 4):
            with self.workers(count):
                self.measure_idle(10)
                found[f"{count} workers, ms"] = self.measure_idle()
        return found

    def eight_processes(self) -> dict[str, float]:
        """Diamonds with one and with eight worker processes."""
        found = {}
        for count in (1, 8):
            with self.workers(count, slots=100):
                found[f"{count} processes, tasks/s"] = self.measure_throughput("diamond", self.options.tasks)
        return {**found, "ratio": found["8 processes, tasks/s"] / found["1 processes, tasks/s"]}

    def forgotten_transaction(self) -> dict[str, float]:
        """Single tasks offered at a fixed rate beside a transaction that somebody forgot."""
        with psycopg.connect(self.url) as forgotten, self.workers():
            forgotten.execute("SELECT txid_current(), count(*) FROM plait.run")
            return self.offer(self.options.rate, self.options.minutes * 60)

    def beside_analysts(self) -> dict[str, float]:
        """The same beside four analysts, each of whom reads all tasks for a minute, again and again."""
        over = threading.Event()

        def analyse(beginning: float) -> None:
            over.wait(beginning)
            with psycopg.connect(self.url, autocommit=True) as analyst:
                while not over.is_set():
                    with analyst.transaction():
                        analyst.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                        analyst.execute("SELECT count(*), sum(length(output)) FROM plait.attempt")
                        over.wait(60)

        with ThreadPoolExecutor() as pool, self.workers():
            reading = [pool.submit(analyse, 15.0 * number) for number in range(4)]
            try:
                return self.offer(self.options.rate, self.options.minutes * 60)
            finally:
                over.set()
                for one in reading:
                    one.result()

    def offer(self, rate: int, seconds: float) -> dict[str, float]:
        """Trigger ``rate`` single tasks a second; how many ended in each tenth of the time, and how many wait then."""
        from benchmarks.flows import SHAPES  # noqa: PLC0415

        single, begun, sent = SHAPES["single"], time.perf_counter(), 0
        parts: list[float] = []
        ended = first = self.count_ended()
        while (now := time.perf_counter() - begun) < seconds:
            if (due := int(now * rate)) > sent:
                single.run_many_no_wait([single.create_bulk_run_item() for _ in range(due - sent)])
                sent = due
            if now >= seconds / 10 * (len(parts) + 1):
                last, ended = ended, self.count_ended()
                parts.append((ended - last) / (seconds / 10))
                print(f"    after {now:5.0f} s: {parts[-1]:7.0f} tasks/s, {sent - ended + first} wait", flush=True)
            time.sleep(0.05)
        return {
            "offered, tasks/s": rate,
            "worst tenth, tasks/s": min(parts),
            "wait in the end": sent - (self.count_ended() - first),
        }


ROWS: dict[str, Callable[[Scale], dict[str, float]]] = {
    "foreign": Scale.beside_foreign,
    "own": Scale.own_backlog,
    "workers": Scale.several_workers,
    "processes": Scale.eight_processes,
    "forgotten": Scale.forgotten_transaction,
    "analysts": Scale.beside_analysts,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--row", action="append", choices=ROWS, help="only this row; may be repeated")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each throughput (default 3)")
    parser.add_argument("--tasks", type=int, default=12_000, help="tasks a round (default 12000)")
    parser.add_argument("--foreign", type=int, default=1_000_000, help="ready tasks of others (default 1000000)")
    parser.add_argument("--own", type=int, default=300_000, help="own ready tasks (default 300000)")
    parser.add_argument("--rate", type=int, default=1_500, help="single tasks offered per second (default 1500)")
    parser.add_argument("--minutes", type=float, default=10, help="how long they are offered (default 10)")
    options = parser.parse_args()
    with open_server() as (url, _):
        result = measure(Scale(url, options))
    RESULT_FILE.write_text(json.dumps({"options": vars(options), **result}, indent=2) + "\n")
    print(f"\nwritten: {RESULT_FILE}")


def measure(scale: Scale) -> dict[str, Any]:
    """All rows that are wanted, each on an empty database."""
    from benchmarks.machine import describe_machine  # noqa: PLC0415

    machine = describe_machine()
    print(f"machine: {machine['cores']} cores, {machine['cpu']}, load {machine['load_before']}")
    scale.register("single")
    rows: dict[str, Any] = {}
    for name in scale.options.row or ROWS:
        scale.empty()
        load = round(os.getloadavg()[0], 1)
        print(f"\n{name}: {ROWS[name].__doc__} (load {load})", flush=True)
        rows[name] = {what: round(value, 2) for what, value in ROWS[name](scale).items()}
        for what, value in rows[name].items():
            print(f"  {what:<28} {value:>12,.2f}", flush=True)
    return {"machine": machine, "rows": rows}


if __name__ == "__main__":
    main()
