"""The only door to the database: one method per statement, arrays in, rows out.

Every statement bears repetition, so that a caller may simply send it again after a broken connection: starts by the
run's id, finishes by the fence, claims by adopting afterwards what the database says is held.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from plait.errors import DatabaseUnavailableError, NotFoundError, OperationError
from plait.graph.attempt import Attempt, Report, StoredVersion, UnreadableVersionError
from plait.graph.definition import FORMAT, WorkflowDefinition
from plait.graph.triggers import RunTrigger
from plait.store.catalog import CatalogStore
from plait.store.connection import Link, LinkPool
from plait.store.control import ControlStore
from plait.store.events import EventStore
from plait.store.logs import LogStore
from plait.store.observation import ObservationStore
from plait.store.ranges import ActionRanges
from plait.store.retention import RetentionStore
from plait.store.runs import RunStore
from plait.store.schedules import ScheduleStore
from plait.store.statements import load_sql

if TYPE_CHECKING:
    from asyncpg import Record


@dataclass(frozen=True, slots=True)
class StartRow:
    """One run to start. ``input`` is JSON bytes, ``metadata`` JSON text."""

    run_id: UUID
    version_id: int
    input: bytes
    metadata: str | None
    priority: int
    idempotency_key: str | None
    trigger: RunTrigger | None = None


KEY_HELD = UUID(int=0)
"""In the place of a run's id: a transaction that is still open holds its key (``plait.held()``)."""


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """What a worker process announces of itself."""

    id: UUID
    name: str
    host: str
    pid: int
    slots: int
    labels: str | None
    actions: list[int]
    plait: str
    lease_seconds: float
    versions: list[int]


class Fleet(NamedTuple):
    """What lives beside a worker: how many ``others``; how many of them are ``peers``, with the same code; whether it
    is ``alone``, none sharing an action with it."""

    others: int
    peers: int
    alone: bool


class FinishArrays(NamedTuple):
    """A batch of outcomes, in the order of the parameters of ``finish_tasks.sql`` from $2 on; see there."""

    run_ids: Sequence[UUID]
    tasks: Sequence[int]
    elapsed_us: Sequence[int]
    spans: Sequence[int]
    outputs: Sequence[bytes | None]
    attempts: Sequence[int]
    statuses: Sequence[int]
    errors: Sequence[bytes | None]
    reasons: Sequence[str | None]
    retry_us: Sequence[int | None]
    edges: Sequence[int]
    actions: Sequence[int]
    locals: Sequence[bool]
    schedules: Sequence[int]


@dataclass(frozen=True, slots=True)
class Finished:
    """The database's answer to a batch of outcomes."""

    accepted: frozenset[int]
    """1-based positions of the outcomes that passed the fence."""
    continued: tuple[tuple[UUID, int], ...]
    """(run id, task) of the tasks that this worker now holds and goes on with."""
    ended: tuple[UUID, ...]
    queued_actions: tuple[int, ...]
    next_due: datetime | None
    cancels: bool
    """Whether child runs are to be cancelled: that is ordered."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """The tasks that a claim took. ``seen``: how many it found before it locked; others may have taken the rest.
    ``alive``: False, the worker was declared dead and gets nothing."""

    rows: list[Record]
    seen: int
    alive: bool


@dataclass(frozen=True, slots=True)
class Reaped:
    """How many workers were declared dead, how many tasks they and others of the dead held, and the actions of these.
    ``watched``: microseconds that leaders have watched in all."""

    watched: int
    workers: int
    tasks: int
    actions: Sequence[int]


@dataclass(frozen=True, slots=True)
class Turned:
    """``deleted``: how many tasks have left the queue, as far as PostgreSQL has counted. ``begun``: whether another era
    begins. ``steps``: how many were taken on the way from one era to the next."""

    deleted: int
    begun: bool
    steps: int


class Store:
    """Statements over a few connections: claims (and what compares with them), finishes, heartbeats and whoever leads
    have one each, so that nothing slow can be in their way; all else shares a small pool."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.claims = Link(url, name="plait claims")
        self.finishes = Link(url, name="plait finishes")
        self.large_finishes = Link(url, name="plait large results", patience=6)
        self.beats = Link(url, name="plait heartbeat")
        self.lead = Link(url, name="plait leader")
        self.pool = LinkPool(url)
        self.events = EventStore(self.pool)
        self.control = ControlStore(self.pool)
        self.catalog = CatalogStore(self.pool)
        self.runs = RunStore(self.pool)
        self.logs = LogStore(self.pool)
        self.schedules = ScheduleStore(self.pool)
        self.retention = RetentionStore(self.pool)
        self.observation = ObservationStore(self.pool)
        self._versions: dict[int, StoredVersion] = {}
        self._unreadable: dict[int, UnreadableVersionError] = {}

    async def open(self) -> None:
        """Open the connections that a worker must not be without once it holds tasks."""
        for link in (self.finishes, self.beats, self.claims):
            await link.open()

    async def close(self) -> None:
        """Close every connection."""
        await self.claims.close()
        await self.finishes.close()
        await self.large_finishes.close()
        await self.beats.close()
        await self.lead.close()
        await self.pool.close()

    # definitions

    async def register_version(self, definition: WorkflowDefinition) -> StoredVersion:
        """Store a version unless it is there, and return it with its ids."""
        schedules = [_to_microseconds(task.schedule_timeout) for task in definition.tasks]
        row = await self.pool.fetchrow(
            load_sql("register_version"),
            definition.name,
            definition.digest,
            definition.to_json(),
            [task.name for task in definition.tasks],
            list(definition.roots),
            schedules,
            list(definition.pending),
            FORMAT,
            definition.awaits_events,
        )
        if row is None:
            raise OperationError("register_version returned nothing")
        version = StoredVersion(row["id"], definition, tuple(row["actions"]))
        self._versions[version.id] = version
        return version

    async def read_version(self, version_id: int) -> StoredVersion:
        """A stored version by id, cached for ever: versions never change. Raises ``NotFoundError``, and
        ``UnreadableVersionError`` for one that a newer Plait stored."""
        if version_id in self._unreadable:
            raise self._unreadable[version_id]
        if version_id not in self._versions:
            row = await self.pool.fetchrow(load_sql("read_version"), version_id)
            if row is None:
                raise NotFoundError(f"there is no workflow version {version_id}")
            try:
                self._versions[version_id] = _read_version(row)
            except UnreadableVersionError as error:
                self._unreadable[version_id] = error
                raise
        return self._versions[version_id]

    def get_version(self, version_id: int) -> StoredVersion | None:
        """A version if this process has met it before."""
        return self._versions.get(version_id)

    # the four statements

    async def start_runs(self, rows: Sequence[StartRow], *, notify: bool = False) -> list[UUID | None]:
        """Start runs in one commit; a run that exists already starts nothing. Returns the effective ids in order:
        another id than the given one where an idempotency key or a child's key was taken, None for a child whose
        parent task does not run any more, ``KEY_HELD`` where a transaction that is still open holds the key.
        ``notify``: the commit carries the hint."""
        keys = [row.idempotency_key for row in rows]
        triggers = _spread_triggers(rows) if any(row.trigger for row in rows) else (None,) * 5
        answer = await self.pool.fetchrow(
            load_sql("start_runs"),
            [row.run_id for row in rows],
            [row.version_id for row in rows],
            [row.input for row in rows],
            [row.metadata for row in rows],
            [row.priority for row in rows],
            keys if any(keys) else None,
            notify,
            *triggers,
        )
        if answer is None:
            raise OperationError("plait.start_runs returned nothing")
        return list(answer["run_ids"])

    async def claim_tasks(
        self,
        worker_id: UUID,
        actions: ActionRanges,
        limit: int,
        room: int = 1,
        parts: int = 1,
        *,
        input_bytes: int = 4 << 20,
        given: Sequence[int] = (0,),
    ) -> Claimed:
        """Take up to ``limit`` ready tasks of ``actions`` for a worker, with up to so many bytes of inputs; of
        ``parts`` that it has for suspects in all, ``room`` are free. ``given``: how many tasks each workflow was
        given lately, by its number; who got fewer comes first within a priority. Nothing is taken without a connection
        on which results can be stored."""
        await self.finishes.open()
        rows = await self.claims.fetch(
            load_sql("claim_tasks"), worker_id, *actions, limit, room, parts, input_bytes, given
        )
        first = rows[0]
        return Claimed(rows if first["run_id"] is not None else [], first["seen"], first["alive"])

    async def claim_expired(self, worker_id: UUID, limit: int) -> list[Record]:
        """Take ready tasks whose schedule timeout has passed, whatever their action."""
        return await self.claims.fetch(load_sql("claim_expired"), worker_id, limit)

    async def finish_tasks(self, worker_id: UUID, arrays: FinishArrays, *, large: bool = False) -> Finished:
        """Finish a batch of attempts; a ``large`` one over a link of its own, which is waited for longer."""
        link = self.large_finishes if large else self.finishes
        row = await link.fetchrow(load_sql("finish_tasks"), worker_id, *arrays)
        if row is None:
            raise OperationError("finish_tasks returned nothing")
        return Finished(
            frozenset(row["accepted"] or ()),
            tuple(zip(row["continued_runs"] or (), row["continued_tasks"] or (), strict=True)),
            tuple(row["ended_runs"] or ()),
            tuple(row["queued_actions"] or ()),
            row["next_due"],
            row["cancels"],
        )

    async def count_stored(self, outcomes: Sequence[tuple[Attempt, Report]]) -> int:
        """How many of these outcomes are stored."""
        columns = zip(*((a.run.id, a.task, a.attempt, int(report.status)) for a, report in outcomes), strict=True)
        row = await self.pool.fetchrow(load_sql("count_stored"), *map(list, columns))
        return row["stored"] if row else 0

    async def wake_tasks(self, limit: int) -> tuple[int, list[int]]:
        """Move due tasks from waiting to ready. Returns how many, and their actions."""
        row = await self.pool.fetchrow(load_sql("wake_tasks"), limit)
        return (row["moved"], row["actions"] or []) if row else (0, [])

    # what workers and waiters read

    async def read_held(self, worker_id: UUID) -> dict[tuple[UUID, int, int], bool]:
        """Run, task and attempt of what a worker holds according to the database; whether each is to be cancelled."""
        rows = await self.claims.fetch(load_sql("read_held"), worker_id)
        return {(row["run_id"], row["task"], row["attempt"]): row["cancelled"] for row in rows}

    async def read_running(
        self, worker_id: UUID, keys: Sequence[tuple[UUID, int, int]], input_bytes: int
    ) -> list[Record]:
        """Tasks that a worker holds, by run, task and attempt, shaped as a claim returns them."""
        runs, tasks = [run_id for run_id, _, _ in keys], [task for _, task, _ in keys]
        return await self.claims.fetch(load_sql("read_running"), worker_id, runs, tasks, input_bytes)

    async def read_ended(self, runs: Sequence[UUID], value_bytes: int) -> list[Record]:
        """Which of these runs have ended, with the outcome of each of their tasks, in task order, and up to so many
        bytes of outputs and errors."""
        return await self.pool.fetch(load_sql("read_ended"), runs, value_bytes)

    async def peek_priority(self, actions: ActionRanges) -> int:
        """The highest priority that waits in ready for one of these actions; 0 when nothing does."""
        row = await self.pool.fetchrow(load_sql("peek_priority"), actions.lows, actions.highs)
        return (row["priority"] or 0) if row else 0

    async def read_run(self, run_id: UUID) -> Record | None:
        """One run, or None."""
        return await self.pool.fetchrow(load_sql("read_run"), run_id)

    # workers and maintenance

    async def register_worker(self, worker: WorkerRow, replaces: UUID | None, ending: str = "died") -> None:
        """Announce a worker, and that the one it replaces has ended, and how; see ``plait.worker.ending``."""
        await self.pool.execute(
            load_sql("register_worker"),
            worker.id,
            worker.name,
            worker.host,
            worker.pid,
            worker.slots,
            worker.labels,
            worker.actions,
            replaces,
            worker.plait,
            round(worker.lease_seconds * 1e6),
            ending,
            worker.versions,
        )

    async def begin_suspect(
        self, worker_id: UUID, key: tuple[UUID, int, int], begun: Sequence[str]
    ) -> dict[str, int] | None:
        """Note which suspects a worker has begun, this one (run, task, attempt) too. Returns how often it was lost, by
        how its worker ended; None when it is not this worker's any more."""
        rows = await self.pool.fetch(load_sql("begin_suspect"), worker_id, *key, begun)
        return {row["ending"]: row["losses"] for row in rows} if rows else None

    async def beat_worker(
        self, worker_id: UUID, clock: float, pace: list[int] | None = None, switched_off: Sequence[str] = ()
    ) -> bool:
        """Renew a worker's lease, and tell its clock (seconds since 1970), its pace, and the expressions that it has
        switched off. Returns False when it was declared dead."""
        row = await self.beats.fetchrow(load_sql("beat_worker"), worker_id, pace, clock, switched_off or None)
        return row is not None

    async def read_fleet(self, worker_id: UUID) -> Fleet:
        """What lives beside a worker."""
        row = await self.beats.fetchrow(load_sql("read_fleet"), worker_id)
        assert row is not None
        return Fleet(row["others"], row["peers"], row["alone"])

    async def end_worker(self, worker_id: UUID) -> None:
        """A worker stops; what it still holds goes back at the next reaping."""
        await self.pool.execute(load_sql("end_worker"), worker_id)

    async def reap_workers(
        self, limit: int, *, step: float = 0.0, watched: int | None = None, longest_step: float = 0.0
    ) -> Reaped:
        """Declare workers dead that were silent for longer than their lease, and put back what the dead hold. ``step``:
        seconds watched since the answer with ``watched``, of at most ``longest_step``."""
        steps = round(step * 1e6), watched, round(longest_step * 1e6)
        row = await self.pool.fetchrow(load_sql("reap_workers"), limit, *steps)
        assert row is not None
        return Reaped(row["watched_us"], row["dead"], row["moved"], row["actions"] or [])

    async def turn_eras(self, base: int | None, tasks: int, most: int) -> Turned:
        """Begin another era of the queue if ``tasks`` have left it since ``base`` had and are in the way still, of at
        most ``most``; drop those that are over."""
        row = await self.pool.fetchrow(load_sql("turn_eras"), base, tasks, most)
        assert row is not None
        return Turned(row["deleted"], row["begun"], row["steps"])

    async def sweep_ended(self, limit: int) -> None:
        """Drop what is still held of runs that have ended."""
        await self.pool.execute(load_sql("sweep_ended"), limit)

    async def take_lease(self, name: str, holder: UUID, seconds: float) -> bool:
        """Take or renew a lease. Returns whether ``holder`` has it; then it has a link for renewing it, too, because
        the pool may be busy with what the holder does."""
        link = self.lead if self.lead.is_open else self.pool
        if await link.fetchrow(load_sql("take_lease"), name, holder, round(seconds * 1e6)) is None:
            await self.lead.close()
            return False
        with suppress(DatabaseUnavailableError):  # there may be none left: then the pool will do
            await self.lead.open()
        return True

    async def drop_lease(self, name: str, holder: UUID) -> None:
        """Give a lease back early."""
        await self.pool.execute(load_sql("drop_lease"), name, holder)

    async def read_next_due(self) -> float | None:
        """Seconds until the next timer, negative when one is late; None without any."""
        row = await self.pool.fetchrow(load_sql("read_next_due"))
        return row["seconds"] if row else None

    # for people who look after it

    async def list_workers(self) -> list[Record]:
        """Workers that did not end, those that fell silent included."""
        return await self.pool.fetch(load_sql("list_workers"))

    async def list_unserved(self, limit: int) -> list[Record]:
        """Ready tasks that no live worker has code for: workflow, task, how many (up to ``limit`` each); and the format
        of their workflow, beside the one in which live workers have the task, if they have."""
        return await self.pool.fetch(load_sql("list_unserved"), limit)

    async def read_server(self) -> Record | None:
        """Version and clock of the server, and whether it refuses writes."""
        return await self.pool.fetchrow(load_sql("read_server"))


def _read_version(row: Record) -> StoredVersion:
    try:
        definition = WorkflowDefinition.from_json(row["definition"])
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableVersionError(
            f"version {row['id']} of workflow {row['workflow']!r} was stored by a newer Plait and cannot be read here "
            f"({error}): upgrade Plait here; workers with the newer one run it",
            StoredVersion.outline(row["id"], row["workflow"], row["actions"], row["schedules_us"]),
        ) from error
    return StoredVersion(row["id"], definition, tuple(row["actions"]))


def _spread_triggers(rows: Sequence[StartRow]) -> tuple[list[Any] | None, ...]:
    """The triggers of rows as the arrays of ``start_runs.sql``: kinds, ids, tasks, attempts, child keys."""
    *columns, child_keys = (list(column) for column in zip(*(row.trigger or (None,) * 5 for row in rows), strict=True))
    return *columns, child_keys if any(child_keys) else None


def _to_microseconds(seconds: float | None) -> int:
    return -1 if seconds is None else round(seconds * 1e6)
