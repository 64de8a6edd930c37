"""The spans of runs and of their tasks, made once a run has ended from the times that the database has.

Exactly one process ends a run: the worker whose commit ended it, or whoever cancelled it. That process reads its
attempts and exports its spans, beside the work and never in its way.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from opentelemetry.trace import Link, SpanContext, SpanKind

from plait.graph.attempt import RunState
from plait.graph.definition import STATUS_BY_CODE, Status, WorkflowDefinition
from plait.tracing.ids import derive_attempt_span, derive_run_span, derive_task_span
from plait.tracing.spans import RunPlace, Tracing, describe_attempt, describe_run, describe_task, set_outcome

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.store.store import Store

logger = logging.getLogger("plait.tracing")

MOST_WAITING = 10_000
"""Ended runs that wait to be read at most; where more come, some have no spans of their own."""
PAGE_TASKS = 5_000
"""Tasks of the runs that are read in one statement, a single larger run aside."""
PAGE_RUNS = 200
SETTLE_SECONDS = 2.0
FLUSH_SECONDS = 2.0
"""How long who stops waits for the export of spans."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LifetimeReader:
    """Takes ended runs, reads what became of them, and has their spans made. Everything runs on the engine's loop."""

    def __init__(self, store: Store, tracing: Tracing) -> None:
        self.tracing = tracing
        self._store = store
        self._waiting: deque[tuple[UUID, int]] = deque()
        self._reading: asyncio.Task[None] | None = None

    def note_ended(self, ended: Iterable[UUID], runs: Iterable[RunState]) -> None:
        """Runs that this worker ended, and what it knew of them."""
        wanted = set(ended)
        found = {run.id: run for run in runs if run.id in wanted}
        self._add(
            (run.id, len(run.version.definition.tasks)) for run in found.values() if self.tracing.wants_lifetime(run)
        )

    def note_cancelled(self, ended: Iterable[UUID]) -> None:
        """Runs that this process ended by cancelling them."""
        self._add((run_id, PAGE_TASKS // 10) for run_id in ended)

    async def settle(self) -> None:
        """Have what came so far read and exported, for a bounded time."""
        if self._reading is not None:
            await asyncio.wait([self._reading], timeout=SETTLE_SECONDS)
        await self.tracing.flush(FLUSH_SECONDS)

    def _add(self, runs: Iterable[tuple[UUID, int]]) -> None:
        for run in runs:
            if len(self._waiting) >= MOST_WAITING:
                self.tracing.recorder.tell("runs end faster than their spans are made: some runs get no spans")
                return
            self._waiting.append(run)
        if self._waiting and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self._read_all(), name="plait-traces")

    async def _read_all(self) -> None:
        while self._waiting:
            page: list[UUID] = []
            tasks = 0
            while self._waiting and len(page) < PAGE_RUNS and (not page or tasks + self._waiting[0][1] <= PAGE_TASKS):
                run_id, size = self._waiting.popleft()
                page.append(run_id)
                tasks += size
            try:
                for row in await self._store.observation.read_lifetimes(page):
                    definition = (await self._store.read_version(row["version_id"])).definition
                    self.tracing.recorder.put(partial(export_lifetime, self.tracing, row, definition))
            except Exception as error:  # the database is away, say: the work goes on, these spans are missing
                self.tracing.recorder.tell(error)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt as the database has it."""

    task: int
    number: int
    status: Status
    worker_id: UUID | None
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime
    reason: str | None
    error: bytes | None


def export_lifetime(tracing: Tracing, row: Record, definition: WorkflowDefinition) -> None:
    """Export the span of an ended run, those of its tasks, and those of attempts that were lost with their worker."""
    place = tracing.read_place(row["id"], row["metadata"])
    if place is None or not place.flags.sampled:
        return
    attempts = _read_attempts(row)
    first: int = row["first_attempt"]
    begun = row["created_at"] if first == 1 else min((one.queued_at for one in attempts), default=row["finished_at"])
    run_span_id = derive_run_span(row["id"], first)
    links = []
    if first > 1:
        earlier = SpanContext(place.trace_id, derive_run_span(row["id"], 1), True, place.flags)
        links.append(Link(earlier, {"plait.link": "replay"}))
    span = tracing.start_span(
        f"run {definition.name}",
        run_span_id,
        place.context,
        SpanKind.INTERNAL,
        describe_run(row["id"], definition.name),
        links,
        _to_ns(begun),
        trace_id=place.trace_id,
    )
    set_outcome(span, "run", STATUS_BY_CODE[row["status"]], None, None)
    groups: dict[int, list[_Attempt]] = {}
    for one in attempts:
        groups.setdefault(one.task, []).append(one)
    for task, group in groups.items():
        _export_task(tracing, place, row, definition, task, group)
    span.end(_to_ns(row["finished_at"]))


def _export_task(
    tracing: Tracing,
    place: RunPlace,
    row: Record,
    definition: WorkflowDefinition,
    task: int,
    attempts: Sequence[_Attempt],
) -> None:
    run_id, first, name = row["id"], row["first_attempt"], definition.tasks[task].name
    span = tracing.start_span(
        f"task {definition.name}.{name}",
        derive_task_span(run_id, first, task),
        place.make_parent(derive_run_span(run_id, first)),
        SpanKind.INTERNAL,
        describe_task(run_id, definition.name, task, name) | {"plait.attempt.count": len(attempts)},
        (),
        _to_ns(min(one.queued_at for one in attempts)),
    )
    last = attempts[-1]
    set_outcome(span, "task", last.status, last.error, last.reason)
    for one in attempts:
        if one.status is Status.LOST and one.started_at is not None:
            lost = tracing.start_span(
                f"attempt {definition.name}.{name}",
                derive_attempt_span(run_id, task, one.number),
                place.make_parent(derive_task_span(run_id, first, task)),
                SpanKind.CONSUMER,
                describe_attempt(run_id, definition.name, task, name, one.number, str(one.worker_id)),
                (),
                _to_ns(one.started_at),
            )
            set_outcome(lost, "attempt", one.status, one.error, one.reason)
            lost.end(_to_ns(one.finished_at))
    span.end(_to_ns(max(one.finished_at for one in attempts)))


def _read_attempts(row: Record) -> list[_Attempt]:
    columns: list[Sequence[Any]] = [
        row[name] or ()
        for name in (
            "tasks",
            "attempts",
            "statuses",
            "workers",
            "queued",
            "started",
            "finished",
            "reasons",
            "errors",
        )
    ]
    return [
        _Attempt(
            task, number, STATUS_BY_CODE[code], worker, queued, started, finished, reason, error and error.encode()
        )
        for task, number, code, worker, queued, started, finished, reason, error in zip(*columns, strict=True)
    ]


def _to_ns(moment: datetime) -> int:
    since = moment - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000
