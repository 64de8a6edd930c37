"""``make soak``: load for half an hour, while workers are killed and PostgreSQL is restarted; at the end every run is
accounted for, and no process has grown.

50 runs of four tasks a second; of a hundred five fail, two run into their timeout, one is cancelled. Every minute a
worker is killed, every five minutes PostgreSQL crashes. One worker is left alone: its memory, threads, descriptors and
connections are followed, and those of the client, which is this process.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psycopg

from faults.harness.probe import Probe
from flows import soak
from flows.steps import Number
from plait import Plait
from plait.errors import DatabaseUnavailableError
from support.database import ROOMS, Database
from support.ledger import Ledger
from support.oracle import count_deadlocks, count_doubled
from support.server import OwnServer
from support.waiting import eventually
from support.workers import CALM, WorkerProcess

SAMPLE_SECONDS = 15.0
KILL_SECONDS, CRASH_SECONDS = 60.0, 300.0
GROWTH = {"memory": 24.0, "threads": 8.0, "descriptors": 8.0, "connections": 4.0}
"""How much more the median of the last third may be than that of the second: MB, and numbers."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one process holds. ``memory``: resident, in MB; ``connections``: of all processes, to the database."""

    memory: float
    threads: float
    descriptors: float
    connections: float


class Load:
    """Triggers runs from a thread at a steady rate, and cancels those that are to be cancelled."""

    def __init__(self, url: str, rate: float) -> None:
        self.acknowledged: dict[str, int] = {}
        self.refused = 0
        self._plait = Plait(url)
        self._flow = soak.declare(self._plait).flow
        self._pause = 1 / rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._trigger()), name="load", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        self._stop.set()
        self._thread.join(120)
        self._plait.close()

    async def _trigger(self) -> None:
        number, due = 0, time.monotonic()
        starting: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:
            while not self._stop.is_set():
                task = group.create_task(self._start(number))
                starting.add(task)
                task.add_done_callback(starting.discard)
                number += 1
                due += self._pause
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                while len(starting) > 500:  # the database is away: nothing piles up here
                    await asyncio.sleep(self._pause)
                    due = time.monotonic()

    async def _start(self, number: int) -> None:
        try:
            run = await self._flow.aio_run_no_wait(Number(n=number))
        except DatabaseUnavailableError:
            self.refused += 1
            return
        self.acknowledged[run.workflow_run_id] = number
        if number % 100 in soak.IS_CANCELLED:
            while True:
                with suppress(DatabaseUnavailableError):
                    await run.aio_cancel()
                    return


class Soak:
    """The server, its workers, and what was seen of them."""

    def __init__(self, folder: Path, workers: int, rate: float) -> None:
        self._server = OwnServer()
        self._server.run("ALTER SYSTEM SET autovacuum = on")  # as everywhere but in short tests
        self._server.run("SELECT pg_reload_conf()")
        self._database = Database(self._server, "plait_soak")
        self._folder = folder
        self._ledger = Ledger(folder / "ledger")
        self._workers = [self._launch() for _ in range(workers)]
        self._probe_worker = self._launch("probe")
        for worker in (*self._workers, self._probe_worker):
            worker.wait_ready()
        self._load = Load(self._database.url, rate)
        self._probe = Probe(self._database.url)
        self._chance = random.Random(1)
        self.samples: dict[str, list[Sample]] = {"worker": [], "client": []}
        self.kills = self.crashes = 0

    def run(self, seconds: float) -> None:
        """Load and harm for so long."""
        begin = time.monotonic()
        kill, crash = KILL_SECONDS, CRASH_SECONDS
        while (now := time.monotonic() - begin) < seconds:
            if now >= crash:
                crash += CRASH_SECONDS
                self.crashes += 1
                self._server.stop(immediate=True)
                self._server.start()
            elif now >= kill:
                kill += KILL_SECONDS
                self._kill_one()
            self._sample(now)
            time.sleep(SAMPLE_SECONDS)

    def settle(self) -> list[str]:
        """Wait until all is done. Returns what is wrong."""
        self._load.finish()
        database = self._database
        open_runs = "SELECT count(*) = 0 FROM plait.runs WHERE status IN ('QUEUED', 'RUNNING') AND workflow = 'soak'"
        database.wait(open_runs, seconds=300)
        self._probe.stop()
        eventually(lambda: all(database.count(room) == 0 for room in ROOMS), "the rooms are empty")
        stored = {str(id): status for id, status in database.query("SELECT id, status FROM plait.run")}
        wrong = Counter(
            f"{number % 100}: {stored.get(id)}"
            for id, number in self._load.acknowledged.items()
            if stored.get(id) not in _expect(number)
        )
        faults = [f"{count} runs of the kind {what}" for what, count in wrong.items()]
        faults += [f"{doubled} accepted twice" for doubled in [count_doubled(database)] if doubled]
        faults += [f"{deadlocks} deadlocks" for deadlocks in [count_deadlocks(database)] if deadlocks]
        faults += [
            f"{what} of the {who} grew from {before:g} to {after:g}"
            for who in self.samples
            for what, (before, after) in self._compare(who).items()
            if after - before > GROWTH[what]
        ]
        return faults

    def tell(self) -> None:
        runs = len(self._load.acknowledged)
        print(
            f"{runs} runs, {self.kills} workers killed, {self.crashes} crashes, {self._load.refused} triggers refused"
        )
        print(
            f"an unrelated task: {len(self._probe.seconds)} times, p50 {self._probe.find_percentile(0.5):.3f} s, "
            f"p99 {self._probe.find_percentile(0.99):.3f} s"
        )
        for who in self.samples:
            changes = (f"{what} {before:g} -> {after:g}" for what, (before, after) in self._compare(who).items())
            print(f"{who}: {', '.join(changes)}")

    def close(self) -> None:
        for worker in (*self._workers, self._probe_worker):
            worker.close()
        self._database.close()
        self._server.close()

    def _launch(self, flow: str = "soak", replaces: WorkerProcess | None = None) -> WorkerProcess:
        return WorkerProcess(
            self._database, self._ledger, self._folder / f"{flow}-{time.monotonic_ns()}.log", flow, slots=50,
            timings=CALM, replaces=replaces,
        )  # fmt: skip

    def _kill_one(self) -> None:
        """Any but the first, which is followed."""
        place = self._chance.randrange(1, len(self._workers))
        victim = self._workers[place]
        victim.kill()
        self.kills += 1
        self._workers[place] = self._launch(replaces=victim)

    def _sample(self, now: float) -> None:
        connections = 0.0
        with suppress(psycopg.OperationalError):
            connections = float(
                self._database.value("SELECT count(*) FROM pg_stat_activity WHERE datname = 'plait_soak'")
            )
        for who, pid in (("worker", self._workers[0].pid), ("client", os.getpid())):
            self.samples[who].append(_measure(pid, connections))
        last = self.samples["worker"][-1]
        print(
            f"{now:6.0f} s  {len(self._load.acknowledged):7d} runs  worker {last.memory:.0f} MB, "
            f"{last.threads:.0f} threads, {last.descriptors:.0f} descriptors, {connections:.0f} connections",
            flush=True,
        )

    def _compare(self, who: str) -> dict[str, tuple[float, float]]:
        samples = self.samples[who]
        third = max(1, len(samples) // 3)
        middle, end = samples[third : 2 * third] or samples, samples[-third:]
        return {
            what: (
                round(median(getattr(one, what) for one in middle)),
                round(median(getattr(one, what) for one in end)),
            )
            for what in GROWTH
        }


def _expect(number: int) -> tuple[int, ...]:
    """The statuses that a run may end with: completed 2, cancelled 3, failed 4."""
    kind = number % 100
    if kind in soak.FAILS or kind in soak.TIMES_OUT:
        return (4,)
    return (3,) if kind in soak.IS_CANCELLED else (2,)


def _measure(pid: int, connections: float) -> Sample:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    return Sample(int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), descriptors, connections)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make soak", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=50.0, help="runs a second")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="plait-soak-") as folder:
        soaking = Soak(Path(folder), options.workers, options.rate)
        try:
            soaking.run(options.minutes * 60)
            faults = soaking.settle()
            soaking.tell()
        finally:
            soaking.close()
    for fault in faults:
        print(f"WRONG: {fault}")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
