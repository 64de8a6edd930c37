"""The engine's side of a running worker: its parts, and the order in which they begin and end."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from typing import TYPE_CHECKING
from uuid import UUID

from plait.errors import DatabaseUnavailableError, SchemaError
from plait.faultpoints import reach
from plait.graph.attempt import Attempt, Report
from plait.graph.definition import Status
from plait.maintenance.canceller import Canceller
from plait.maintenance.deliverer import Deliverer
from plait.maintenance.eras import Eras
from plait.maintenance.leader import Leader
from plait.maintenance.periodic import PeriodicService
from plait.maintenance.pruner import Pruner
from plait.maintenance.reaper import Reaper
from plait.maintenance.schedules import Schedules
from plait.maintenance.serving import Serving
from plait.maintenance.timers import Timers
from plait.settings import settings
from plait.store.changes import ChangeTeller
from plait.store.connection import CALL_TIMEOUT, is_schema_back
from plait.store.outage import Outage
from plait.store.ranges import find_ranges
from plait.store.store import Store, WorkerRow
from plait.store.urls import hide_password
from plait.values.evaluator import Evaluator
from plait.worker.address import Address
from plait.worker.assignment import CodeBook
from plait.worker.background import Background
from plait.worker.claimer import Claimer
from plait.worker.executor import WORKER_STOPPED, Executor, UserSide
from plait.worker.flusher import Flusher
from plait.worker.heartbeat import Heartbeat
from plait.worker.holdings import Holdings
from plait.worker.identity import Identity
from plait.worker.intake import Intake
from plait.worker.logs import LogWriter
from plait.worker.meter import Meter
from plait.worker.outbox import Outbox
from plait.worker.parker import Parker
from plait.worker.revoker import Revoker
from plait.worker.watchdog import Watchdog

if TYPE_CHECKING:
    from plait.engine.engine import Engine
    from plait.graph.attempt import StoredVersion
    from plait.worker.health import WorkerHealth

logger = logging.getLogger("plait.worker")

SCHEMA_SECONDS = 1.0
"""How often a worker looks whether a schema that is gone is back."""

PULSE_SECONDS = 2.0
"""How often a worker tells its supervisor that its engine runs."""

DRAIN_FLUSH_SECONDS = 10.0
"""How long a stopping worker tries to store its last outcomes; what it cannot store runs again elsewhere."""


class Session:
    """One stay of a worker at the database. All of it runs on the engine's loop, but for the ``*_soon`` methods.

    ``announce`` is called whenever the worker takes tasks under another id, ``pulse`` now and then while its engine
    runs, ``fail`` when a part of the engine fails.
    """

    def __init__(
        self,
        engine: Engine,
        identity: Identity,
        codes: CodeBook,
        versions: list[StoredVersion],
        user: UserSide,
        *,
        health: Address | None,
        announce: Callable[[], None],
        pulse: Callable[[], None] | None,
        fail: Callable[[BaseException | None], None],
    ) -> None:
        self._engine = engine
        self._hub = hub = engine.hub
        self._loop = engine.portal.loop
        self._announce = announce
        self._pulse = pulse
        self._fail = fail
        self.identity = identity
        self.actions = sorted(codes)
        self._versions = [version.id for version in versions]
        # A store of its own: a busy client in the same process must not wait for the worker's statements.
        self.store = Store(engine.store.url)
        loss_limit = settings.max_worker_losses
        self.holdings = Holdings(identity.slots, loss_limit=loss_limit)
        self.changes = ChangeTeller(hub)
        self.logs = LogWriter(engine.store.url, hub, self._loop)
        self._background = Background()
        self._outage = Outage(logger, "register again")
        meter = None if health is None else Meter()
        outbox = self._outbox = Outbox(self.holdings, note_ended=self.logs.hurry)
        self.executor = Executor(
            self._loop,
            user,
            self.holdings,
            identity,
            release_slot=self.release_slot_soon,
            note_child=self.note_child_soon,
            cancel=self.cancel_soon,
            open_log=self.logs.open_log,
            conclude=outbox.conclude,
            changes=self.changes,
            database=hide_password(engine.store.url),
        )
        self.parker = Parker(self.store, hub, identity, self.holdings, conclude=outbox.conclude, changes=self.changes)
        self.revoker = Revoker(
            self.store, hub, identity, self.holdings, cancel=self.executor.cancel, let_go=self.executor.let_go
        )
        self._evaluator = Evaluator()
        self.intake = Intake(
            self.store,
            identity,
            self.holdings,
            codes,
            execute=self.executor.submit,
            conclude=outbox.conclude,
            park=self.parker.park,
            let_go=self.executor.let_go,
            loss_limit=loss_limit,
            evaluator=self._evaluator,
        )
        self.flusher = Flusher(
            self.store,
            hub,
            identity,
            self.holdings,
            outbox,
            codes,
            admit=self.intake.admit_continued,
            take_or_tell=lambda actions: self.claimer.take_or_tell(actions),
            changes=self.changes,
            lifetimes=engine.lifetimes,
            meter=meter,
        )
        self.heartbeat = Heartbeat(
            self.store,
            identity,
            read_pace=self.flusher.pace.read,
            list_switched_off=self._evaluator.list_switched_off,
            lose=self._lose,
            note_fleet=hub.note_fleet,
        )
        self.claimer = Claimer(
            self.store,
            hub,
            identity,
            self.holdings,
            intake=self.intake,
            flusher=self.flusher,
            revoker=self.revoker,
            actions=find_ranges(version.actions for version in versions),
            meter=meter,
            note_dead=self.heartbeat.hurry,
        )
        self.health = None if health is None or meter is None else self._make_health(health, meter)
        self._serving = Serving(self.store, hub)
        self.leader = Leader(self.store, hub, lambda: identity.id, lambda: identity.others, self._make_services())
        self._tasks: list[asyncio.Task[None]] = []
        self._hurry = asyncio.Event()
        self._is_without_schema = False

    def _make_health(self, address: Address, meter: Meter) -> WorkerHealth:
        """What tells probes and Prometheus how it is."""
        from plait.worker.health import WorkerHealth  # noqa: PLC0415 - prometheus_client comes with it

        return WorkerHealth(
            address,
            self.identity,
            self.holdings,
            self.heartbeat,
            self.flusher,
            meter,
            count_hung=self.executor.count_hung,
        )

    def _make_services(self) -> list[PeriodicService]:
        """What the leader among the workers runs."""
        services: list[PeriodicService] = [
            self._serving,
            Timers(self.store, self._hub, self._cancel_expired),
            Reaper(self.store, self._hub, every=min(2.0, self.identity.timings.heartbeat)),
            Deliverer(self.store, self._hub, self._evaluator),
            Canceller(self.store, self._hub),
            Schedules(self.store),
            Eras(self.store),
        ]
        if (retention := settings.retention) is not None:
            services.append(Pruner(self.store.retention, retention))
        return services

    async def open(self, replaces: UUID | None) -> None:
        """Register and begin to work. ``replaces``: a worker known to be dead."""
        try:
            if self.health is not None:
                await self.health.open()
            await self.store.open()
            await self._register(replaces)
        except BaseException:  # nothing of it works, and the port is free for the next try
            if self.health is not None:
                await self.health.close()
            await self.store.close()
            raise
        if self.health is not None:
            self.health.is_starting = False
        self._hub.start()
        self._hub.subscribe("leader", self.leader.poke)
        self._hub.subscribe("worker", self.heartbeat.note_others)
        self.changes.start()
        self.logs.start()
        self._hub.publish("worker", [])
        watchdog = Watchdog(self.holdings, self.executor, self._outbox.conclude)
        self._claiming = asyncio.create_task(self.claimer.run(), name="plait-claimer")
        self._tasks.append(self._claiming)
        for part in (self.flusher, self.heartbeat, watchdog):
            self._tasks.append(asyncio.create_task(part.run(), name=f"plait-{type(part).__name__.lower()}"))
        if self._pulse is not None:
            self._tasks.append(asyncio.create_task(self._beat_pulse(self._pulse), name="plait-pulse"))
        for task in self._tasks:
            task.add_done_callback(self._report_crash)
        self.leader.start()

    async def _beat_pulse(self, pulse: Callable[[], None]) -> None:
        while True:
            pulse()
            await asyncio.sleep(PULSE_SECONDS)

    async def close(self, grace: float) -> None:
        """Stop claiming, give running tasks ``grace`` seconds, hand back the rest, store all outcomes, sign off."""
        self.claimer.stop()
        with suppress(DatabaseUnavailableError, SchemaError):
            await self.leader.stop()
            self._hub.publish("leader", [])
        # What a claim in flight still brings is held too.
        await asyncio.wait([self._claiming, *self._background.list_open()], timeout=CALL_TIMEOUT)
        await self._wait_until_empty(grace, interruptible=True)
        for assignment in list(self.holdings.assignments.values()):
            if not assignment.concluded:
                self._outbox.conclude(assignment, Report(Status.RELEASED, retry_us=0, reason=WORKER_STOPPED))
                self.executor.stop(assignment)
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
        await self._evaluator.close()
        self._hub.unsubscribe("leader", self.leader.poke)
        self._hub.unsubscribe("worker", self.heartbeat.note_others)
        with suppress(DatabaseUnavailableError, SchemaError):
            await self.store.end_worker(self.identity.id)
        self._hub.publish("orphans", [])
        self._hub.publish("worker", [])
        if self.health is not None:
            await self.health.close()
        await self.store.close()

    # from any thread

    def stop_claiming_soon(self) -> None:
        """Claim nothing more, before the orderly stop gets its turn."""
        self._loop.call_soon_threadsafe(self.claimer.stop)

    def hurry_soon(self) -> None:
        """End the grace now."""
        self._loop.call_soon_threadsafe(self._hurry.set)

    def release_slot_soon(self, attempt: Attempt) -> None:
        """``ctx.release_slot``."""
        self._loop.call_soon_threadsafe(self._release_slot, attempt)

    def note_child_soon(self, attempt: Attempt) -> None:
        """A suspect starts a child run."""
        self._loop.call_soon_threadsafe(self._excuse, attempt)

    def cancel_soon(self, attempt: Attempt) -> None:
        """``ctx.cancel``."""
        self._loop.call_soon_threadsafe(self._cancel, attempt)

    # on the engine's loop

    def _release_slot(self, attempt: Attempt) -> None:
        if (assignment := self.holdings.find(attempt)) is not None:
            self.holdings.release_slot(assignment)

    def _excuse(self, attempt: Attempt) -> None:
        if (assignment := self.holdings.find(attempt)) is not None:
            self.holdings.excuse(assignment)

    def _cancel(self, attempt: Attempt) -> None:
        if (assignment := self.holdings.find(attempt)) is not None:
            self.executor.cancel(assignment, "cancelled by its own code")

    async def _cancel_expired(self, limit: int) -> int:
        # Beside all else: the leader may stop its services at any moment, but what is claimed must be judged.
        return await asyncio.shield(self._background.spawn(self._take_expired(limit)))

    async def _take_expired(self, limit: int) -> int:
        worker_id = self.identity.worker_id
        if worker_id is None or self.identity.is_stopping:
            return 0
        try:
            rows = await self.store.claim_expired(worker_id, limit)
            if rows and worker_id == self.identity.worker_id:
                await self.intake.admit_rows(rows, expired=True)
        except DatabaseUnavailableError:
            self.holdings.doubt()
            raise
        return len(rows)

    async def _register(self, replaces: UUID | None, ending: str = "died") -> None:
        identity = self.identity
        row = WorkerRow(
            id=identity.id,
            name=identity.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            slots=identity.slots,
            labels=identity.labels,
            actions=self.actions,
            plait=version("plait"),
            lease_seconds=identity.timings.lease,
            versions=self._versions,
        )
        await self.store.register_worker(row, replaces, ending)
        await self._serving.settle(self._versions)
        reach("worker registered")
        identity.begin()
        self.heartbeat.begin()
        if replaces is not None:
            self._hub.publish("orphans", [])
            self._hub.publish("leader", [])

    async def _lose(self, why: str, ending: str) -> None:
        """The lease is lost: what runs here may be somebody else's now. Stop it, and begin again under a new name; but
        first offer what has ended under the old one."""
        logger.error("worker %s lost its lease: %s; its tasks are stopped here", self.identity.name, why)
        if self.health is not None:
            self.health.meter.lost_leases += 1
        lost = self.identity.lose()
        unstored = self.flusher.list_unstored()
        self.flusher.is_stuck = False
        self._outbox.discard()
        self.parker.discard()
        for assignment in self.holdings.abandon():
            assignment.concluded = True
            if assignment.execution is not None and assignment.execution.trace is not None:
                assignment.execution.trace.abandon()
            self.executor.stop(assignment)
        while True:
            try:
                await self.flusher.offer(lost, unstored)
                await self._register(lost, ending)
                self._outage.end(f"under the id {self.identity.id}")
                self._announce()
                return
            except DatabaseUnavailableError as error:
                await self._outage.pause(error)

    async def _wait_until_empty(self, seconds: float, *, interruptible: bool) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and (self.holdings.assignments or not self.flusher.idle):
            if interruptible and self._hurry.is_set():
                return
            await asyncio.sleep(0.01)

    def _report_crash(self, task: asyncio.Task[None]) -> None:
        """A part of the engine ended by an error nobody foresaw: better no worker than half a worker."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, SchemaError):
            self._outlast(error)
        else:
            logger.critical("the worker's %s failed; stopping", task.get_name(), exc_info=error)
            self._fail(error)

    def _outlast(self, error: SchemaError) -> None:
        """The schema is gone: somebody restores the database perhaps. This worker ends, for what it knows of the
        database may not hold any more; but not before there is a schema again: the next one would make an empty one."""
        self.claimer.stop()
        if not self._is_without_schema:
            self._is_without_schema = True
            logger.error(
                "worker %s takes no tasks until there is a schema again, then it ends: %s", self.identity.name, error
            )
            self._background.spawn(self._await_schema(error))

    async def _await_schema(self, error: SchemaError) -> None:
        while not await is_schema_back(self._engine.store.url):
            await asyncio.sleep(SCHEMA_SECONDS)
        self._fail(error)
