"""Everything of one process that talks to the database: connections, hints, versions, starting and awaiting runs."""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import os
import time
import weakref
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from plait.engine.portal import Portal
from plait.errors import (
    PARENT_ENDED,
    DatabaseUnavailableError,
    InvalidInputError,
    ParentEndedError,
    UnknownVersionError,
)
from plait.graph.definition import STATUS_BY_CODE, Status, WorkflowDefinition
from plait.graph.replay import plan_replay
from plait.graph.triggers import read_child_key
from plait.settings import find_database
from plait.tracing import find_tracing
from plait.values.encoding import decode_json

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.declaration.workflow import BaseWorkflow
    from plait.embedded import EmbeddedPostgres
    from plait.engine.waiter import RunOutcome, RunWaiter
    from plait.store.batcher import Batcher
    from plait.store.events import EventRow
    from plait.store.hints import Hub
    from plait.store.store import StartRow, Store, StoredVersion
    from plait.tracing.lifetimes import LifetimeReader
    from plait.types import RunRequest

logger = logging.getLogger("plait")

T = TypeVar("T")

ReplayChoice = Callable[[WorkflowDefinition], Collection[int]]
"""Which tasks of a run to replay besides those that did not complete."""

START_BATCH = 1000
START_BYTES = 16 << 20
"""Most bytes of input in one commit of triggers, a single larger run aside."""
CONTROL_BATCH = 200
"""Runs that are cancelled or replayed in one commit."""
START_PATIENCE = 10.0
"""Seconds for which a trigger is sent again while the database does not answer; its run id makes that harmless."""


QUIET_SECONDS = 0.01
"""After so long without a trigger, a lone one carries its hint in its own commit: a round trip less until its first
task starts. Not oftener, for all commits with a notification wait for each other."""
CROWDED_SECONDS, CROWDED_PAUSE = 0.005, 1.0
"""A trigger with its hint that took so long met others that wait: for the pause hints use their own connection."""


class Engine:
    """One per ``Plait`` and process; made at first use. ``await connect()`` before anything else.

    All methods run on the portal's loop.
    """

    store: Store
    hub: Hub
    waiter: RunWaiter

    def __init__(self, url: str | None, *, auto_upgrade: bool = True) -> None:
        self.portal = Portal()
        self.pid = os.getpid()
        self._explicit_url = url
        self._auto_upgrade = auto_upgrade
        self._connecting: asyncio.Future[None] | None = None
        self._embedded: EmbeddedPostgres | None = None
        self._versions: dict[str, StoredVersion] = {}
        self._starts: Batcher[StartRow, UUID | None]
        self._pushes: Batcher[EventRow, None]
        self._closed = False
        self._last_start = 0.0
        self._lifetimes: list[LifetimeReader] = []
        atexit.register(_close_at_exit, weakref.ref(self))

    async def connect(self) -> None:
        """Find the database (starting the embedded one if none is named), check its schema, make the parts.

        Concurrent callers share one attempt; a failed one is not remembered. Raises ``DatabaseUnavailableError``,
        ``SchemaError`` or ``EmbeddedPostgresError``.
        """
        if self._connecting is None or (self._connecting.done() and self._connecting.exception() is not None):
            self._connecting = asyncio.ensure_future(self._connect())
        await asyncio.shield(self._connecting)

    async def _connect(self) -> None:
        # Imported here: asyncpg and the server are no cost of `import plait`.
        from plait.engine.waiter import RunWaiter  # noqa: PLC0415
        from plait.store import schema  # noqa: PLC0415
        from plait.store.batcher import Batcher  # noqa: PLC0415
        from plait.store.connection import connect, normalise_url, translate_error  # noqa: PLC0415
        from plait.store.hints import Hub  # noqa: PLC0415
        from plait.store.store import Store  # noqa: PLC0415

        find_tracing()  # a wrong setting shows now, and not when a run has ended
        source = find_database(self._explicit_url)
        if source.url is None:
            from plait.embedded import start_embedded  # noqa: PLC0415

            self._embedded = await asyncio.to_thread(start_embedded)
            url = self._embedded.dsn
        else:
            url = normalise_url(source.url)
        connection = await connect(url)
        try:
            # Asked first: a role that may only use the schema cannot even say CREATE … IF NOT EXISTS.
            if self._auto_upgrade and await schema.read_version(connection) < schema.latest_version():
                for migration in await schema.upgrade(connection):
                    logger.info("applied migration %04d %s", migration.version, migration.name)
            await schema.check_version(connection)
        except Exception as error:
            if translated := translate_error(error, url):
                raise translated from error
            raise
        finally:
            await connection.close()
        self.store = Store(url)
        self.hub = Hub(url, revive=self._revive if self._embedded is not None else None)
        self.waiter = RunWaiter(self.store, self.hub)
        self._starts = Batcher(
            self._write_starts, cap=START_BATCH, weigh=lambda row: len(row.input), heaviest=START_BYTES
        )
        self._pushes = Batcher(
            self._write_events, cap=START_BATCH, weigh=lambda row: len(row.payload), heaviest=START_BYTES
        )

    @property
    def lifetimes(self) -> LifetimeReader | None:
        """Has the spans of ended runs made, while this process is traced. Tracing may begin after ``connect``."""
        tracing = find_tracing()
        if tracing is None:
            return None
        if not self._lifetimes or self._lifetimes[-1].tracing is not tracing:
            from plait.tracing.lifetimes import LifetimeReader  # noqa: PLC0415 - where there is OpenTelemetry

            self._lifetimes.append(LifetimeReader(self.store, tracing))
        return self._lifetimes[-1]

    async def _revive(self) -> None:
        """The embedded server does not answer: have it run again, should its keeper be gone too."""
        if self._embedded is not None:
            await asyncio.to_thread(self._embedded.ensure_running)

    async def register(self, workflow: BaseWorkflow[Any]) -> StoredVersion:
        """The stored version of a declared workflow, storing it at first sight."""
        definition = workflow.definition
        version = self._versions.get(definition.digest)
        if version is None:
            version = self._versions[definition.digest] = await self.store.register_version(definition)
        return version

    async def start_runs(self, requests: Sequence[RunRequest]) -> list[UUID]:
        """Start runs durably; returns when they are committed, with the effective ids in order.

        Concurrent calls share commits. Sent again while the database is away for up to ``START_PATIENCE`` seconds,
        then raises ``DatabaseUnavailableError``.
        """
        await self.connect()
        run_ids = await self.start_rows(await self.prepare_rows(requests))
        found = {
            run_id: request
            for request, run_id in zip(requests, run_ids, strict=True)
            if run_id != request.run_id and request.trigger is not None
        }
        if found:
            await self._take_up_children(found)
        return run_ids

    async def _take_up_children(self, found: Mapping[UUID, RunRequest]) -> None:
        """Child runs of an earlier attempt were found: those that did not complete run again.

        Refuses one that the order of the calls found and that was started with another input. Runs that an idempotency
        key found, and that somebody else started, are left alone.
        """
        own = []
        for row in await self.store.control.read_inputs(list(found)):
            request = found[row["id"]]
            trigger = request.trigger
            if trigger is None or row["trigger_id"] != trigger.id:
                continue
            own.append(row["id"])
            by_order = read_child_key(trigger.child_key or "") is None and not request.idempotency_key
            if by_order and row["input"] != request.input and decode_json(row["input"]) != decode_json(request.input):
                raise InvalidInputError(
                    f"workflow {request.workflow.name!r}: an earlier attempt of this task started its child run "
                    f"{row['id']} by this call, with another input. Where the order or the inputs of child runs may "
                    f"differ from attempt to attempt, give each a child_key"
                )
        if own:
            await self.replay_runs(own)

    async def cancel_children(self, run_id: UUID, task: int, name: str) -> None:
        """Cancel the child runs that a cancelled task of a run started."""
        links = await self.store.control.read_children([run_id])
        children = [link["run_id"] for link in links if link["parent_task"] == task]
        if children:
            await self.cancel_runs(children, f"the task that started it, {name!r}, was cancelled")

    async def start_rows(self, rows: Sequence[StartRow]) -> list[UUID]:
        """Start runs of stored versions; as ``start_runs``. Raises ``ParentEndedError`` for child runs whose parent
        task does not run any more."""
        await self.connect()
        run_ids = [run_id for run_id in await self._starts.submit(rows) if run_id is not None]
        if len(run_ids) < len(rows):
            raise ParentEndedError(PARENT_ENDED)
        return run_ids

    async def cancel_runs(self, run_ids: Sequence[UUID], reason: str) -> list[UUID]:
        """Cancel runs and their descendants, ``CONTROL_BATCH`` families in a transaction. Returns those that this
        ended."""
        if not run_ids:  # a hint about none would have everybody look at everything
            return []
        await self.connect()
        ended: list[UUID] = []
        for start in range(0, len(run_ids), CONTROL_BATCH):
            ended += await self.repeat(self.store.control.cancel_runs, run_ids[start : start + CONTROL_BATCH], reason)
        # The asked ones too: when an order is sent again, because its reply was lost, it ends nothing.
        if (lifetimes := self.lifetimes) is not None:
            lifetimes.note_cancelled(ended)
        names = [run_id.hex for run_id in {*ended, *run_ids}]
        self.hub.publish("cancel", names)
        self.hub.publish("done", names)
        return ended

    async def replay_runs(self, run_ids: Sequence[UUID], choose: ReplayChoice | None = None) -> list[UUID]:
        """Replay ended runs: what did not complete, and the tasks that ``choose`` adds. Returns those replayed; runs
        that are active or have nothing to run again are left alone."""
        await self.connect()
        replayed: list[UUID] = []
        for start in range(0, len(run_ids), CONTROL_BATCH):
            page = list(dict.fromkeys(run_ids[start : start + CONTROL_BATCH]))
            rows = await self.store.control.read_replayable(page)
            plans = [plan for row in rows if (plan := await self._plan_replay(row, choose)) is not None]
            if plans:
                again = await self._send_plans(plans)
                self._publish_replayed({row["id"]: row["version_id"] for row in rows}, again)
                replayed += again
        return replayed

    async def _send_plans(self, plans: Sequence[dict[str, Any]]) -> list[UUID]:
        """Replay by plans. When they had to be sent again, the lost reply may have told of runs that are active now."""
        calls = 0

        async def send() -> list[UUID]:
            nonlocal calls
            calls += 1
            return await self.store.control.replay_runs(json.dumps(plans))

        replayed = await self.repeat(send)
        if calls > 1 and len(replayed) < len(plans):
            rows = await self.store.control.read_replayable([UUID(plan["run_id"]) for plan in plans])
            replayed += [row["id"] for row in rows if row["status"] == 0 and row["id"] not in replayed]
        return replayed

    async def _plan_replay(self, row: Record, choose: ReplayChoice | None) -> dict[str, Any] | None:
        if row["status"] == 0:
            return None
        definition = (await self.store.read_version(row["version_id"])).definition
        outcomes: dict[int, Status] = {
            task: STATUS_BY_CODE[code] for task, code in zip(row["tasks"] or (), row["outcomes"] or (), strict=True)
        }
        plan = plan_replay(definition, outcomes, choose(definition) if choose else ())
        if not plan.tasks:
            return None
        return {
            "run_id": str(row["id"]),
            "finished_at": row["finished_at"].isoformat(),
            "tasks": plan.tasks,
            "ready": plan.ready,
            "pending": plan.pending,
            "worst": int(plan.worst),
            # What completed and runs again all the same starts child runs of its own anew.
            "anew": [task for task in plan.tasks if outcomes.get(task) is Status.COMPLETED],
        }

    def _publish_replayed(self, version_of: Mapping[UUID, int], replayed: Sequence[UUID]) -> None:
        if replayed:
            self.hub.publish("changed", [run_id.hex for run_id in replayed])
        actions: set[int] = set()
        for run_id in replayed:
            version = self.store.get_version(version_of[run_id]) if run_id in version_of else None
            actions.update(version.actions if version is not None else ())
        if actions:
            self.hub.publish("ready", [str(action) for action in actions])
            self.hub.publish("timer", [])

    async def push_events(self, rows: Sequence[EventRow]) -> None:
        """Store events durably; returns when they are committed. Concurrent calls share commits."""
        await self.connect()
        await self._pushes.submit(rows)

    async def _write_events(self, rows: list[EventRow]) -> list[None]:
        await self.repeat(self.store.events.push, rows)
        self.hub.publish("event", [])
        return [None] * len(rows)

    async def change_schedule(self, send: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Send a statement about crons or scheduled runs, and have whoever starts them look at them again."""
        try:
            answer = await self.repeat(send, *args)
        except UnknownVersionError:
            self._versions.clear()  # so that the next one stores them again
            raise
        self.hub.publish("timer", [])
        return answer

    async def repeat(self, send: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Send a statement that bears repetition until it is answered, for up to ``START_PATIENCE`` seconds."""
        from plait.store.connection import iter_backoff  # noqa: PLC0415

        deadline = time.monotonic() + START_PATIENCE
        for delay in iter_backoff():
            try:
                return await send(*args)
            except DatabaseUnavailableError:
                if time.monotonic() + delay > deadline:
                    raise
                await asyncio.sleep(delay)
        raise AssertionError("iter_backoff never ends")

    async def run_to_end(self, requests: Sequence[RunRequest]) -> list[RunOutcome]:
        """Start runs and wait until they ended; their outcomes in order."""
        await self.connect()
        if any(request.idempotency_key or request.trigger for request in requests):  # which runs is known only then
            return await self.waiter.wait(await self.start_runs(requests))
        return await self.waiter.wait([request.run_id for request in requests], start=self.start_runs(requests))

    async def prepare_rows(self, requests: Sequence[RunRequest]) -> list[StartRow]:
        """Requests as rows, their workflow versions stored."""
        from plait.store.store import StartRow  # noqa: PLC0415

        rows = []
        for request in requests:
            digest = request.workflow.definition.digest
            version = self._versions.get(digest) or await self.register(request.workflow)
            rows.append(
                StartRow(
                    request.run_id,
                    version.id,
                    request.input,
                    request.metadata,
                    request.priority,
                    request.idempotency_key,
                    request.trigger,
                )
            )
        return rows

    async def _write_starts(self, rows: list[StartRow]) -> list[UUID | None]:
        now = time.monotonic()
        quiet, self._last_start = len(rows) == 1 and now - self._last_start > QUIET_SECONDS, now
        try:
            started = await self.repeat(partial(self.store.start_runs, notify=quiet), rows)
        except UnknownVersionError:
            self._versions.clear()  # so that the next trigger stores them again
            raise
        if quiet and time.monotonic() - now > CROWDED_SECONDS:
            self._last_start = now + CROWDED_PAUSE
        self.hub.publish("ready", self._root_actions(rows), elsewhere=not quiet)
        if self._have_schedule_timeouts(rows):
            self.hub.publish("timer", [])  # the timers sleep until the next one they know of
        return started

    def _have_schedule_timeouts(self, rows: list[StartRow]) -> bool:
        versions = [self.store.get_version(version_id) for version_id in {row.version_id for row in rows}]
        return any(
            version.definition.tasks[root].schedule_timeout is not None
            for version in versions
            if version is not None
            for root in version.definition.roots
        )

    def _root_actions(self, rows: list[StartRow]) -> list[str]:
        actions: set[int] = set()
        for version_id in {row.version_id for row in rows}:
            version = self.store.get_version(version_id)
            if version is not None:
                actions.update(version.actions[root] for root in version.definition.roots)
        return [str(action) for action in actions]

    async def settle_traces(self) -> None:
        """Have the spans of what has ended exported, for a bounded time; at once where nothing is traced."""
        await asyncio.gather(*(lifetimes.settle() for lifetimes in self._lifetimes))

    async def close(self) -> None:
        """Disconnect; give the embedded server back. Each step is reached, whatever becomes of those before it."""
        async with AsyncExitStack() as steps:  # the last one first
            steps.callback(self._release_embedded)
            if self._connecting is not None and self._connecting.done() and self._connecting.exception() is None:
                steps.push_async_callback(self.store.close)
                steps.push_async_callback(self.hub.stop)
                steps.push_async_callback(self.settle_traces)

    def _release_embedded(self) -> None:
        if self._embedded is not None:
            self._embedded.release()
            self._embedded = None

    def shut_down(self) -> None:
        """``close`` from any other thread, bounded in time, and the end of the thread. Repeatable."""
        if self._closed or self.pid != os.getpid():
            return
        self._closed = True
        future = self.portal.spawn(self.close())
        try:
            future.result(timeout=5)
        except Exception as error:
            logger.debug("closing: %r", error)
        self.portal.stop()


def _close_at_exit(reference: weakref.ref[Engine]) -> None:
    engine = reference()
    if engine is not None:
        engine.shut_down()
