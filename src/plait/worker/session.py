"""The engine's side of a running worker: its parts, its identity, and the order in which they begin and end."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from plait.engine.current import Host
from plait.errors import DatabaseUnavailableError
from plait.graph.attempt import Attempt, Report
from plait.graph.definition import Status
from plait.ids import new_run_id
from plait.maintenance.deliverer import Deliverer
from plait.maintenance.leader import Leader
from plait.maintenance.periodic import PeriodicService
from plait.maintenance.pruner import Pruner
from plait.maintenance.reaper import Reaper
from plait.maintenance.schedules import Schedules
from plait.maintenance.timers import Timers
from plait.settings import settings
from plait.store.changes import ChangeTeller
from plait.store.connection import CALL_TIMEOUT, iter_backoff
from plait.store.store import Store, WorkerRow
from plait.worker.address import Address
from plait.worker.assignment import Assignment, CodeBook
from plait.worker.claimer import Claimer
from plait.worker.flusher import Flusher
from plait.worker.health import WorkerHealth
from plait.worker.heartbeat import Heartbeat, Timings
from plait.worker.holdings import Holdings
from plait.worker.intake import Intake
from plait.worker.logs import LogWriter
from plait.worker.parker import Parker
from plait.worker.revoker import Revoker
from plait.worker.watchdog import Watchdog

if TYPE_CHECKING:
    from plait.engine.engine import Engine
    from plait.worker.executor import Executor

logger = logging.getLogger("plait.worker")

DRAIN_FLUSH_SECONDS = 10.0
"""How long a stopping worker tries to store its last outcomes; what it cannot store runs again elsewhere."""


class Member(Protocol):
    """The worker that a session belongs to, as far as the session knows it."""

    name: str
    slots: int
    timings: Timings
    id: UUID
    health: Address | None

    def announce(self) -> None: ...

    def fail(self, error: BaseException | None) -> None: ...


class Session:
    """One stay of a worker at the database. All of it runs on the engine's loop, but for the ``*_soon`` methods."""

    executor: Executor
    host: Host

    def __init__(self, worker: Member, engine: Engine, codes: CodeBook, labels: str | None) -> None:
        self._worker = worker
        self._engine = engine
        self._labels = labels
        self._loop = engine.portal.loop
        # A store of its own: a busy client in the same process must not wait for the worker's statements.
        self.store = Store(engine.store.url)
        self.holdings = Holdings(worker.slots)
        self.actions = list(codes)
        self.flusher = Flusher(self.store, engine.hub, self.holdings, codes)
        self.parker = Parker(self.store, engine.hub, self.holdings, conclude=self.conclude)
        self.revoker = Revoker(self.store, engine.hub, self.holdings, stop=self._stop, conclude=self.conclude)
        self.intake = Intake(
            self.store,
            self.holdings,
            codes,
            execute=self._execute,
            conclude=self.conclude,
            park=self.parker.park,
        )
        self.intake.on_returned = self._let_go
        self.flusher.intake = self.intake
        self.changes = self.flusher.changes = self.parker.changes = ChangeTeller(engine.hub)
        self.logs = LogWriter(engine.store.url, engine.hub, self._loop)
        self.flusher.lifetimes = engine.lifetimes
        self._traced = self.flusher.lifetimes is not None
        self.claimer = Claimer(
            self.store,
            engine.hub,
            self.holdings,
            intake=self.intake,
            flusher=self.flusher,
            revoker=self.revoker,
            actions=self.actions,
        )
        self.flusher.on_lost_reply = self.claimer.expect_lost_reply
        self.flusher.on_cancelled = lambda assignment: self._spawn(self._cancel_children(assignment))
        self.heartbeat = Heartbeat(
            self.store,
            worker.timings,
            tell_alone=lambda alone: setattr(self.flusher, "alone", alone),
            read_pace=self.flusher.pace.read,
            lose=self._lose,
        )
        self.health: WorkerHealth | None = None
        if worker.health is not None:
            self.health = WorkerHealth(worker.health, self.holdings, self.claimer, self.flusher, self.heartbeat)
        timers = Timers(self.store, engine.hub, self._cancel_expired)
        reaper = Reaper(self.store, engine.hub, every=min(5.0, worker.timings.heartbeat))
        deliverer = Deliverer(self.store, engine.hub)
        self._services: list[PeriodicService] = [timers, reaper, deliverer, Schedules(self.store)]
        if (retention := settings.retention) is not None:
            self._services.append(Pruner(self.store.retention, retention))
        self.leader = Leader(self.store, worker.id, self._services)
        self._hub = engine.hub
        self._tasks: list[asyncio.Task[None]] = []
        self._background: set[asyncio.Task[int]] = set()
        self._hurry = asyncio.Event()

    async def open(self, replaces: UUID | None) -> None:
        """Register and begin to work. ``replaces``: a worker known to be dead."""
        try:
            if self.health is not None:
                await self.health.open()
            await self._register(replaces)
        except BaseException:  # nothing of it works, and the port is free for the next try
            if self.health is not None:
                await self.health.close()
            await self.store.close()
            raise
        if self.health is not None:
            self.health.is_starting = False
        self._hub.start()
        for service in self._services:
            if service.hint is not None:
                self._hub.subscribe(service.hint, service.poke)
        self.changes.start()
        self.logs.start()
        self._hub.publish("worker", [])
        watchdog = Watchdog(self.holdings, self.executor, self.conclude)
        self._claiming = asyncio.create_task(self.claimer.run(), name="plait-claimer")
        self._tasks.append(self._claiming)
        for part in (self.flusher, self.heartbeat, watchdog):
            self._tasks.append(asyncio.create_task(part.run(), name=f"plait-{type(part).__name__.lower()}"))
        for task in self._tasks:
            task.add_done_callback(self._report_crash)
        self.leader.start()

    async def close(self, grace: float) -> None:
        """Stop claiming, give running tasks ``grace`` seconds, hand back the rest, store all outcomes, sign off."""
        self._stop_claiming()
        with suppress(DatabaseUnavailableError):
            await self.leader.stop()
        # What a claim in flight still brings is held too.
        await asyncio.wait([self._claiming, *self._background], timeout=CALL_TIMEOUT)
        await self._wait_until_empty(grace, interruptible=True)
        for assignment in list(self.holdings.assignments.values()):
            if not assignment.concluded:
                self.conclude(assignment, Report(Status.RELEASED, retry_us=0, reason="its worker stopped"))
                self._stop(assignment)
        await self._wait_until_empty(DRAIN_FLUSH_SECONDS, interruptible=False)
        await self.logs.close()
        await self._engine.settle_traces()
        self.changes.stop()
        for task in self._tasks:
            task.remove_done_callback(self._report_crash)
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.revoker.close()
        await self.intake.close()
        await self.parker.close()
        for service in self._services:
            if service.hint is not None:
                self._hub.unsubscribe(service.hint, service.poke)
        with suppress(DatabaseUnavailableError):
            await self.store.end_worker(self._worker.id)
        self._hub.publish("orphans", [])
        if self.health is not None:
            await self.health.close()
        await self.store.close()

    def stop_claiming(self) -> None:
        """Claim nothing more, from any thread, before the orderly stop gets its turn."""
        self._loop.call_soon_threadsafe(self._stop_claiming)

    def hurry(self) -> None:
        """End the grace now, from any thread."""
        self._loop.call_soon_threadsafe(self._hurry.set)

    def conclude(self, assignment: Assignment, report: Report) -> None:
        """An attempt's outcome is known: store it, if it is still this worker's to tell."""
        if self.holdings.assignments.get(assignment.key) is not assignment:
            return
        if self._traced and assignment.execution is not None and assignment.execution.trace is not None:
            assignment.execution.trace.finish(report)
        self.flusher.add(assignment, report)
        self.logs.hurry()

    def release_slot_soon(self, attempt: Attempt) -> None:
        """``ctx.release_slot``: from the user's side."""
        self._loop.call_soon_threadsafe(self._release_slot, attempt)

    def cancel_soon(self, attempt: Attempt) -> None:
        """``ctx.cancel``: from the user's side."""
        self._loop.call_soon_threadsafe(self._cancel, attempt)

    def _release_slot(self, attempt: Attempt) -> None:
        if (assignment := self.holdings.find(attempt)) is not None:
            self.holdings.release_slot(assignment)

    def _cancel(self, attempt: Attempt) -> None:
        assignment = self.holdings.find(attempt)
        if assignment is None:
            return
        elapsed = 0 if assignment.execution is None else assignment.execution.elapsed_us
        self.conclude(assignment, Report(Status.CANCELLED, reason="cancelled by its own code", elapsed_us=elapsed))
        self._stop(assignment)

    async def _cancel_children(self, assignment: Assignment) -> int:
        for delay in iter_backoff():
            try:
                # Otherwise a child is being started in a transaction of the user's: it would be overlooked.
                if await self.store.control.meet_starts(assignment.run.id) or self.flusher.draining:
                    await self._engine.control.cancel_children(assignment.run.id, assignment.task, assignment.name)
                    return 0
            except DatabaseUnavailableError as error:
                if self.flusher.draining:
                    logger.warning("child runs of task %s were not cancelled: %s", assignment.name, error)
                    return 0
            await asyncio.sleep(delay)
        return 0

    def _let_go(self, assignment: Assignment) -> None:
        """The same task has come again: its run was cancelled and replayed before this worker noticed."""
        assignment.concluded = True
        self._stop(assignment)
        self.holdings.drop(assignment)

    def _stop(self, assignment: Assignment) -> None:
        if assignment.execution is not None:
            self.executor.stop(assignment.execution)

    def _stop_claiming(self) -> None:
        self.claimer.stop()
        self.flusher.draining = True

    def _execute(self, assignments: list[Assignment]) -> None:
        if self.flusher.draining:
            # Came in with the last claim, or were freed by the last results: not begun, so handed back at once.
            for assignment in assignments:
                self.conclude(assignment, Report(Status.RELEASED, retry_us=0, reason="its worker stopped"))
        else:
            self.executor.submit(assignments)
            self.changes.tell(assignment.run.id for assignment in assignments)

    async def _cancel_expired(self, limit: int) -> int:
        # A task of its own: the leader may stop its services at any moment, but what is claimed must be judged.
        return await asyncio.shield(self._spawn(self._take_expired(limit)))

    def _spawn(self, work: Coroutine[Any, Any, int]) -> asyncio.Task[int]:
        """Do something beside all else; a stopping session waits for it."""
        task = asyncio.create_task(work, name="plait-beside")
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def _take_expired(self, limit: int) -> int:
        worker_id = self.claimer.worker_id
        if worker_id is None or self.claimer.stopping:
            return 0
        try:
            rows = await self.store.claim_expired(worker_id, limit)
            if rows and worker_id == self.claimer.worker_id:
                await self.intake.admit_rows(rows, expired=True)
        except DatabaseUnavailableError:
            self.claimer.expect_lost_reply()
            raise
        return len(rows)

    async def _register(self, replaces: UUID | None) -> None:
        worker = self._worker
        row = WorkerRow(
            id=worker.id,
            name=worker.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            slots=worker.slots,
            labels=self._labels,
            actions=self.actions,
            plait=version("plait"),
            lease_seconds=worker.timings.lease,
        )
        await self.store.register_worker(row, replaces)
        self.leader.holder = worker.id
        self.flusher.worker_id = self.claimer.worker_id = self.parker.worker_id = self.revoker.worker_id = worker.id
        self.heartbeat.begin(worker.id)
        self.flusher.alone = False  # until the first heartbeat tells
        self.host = replace(self.host, worker_id=str(worker.id))
        if replaces is not None:
            self._hub.publish("orphans", [])

    async def _lose(self, why: str) -> None:
        """The lease is lost: what was held is somebody else's now. Stop it, and begin again under a new name."""
        logger.error("worker %s lost its lease: %s; its tasks are stopped here", self._worker.name, why)
        lost = self._worker.id
        if self.health is not None:
            self.health.meter.lost_leases += 1
        self._worker.id = new_run_id()
        self.flusher.worker_id = self.claimer.worker_id = self.heartbeat.worker_id = None
        self.parker.worker_id = self.revoker.worker_id = None
        self.flusher.discard()
        self.parker.discard()
        for assignment in self.holdings.abandon():
            assignment.concluded = True
            if assignment.execution is not None and assignment.execution.trace is not None:
                assignment.execution.trace.abandon()
            self._stop(assignment)
        for delay in iter_backoff():
            try:
                await self._register(lost)
                self._worker.announce()
                return
            except DatabaseUnavailableError:
                await asyncio.sleep(delay)

    async def _wait_until_empty(self, seconds: float, *, interruptible: bool) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and (self.holdings.assignments or not self.flusher.idle):
            if interruptible and self._hurry.is_set():
                return
            await asyncio.sleep(0.01)

    def _report_crash(self, task: asyncio.Task[None]) -> None:
        """A part of the engine ended by an error nobody foresaw: better no worker than half a worker."""
        if not task.cancelled() and task.exception() is not None:
            logger.critical("the worker's %s failed; stopping", task.get_name(), exc_info=task.exception())
            self._worker.fail(task.exception())
