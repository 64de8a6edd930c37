"""One fault test: its workers, its load, its probe, and the reckoning in the end."""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from faults.harness.client import Client, LoadClient, ProcessClient
from faults.harness.eras import EraTurners
from faults.harness.figures import Figures
from faults.harness.probe import Probe
from faults.harness.scale import SEED_VARIABLE, choose_seed
from flows import mixed
from plait import Plait
from plait.errors import DatabaseUnavailableError
from support.database import ROOMS, Database
from support.ledger import Ledger
from support.oracle import (
    check_at_rest,
    check_begins,
    check_crons,
    check_order,
    check_outcomes,
    count_deadlocks,
    count_doubled,
    count_reruns,
)
from support.server import OwnServer
from support.waiting import eventually
from support.workers import STEADY, WorkerProcess

ASIDE = ("probe", "tick")
"""Workflows whose runs the oracle does not know, beside those of neighbours."""

STALL_SECONDS = 10.0
"""What a call to the unrelated task may take at the most while others are harmed, on two busy cores."""

_REFUSED = re.compile(r"(\d+) outcomes came too late")


class Storm:
    """Workers of ``flows.mixed`` that are replaced when they end, clients that trigger runs, and a probe."""

    def __init__(self, row: str, database: Database, ledger: Ledger, folder: Path) -> None:
        self.row = row
        self.database = database
        self.url = database.url
        """Under which probe and clients reach it, unless told otherwise."""
        self.ledger = ledger
        self.seed = choose_seed()
        self.chance = random.Random(self.seed)
        print(f"seed of this storm: {self.seed} ({SEED_VARIABLE}={self.seed} repeats it)")
        self.workers: list[WorkerProcess] = []
        self.clients: list[Client] = []
        self.disturbed: set[int] = set()
        """Processes whose tasks may run again, because something was done to them."""
        self.faults = 0
        self.database_away = False
        """Whether this test takes away the database of everybody, the probe included."""
        self._folder = folder
        self._all_workers: list[WorkerProcess] = []
        self._worker_settings: dict[str, Any] = {}
        self._probe: Probe | None = None
        self._probe_worker: WorkerProcess | None = None
        self._neighbour: WorkerProcess | None = None
        self._turners = EraTurners(database.url)
        self._neighbour_settings: dict[str, Any] = {}
        self._aside: list[str] = list(ASIDE)
        self._started = time.monotonic()

    # load

    def start_workers(self, count: int, **settings: Any) -> list[WorkerProcess]:
        """Start workers of ``flows.mixed``, and return those; replacements, which ``workers`` has too, get the same
        settings."""
        self._worker_settings = {"slots": 8, "timings": STEADY, "url": self.url, **settings}
        begun = [self._start_worker() for _ in range(count)]
        self.workers += begun
        self.wait(self._are_all_registered, "the workers have announced themselves")
        return begun

    def start_probe(self) -> None:
        """Have the unrelated task run from now on, by a worker of its own that nothing is done to."""
        self._probe_worker = self._launch("probe", slots=8, url=self.url).wait_ready()
        self._probe = Probe(self.url)
        eventually(lambda: self._probe is not None and len(self._probe.seconds) > 3, "the probe runs")

    def wait_for_probes(self, more: int) -> None:
        """Wait until the unrelated task has run ``more`` times from now on."""
        probe = self._probe
        assert probe is not None
        goal = len(probe.seconds) + more
        self.wait(lambda: len(probe.seconds) >= goal, f"the unrelated task runs {more} more times")

    def start_neighbour(self, flow: str, workflows: Sequence[str], **options: Any) -> None:
        """Start a worker of somebody else, whose ``workflows`` the oracle does not know; another takes the place of one
        that ends."""
        self._aside += workflows
        self._neighbour_settings = {"flow": flow, "slots": 50, "url": self.url, **options}
        self._neighbour = self._launch(**self._neighbour_settings).wait_ready()

    def start_client(self, url: str | None = None, **options: Any) -> LoadClient:
        """Have runs triggered from now on."""
        client = LoadClient(url or self.url, random.Random(self.chance.random()), retries=self._retries, **options)
        self.clients.append(client)
        return client

    def start_client_process(self, count: int, env: dict[str, str]) -> None:
        """Have runs triggered, some of them cancelled and replayed, by a process that may be killed."""
        self.clients.append(ProcessClient(self.url, self._folder, count, env, retries=self._retries))

    @property
    def acknowledged(self) -> list[str]:
        return [run for client in self.clients for run in client.acknowledged]

    def count_ends(self) -> int:
        """Bodies that ended so far."""
        return len(self.ledger.select(what="end"))

    def wait_for_ends(self, more: int) -> None:
        """Wait until ``more`` bodies have ended from now on; workers that ended are replaced meanwhile."""
        goal = self.count_ends() + more
        self.wait(lambda: self.count_ends() >= goal, f"{more} more tasks")

    def wait(self, check: Callable[[], Any], what: str, *, seconds: float = 60.0) -> Any:
        """``eventually``, and look after the workers meanwhile."""

        def look() -> Any:
            self.tend()
            return check()

        return eventually(look, what, seconds=seconds)

    @property
    def _retries(self) -> int:
        """A run is of its client's version of a workflow: it must be that of the workers."""
        return int(self._worker_settings.get("retries", 0))

    def _are_all_registered(self) -> bool:
        pids = [worker.pid for worker in self.workers]
        return bool(
            self.database.value(
                "SELECT count(DISTINCT pid) = %s FROM plait.worker WHERE pid = ANY (%s)", len(pids), pids
            )
        )

    # harm

    def note_fault(self, *workers: WorkerProcess, faults: int = 1) -> None:
        """Count faults that concern these workers: their tasks may run again."""
        self.faults += faults
        self.disturbed |= {worker.pid for worker in workers}

    def choose_worker(self) -> WorkerProcess:
        return self.chance.choice(self.workers)

    def kill(self, worker: WorkerProcess) -> None:
        """kill -9; another worker takes its place, as by a supervisor that saw it."""
        self.note_fault(worker)
        worker.kill()
        self.tend()

    def stop(self, worker: WorkerProcess) -> None:
        """SIGTERM, as in a deployment; another worker takes its place. It finishes what it has begun."""
        self.faults += 1
        worker.wait_ready().terminate()
        assert worker.wait() == 0
        self.workers[self.workers.index(worker)] = self._start_worker()

    def tend(self) -> None:
        """Replace workers that have ended; raise what has ended a client."""
        for client in self.clients:
            client.check()
        for place, worker in enumerate(self.workers):
            if worker.process.poll() is not None:
                self.disturbed.add(worker.pid)
                self.workers[place] = self._start_worker(replaces=worker)
        if self._neighbour is not None and self._neighbour.process.poll() is not None:
            self.note_fault(self._neighbour)
            self._neighbour = self._launch(replaces=self._neighbour, **self._neighbour_settings)

    # the end

    def settle(self, *, seconds: float = 120.0, max_reruns: int | None = None) -> Figures:
        """Stop the load, wait until all is done, apply the oracle and note the figures.

        ``max_reruns``: most tasks that may have been begun again; else none beyond those of disturbed workers.
        """
        for client in self.clients:
            client.finish()
        self.wait(self._stop_crons, "no cron fires any more", seconds=30)
        self.wait(self._is_over, "every run has ended", seconds=seconds)
        while self._replay_cancelled():
            self.wait(self._is_over, "every replayed run has ended", seconds=seconds)
        if self._probe is not None:
            self._probe.stop()
        self._turners.stop()
        assert self._turners.turned > 0
        self.wait(self._is_at_rest, "the rooms are empty", seconds=30)
        figures = self._reckon()
        figures.write()
        print(figures)
        self._judge(figures, max_reruns)
        return figures

    def close(self) -> None:
        """End every process."""
        self._turners.stop()
        if self._probe is not None:
            with suppress(Exception, AssertionError):
                self._probe.stop()
        for client in self.clients:
            with suppress(Exception, AssertionError):
                client.finish()
        for worker in self._all_workers:
            worker.close()

    def show_logs(self) -> str:
        return "\n".join(f"--- log of worker {worker.pid}\n{worker.read_log()}" for worker in self._all_workers)

    def _is_over(self) -> bool:
        try:
            return not self.database.value(
                "SELECT EXISTS (SELECT FROM plait.run r JOIN plait.workflow_version v ON v.id = r.version_id "
                "WHERE r.status = 0 AND v.workflow <> ALL (%s))",
                self._aside,
            )
        except psycopg.OperationalError:
            return False

    def _is_at_rest(self) -> bool:
        try:
            return all(self.database.count(room) == 0 for room in (*ROOMS, "awaited_event"))
        except psycopg.OperationalError:
            return False

    def _stop_crons(self) -> bool:
        """Pause them; false when the fault met this very call, which anybody would then make again."""
        plait = Plait(self.url)
        try:
            for cron in plait.cron.list():
                plait.cron.pause(cron.id)
        except DatabaseUnavailableError:
            return False
        finally:
            plait.close()
        return True

    def _replay_cancelled(self) -> bool:
        """Replay what meddling left cancelled; in the end everything completes."""
        cancelled = [
            str(run)
            for (run,) in self.database.query(
                "SELECT r.id FROM plait.run r JOIN plait.workflow_version v ON v.id = r.version_id "
                "WHERE r.status = 3 AND r.trigger_kind IS DISTINCT FROM 1 AND v.workflow <> ALL (%s)",
                self._aside,
            )
        ]
        assert set(cancelled) <= self._meddled, "cancelled, and nobody asked for it"
        if cancelled:
            plait = Plait(self.url)
            for run in cancelled:
                plait.runs.replay(run)
            plait.close()
        return bool(cancelled)

    @property
    def _meddled(self) -> set[str]:
        return {run for client in self.clients for run in client.meddled}

    def _reckon(self) -> Figures:
        probe = self._probe
        stored = {
            str(run)
            for (run,) in self.database.query(
                "SELECT r.id FROM plait.run r JOIN plait.workflow_version v ON v.id = r.version_id "
                "WHERE v.workflow <> ALL (%s) AND r.trigger_kind IS DISTINCT FROM 1",
                self._aside,
            )
        }
        acknowledged = set(self.acknowledged)
        uncertain = sum(client.uncertain for client in self.clients)
        assert len(stored - acknowledged) <= uncertain, "runs are stored that nobody triggered, or twice"
        begins = self.ledger.count_begins()
        return Figures(
            row=self.row,
            seed=self.seed,
            faults=self.faults,
            runs=len(stored),
            tasks=sum(begins.values()),
            reruns=count_reruns(self.ledger),
            refused=sum(int(count) for worker in self._all_workers for count in _REFUSED.findall(worker.read_log())),
            lost=len(acknowledged - stored),
            doubled=count_doubled(self.database),
            deadlocks=count_deadlocks(self.database),
            probes=0 if probe is None else len(probe.seconds),
            stall_p99=0.0 if probe is None else round(probe.find_percentile(0.99), 3),
            stall_max=0.0 if probe is None else round(max(probe.seconds), 3),
            database_away=self.database_away,
            seconds=round(time.monotonic() - self._started, 1),
        )

    def _judge(self, figures: Figures, max_reruns: int | None) -> None:
        assert (figures.lost, figures.doubled, figures.deadlocks) == (0, 0, 0)
        check_outcomes(self.database, self.ledger, mixed.EXPECT, aside=self._aside)
        check_order(self.database, self.ledger)
        check_crons(self.database)
        children = {
            str(run) for (run,) in self.database.query("SELECT id FROM plait.run WHERE trigger_kind = 1")
        }  # cancelled and replayed with the runs that started them
        check_begins(self.ledger, self.disturbed, self._meddled | (children if self._meddled else set()))
        if max_reruns is not None:
            assert figures.reruns <= max_reruns, f"{figures.reruns} tasks ran again, {max_reruns} are explained"
        check_at_rest(self.database)
        if self._probe is not None and not self.database_away:
            assert self._probe.failures == []
            assert figures.stall_max < STALL_SECONDS, "an unrelated task was stalled by its neighbours"

    def _start_worker(self, replaces: WorkerProcess | None = None) -> WorkerProcess:
        return self._launch("mixed", replaces=replaces, **self._worker_settings)

    def _launch(self, flow: str, **settings: Any) -> WorkerProcess:
        log = self._folder / f"worker-{len(self._all_workers)}.log"
        self._all_workers.append(WorkerProcess(self.database, self.ledger, log, flow, **settings))
        return self._all_workers[-1]


@contextmanager
def open_storm(row: str, server: OwnServer, ledger: Ledger, folder: Path) -> Iterator[Storm]:
    """A storm over a server of the test's own, which it takes away from everybody."""
    storm = Storm(row, Database(server, f"plait_test_{os.getpid()}_storm"), ledger, folder)
    storm.database_away = True
    try:
        yield storm
    except BaseException:
        print(storm.show_logs(), storm.database.server.read_log())
        raise
    finally:
        storm.close()
        storm.database.close()
