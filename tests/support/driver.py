"""Drives the bare statements without a worker: claims, finishes and reaps on connections the test controls."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from plait.graph.attempt import Report, RunState, StoredVersion
from plait.graph.definition import Status, TaskDefinition, WorkflowDefinition
from plait.ids import new_run_id
from plait.store.connection import connect
from plait.store.ranges import ActionRanges, find_ranges
from plait.store.statements import load_sql
from plait.store.store import FinishArrays, StartRow, Store, WorkerRow
from plait.worker.assignment import Assignment
from plait.worker.plan import Room, plan_finish

Reports = Report | Mapping[tuple[UUID, int], Report] | None


def make_definition(name: str, **parents: Sequence[str]) -> WorkflowDefinition:
    """A graph from ``task=[its parents]``, in topological order."""
    order = list(parents)
    return WorkflowDefinition(
        name,
        tuple(
            TaskDefinition(name=task, parents=tuple(order.index(parent) for parent in wanted))
            for task, wanted in parents.items()
        ),
    )


class Driver:
    """One pretended worker with a connection of its own, registered with a lease that may already have ended."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.id = new_run_id()
        self.store = Store(url)
        self.connection: asyncpg.Connection
        self.version: StoredVersion
        self._goes_on = False

    async def open(self, definition: WorkflowDefinition, *, lease: float = 3600.0) -> Driver:
        self.connection = await connect(self.url, application_name="driver")
        self.version = await self.store.register_version(definition)
        await self.register(lease=lease)
        return self

    async def register(self, *, lease: float = 3600.0) -> None:
        """Announce itself as a worker."""
        row = WorkerRow(self.id, "driver", "test", 0, 1, None, list(self.version.actions), "0", lease, [])
        await self.store.register_worker(row, None)

    async def close(self) -> None:
        self.connection.terminate()
        await self.store.close()

    async def start(self, count: int, **options: Any) -> list[UUID]:
        """Start runs of the version."""
        rows = [StartRow(new_run_id(), self.version.id, b"{}", None, 1, options.get("key")) for _ in range(count)]
        return await self.store.start_runs(rows)

    async def claim(self, *tasks: str, limit: int = 100_000) -> list[Assignment]:
        """Claim ready tasks of these names."""
        index = self.version.definition.index_by_name
        rows = await self.connection.fetch(
            load_sql("claim_tasks"),
            self.id,
            *find_ranges([[self.version.actions[index[task]] for task in tasks]]),
            limit,
            limit,
            1,
            1 << 30,
            [0],
        )
        return [self.take(row) for row in rows if row["run_id"] is not None]  # a claim tells at least what it saw

    @property
    def actions(self) -> ActionRanges:
        """Those of its version, as a claim wants them."""
        return find_ranges([self.version.actions])

    def take(self, row: Any) -> Assignment:
        run = RunState(
            row["run_id"], self.version, b"", None, row["priority"], Status.COMPLETED, ended=row["status"] != 0
        )
        return Assignment(run, row["task"], row["attempt"], row["retry"], row["lost"], None)

    def plan(self, assignments: Sequence[Assignment], report: Reports = None) -> FinishArrays:
        """The arrays with which a worker finishes these; completed, unless told otherwise, for all or for each by its
        key."""
        if not isinstance(report, Mapping):
            report = dict.fromkeys([one.key for one in assignments], report or Report(Status.COMPLETED, b"1"))
        batch = sorted(assignments, key=lambda assignment: (assignment.run.id, assignment.task))
        codes = self.version.actions if self._goes_on else ()
        room = Room(
            codes, 100_000, sum(assignment.slot for assignment in batch), stopping=not self._goes_on, alone=True
        )
        return plan_finish([(assignment, report[assignment.key]) for assignment in batch], room).arrays

    async def finish(self, assignments: Sequence[Assignment], report: Reports = None) -> Any:
        """Finish these in one commit. Returns the statement's row."""
        return await self.connection.fetchrow(load_sql("finish_tasks"), self.id, *self.plan(assignments, report))

    def continue_locally(self, local: bool) -> None:
        """Whether what a finish frees goes on here, as in a worker with room for everything, or to ready."""
        self._goes_on = local

    def take_continued(self, answer: Any) -> list[Assignment]:
        """The assignments that a finish put into this worker's hands."""
        pairs = zip(answer["continued_runs"] or (), answer["continued_tasks"] or (), strict=True)
        return [
            Assignment(RunState(run_id, self.version, b"", None, 1, Status.COMPLETED, ended=False), task, 1, 0, 0, None)
            for run_id, task in pairs
        ]

    async def deliver(
        self,
        events: Sequence[UUID],
        starts: Sequence[tuple[Any, ...]] = (),
        heard: Sequence[tuple[Any, ...]] = (),
        *,
        most: int = 1000,
    ) -> Any:
        """Deliver events. ``starts`` and ``heard`` as in ``Delivery``, a tuple each. Returns the statement's row."""
        columns = [list(column) for column in zip(*starts, strict=True)] or [[] for _ in range(5)]
        columns += [list(column) for column in zip(*heard, strict=True)] or [[] for _ in range(5)]
        return await self.connection.fetchrow(load_sql("deliver_events"), list(events), most, *columns)

    async def run(self, statement: str, *arguments: Any) -> Any:
        """Any other statement file, on this driver's connection."""
        return await self.connection.fetch(load_sql(statement), *arguments)

    @property
    def pid(self) -> int:
        return int(self.connection.get_server_pid())


async def settle(task: asyncio.Task[Any], pid: int, watcher: asyncpg.Connection) -> None:
    """Wait until ``task`` is done or its session waits for a lock."""
    for _ in range(2000):
        blocked = "SELECT wait_event_type = 'Lock' FROM pg_stat_get_activity($1)"  # the view reads all sessions
        if task.done() or await watcher.fetchval(blocked, pid):
            return
        await asyncio.wait([task], timeout=0.002)
    raise AssertionError("neither done nor blocked")
