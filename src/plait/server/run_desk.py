"""Questions about runs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple
from uuid import UUID

from plait.errors import NotFoundError
from plait.features.base import on_engine
from plait.features.logs import build_level, parse_cursor
from plait.features.why import Crew
from plait.graph.conditions import describe_groups
from plait.graph.definition import Status, TaskDefinition
from plait.graph.triggers import TriggerKind
from plait.ids import bound_run_id
from plait.server.desk_base import DeskBase
from plait.server.models.runs import (
    ChildItem,
    ChildPage,
    HistogramBar,
    LogLine,
    LogPage,
    RunFilterBody,
    RunItem,
    RunPage,
    RunQuery,
    RunStats,
    RunStatsQuery,
    RunView,
    StatusCounts,
    TaskView,
)
from plait.server.payloads import PREVIEW_BYTES, read_failure, show_payload
from plait.server.run_views import ACTIVE, TaskBuilder, build_item, build_view
from plait.types import TaskStatus, WorkflowRunStatus

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.graph.attempt import StoredVersion
    from plait.store.dashboard import RunFilters
    from plait.store.store import Store

LOOK_AT = 50_000
"""Runs that one statement of a search looks at."""
CHARTED = 30_000
"""Runs that a chart counts. Those that have not ended cost more than others: it asks whether any of them has begun."""
SEARCH_SECONDS = 0.05
"""A page that is not full looks at more, until that is over."""
CANDIDATES = 2_000
"""Runs found by what they are in, or by what started them, that one page looks at."""
FIRST_ID, LAST_ID = UUID(int=0), UUID(int=2**128 - 1)
_OPEN = {WorkflowRunStatus.QUEUED, WorkflowRunStatus.RUNNING}
_MOST_WORKERS = 1000


class Search(NamedTuple):
    """A filter as the store takes it. ``active``: only runs that have not ended can pass."""

    before: UUID
    first: UUID
    filters: RunFilters
    active: bool
    triggered_by: UUID | None


class Found(NamedTuple):
    """What a bounded search found; ``next``: where it goes on, unless that was all."""

    rows: Sequence[Record]
    next: UUID | None
    cut: bool


class RunDesk(DeskBase):
    """Looks at runs. Every list looks at a bounded number of them."""

    @on_engine
    async def list(self, query: RunQuery) -> RunPage:
        """A page of runs."""
        found = await self.search(read_filter(query, query.before), query.limit)
        return RunPage(runs=[build_item(row) for row in found.rows], next=found.next, cut=found.cut)

    async def search(self, wanted: Search, limit: int) -> Found:
        """At most ``limit`` runs that pass, newest first (engine's loop)."""
        store = await self._open_store()
        if wanted.triggered_by is not None or wanted.active:
            return await self._search_candidates(store, wanted, limit)
        rows: Sequence[Record] = []
        deadline = time.monotonic() + SEARCH_SECONDS
        before: UUID | None = wanted.before
        while before is not None:
            found = await store.dashboard.search_runs(before, wanted.first, wanted.filters, LOOK_AT, limit - len(rows))
            rows = [*rows, *found]
            if len(rows) == limit:
                return Found(rows, rows[-1]["id"], False)
            before = await store.dashboard.find_run_before(before, wanted.first, LOOK_AT)
            if time.monotonic() > deadline:
                break
        return Found(rows, before, before is not None)

    async def _search_candidates(self, store: Store, wanted: Search, limit: int) -> Found:
        cap = max(CANDIDATES, limit)
        if wanted.triggered_by is not None:
            ids = await store.dashboard.find_triggered_runs(wanted.triggered_by, wanted.before, wanted.first, cap)
        else:
            workflows = wanted.filters.workflows
            ids = await store.dashboard.find_active_runs(wanted.before, wanted.first, workflows, cap)
        rows = await store.dashboard.filter_runs(ids, wanted.filters)
        if len(rows) > limit:
            return Found(rows[:limit], rows[limit - 1]["id"], False)
        more = ids[-1] if len(ids) == cap else None
        return Found(rows, more, more is not None and len(rows) < limit)

    async def choose(self, ids: Sequence[UUID], statuses: Sequence[WorkflowRunStatus]) -> Sequence[UUID]:
        """Those of these runs that have one of these statuses (engine's loop)."""
        store = await self._open_store()
        filters = read_filter(RunFilterBody.model_validate({"status": statuses}), None).filters
        chosen: Sequence[UUID] = []
        for start in range(0, len(ids), CANDIDATES):
            rows = await store.dashboard.filter_runs(ids[start : start + CANDIDATES], filters)
            chosen = [*chosen, *(row["id"] for row in rows)]
        return chosen

    async def read_given(self, ids: Sequence[UUID]) -> Sequence[Record]:
        """These runs, newest first (engine's loop)."""
        filters = read_filter(RunFilterBody.model_validate({}), None).filters
        return await (await self._open_store()).dashboard.filter_runs(ids, filters)

    @on_engine
    async def count(self, query: RunStatsQuery) -> RunStats:
        """Counts per status, and a histogram."""
        store = await self._open_store()
        wanted = read_filter(query, None)
        if wanted.active or wanted.triggered_by is not None:
            found = await self._search_candidates(store, wanted, CANDIDATES)
            return _chart_rows(found, query)
        span = (query.since, query.until)
        rows = await store.dashboard.chart_runs(wanted.before, wanted.first, wanted.filters, span, CHARTED, query.bars)
        capped = await store.dashboard.find_run_before(wanted.before, wanted.first, CHARTED + 1) is not None
        counts: Counter[tuple[int, int]] = Counter()
        for row in rows:
            counts[row["bar"] - 1, row["code"]] += row["runs"]
        found_span = (rows[0]["first"], rows[0]["last"]) if rows else None
        return _build_stats(counts, found_span, query.bars, capped)

    @on_engine
    async def get(self, run_id: UUID) -> RunView:
        """One run with its tasks."""
        store, row, version = await self._read(run_id)
        builder = await self._survey(store, row, version)
        return build_view(row, version, builder.build_all(), await self._name_parent_task(store, row))

    @on_engine
    async def get_task(self, run_id: UUID, task: int) -> TaskView:
        """One task, with everything."""
        store, row, version = await self._read(run_id)
        spec = _get_spec(version, task)
        builder = await self._survey(store, row, version)
        item = builder.build(task)
        attempts = await store.dashboard.read_attempts(run_id, task, PREVIEW_BYTES)
        lines = await store.dashboard.list_logs(run_id, [task], (0, -1), None, 1, None)
        conditions = {
            name: describe_groups(version.definition, task, groups) if groups else None
            for name, groups in (("wait_for", spec.wait_for), ("skip_if", spec.skip_if), ("cancel_if", spec.cancel_if))
        }
        more = {"output": None, "logs": bool(lines), "waits_for": builder.list_waits(task)}
        view = TaskView.model_validate({**item.model_dump(), **conditions, **more})
        _fill_in(view, attempts)
        return view

    @on_engine
    async def list_children(self, run_id: UUID, after: UUID | None, limit: int) -> ChildPage:
        """Child runs, oldest first."""
        store, _, version = await self._read(run_id)
        rows = await store.dashboard.list_children(run_id, after or FIRST_ID, limit)
        names = version.definition.tasks
        children = [
            ChildItem(run=build_item(row), task=names[row["parent_task"]].name, task_index=row["parent_task"])
            for row in rows
        ]
        return ChildPage(children=children, next=rows[-1]["id"] if len(rows) == limit else None)

    @on_engine
    async def read_input(self, run_id: UUID) -> bytes:
        """The whole input."""
        row = await (await self._open_store()).read_run(run_id)
        if row is None:
            raise no_run(run_id)
        return bytes(row["input"])

    @on_engine
    async def read_payload(self, run_id: UUID, task: int, what: Literal["output", "error"]) -> bytes:
        """The whole output or error of a task."""
        store, _, version = await self._read(run_id)
        spec = _get_spec(version, task)
        row = await store.dashboard.read_payload(run_id, task)
        if row is None or row[what] is None:
            raise NotFoundError(f"task {spec.name!r} of run {run_id} has no {what}")
        return bytes(row[what])

    @on_engine
    async def list_logs(
        self, run_id: UUID, task: int | None, attempt: int | None, search: str | None, after: str | None, limit: int
    ) -> LogPage:
        """Lines of a run or of one of its tasks."""
        store, _, version = await self._read(run_id)
        tasks = version.definition.tasks
        chosen = range(len(tasks)) if task is None else [task]
        if task is not None:
            _get_spec(version, task)
        rows = await store.dashboard.list_logs(run_id, chosen, parse_cursor(after), search or None, limit, attempt)
        lines = [
            LogLine(
                id=row["seq"],
                at=datetime.fromtimestamp(row["seq"] / 1e6, UTC),
                task=row["task"],
                task_name=tasks[row["task"]].name,
                attempt=row["attempt"],
                level=build_level(row["level"]),
                text=row["line"],
            )
            for row in rows
        ]
        following = f"{lines[-1].id}.{lines[-1].task}" if lines else after
        return LogPage(lines=lines, next=following, more=len(lines) == limit)

    # within

    async def _read(self, run_id: UUID) -> tuple[Store, Record, StoredVersion]:
        store = await self._open_store()
        row = await store.dashboard.read_run(run_id, PREVIEW_BYTES)
        if row is None:
            raise no_run(run_id)
        return store, row, await store.read_version(row["version_id"])

    async def _survey(self, store: Store, row: Record, version: StoredVersion) -> TaskBuilder:
        rows = await store.dashboard.survey_tasks(row["id"], version.actions)
        queued = {version.actions[found["task"]] for found in rows if found["room"] == "ready"}
        return TaskBuilder(row, version, rows, await read_crews(store, queued) if queued else {})

    async def _name_parent_task(self, store: Store, row: Record) -> str | None:
        if row["trigger_kind"] != TriggerKind.PARENT or row["parent_version"] is None or row["trigger_task"] is None:
            return None
        tasks = (await store.read_version(row["parent_version"])).definition.tasks
        return str(tasks[row["trigger_task"]].name)


async def read_crews(store: Store, actions: set[int]) -> dict[int, Crew]:
    """For each of some actions, the live workers that have its code."""
    crews: dict[int, Crew] = {}
    for worker in await store.catalog.survey_workers(_MOST_WORKERS, ended=False):
        if worker["late"]:
            continue
        for action in actions & set(worker["actions"]):
            crew = crews.get(action, Crew())
            crews[action] = Crew(crew.workers + 1, crew.slots + worker["slots"], crew.in_use + worker["held"])
    return crews


def no_run(run_id: UUID) -> NotFoundError:
    return NotFoundError(f"there is no run {run_id}")


def read_filter(body: RunFilterBody, before: UUID | None) -> Search:
    """A filter of the API as the store takes it."""
    from plait.store.dashboard import RunFilters  # noqa: PLC0415 - asyncpg comes with it

    names = set(body.status)
    if names == set(WorkflowRunStatus):
        names = set()
    statuses = [int(Status[name]) for name in names - _OPEN] + ([ACTIVE] if names & _OPEN else [])
    tokens = [token.partition(":") for token in body.metadata]
    filters = RunFilters(
        list(body.workflow) or None,
        statuses or None,
        WorkflowRunStatus.RUNNING in names if len(names & _OPEN) == 1 else None,
        [int(TriggerKind[word]) for word in body.trigger] or None,
        [key for key, _, _ in tokens] or None,
        [value for _, _, value in tokens] if tokens else None,
    )
    ends = [before or LAST_ID]
    if body.until is not None:
        ends.append(bound_run_id(body.until))
    first = bound_run_id(body.since) if body.since else FIRST_ID
    return Search(min(ends), first, filters, bool(names) and names <= _OPEN, body.triggered_by)


def _get_spec(version: StoredVersion, task: int) -> TaskDefinition:
    tasks = version.definition.tasks
    if task >= len(tasks):
        raise NotFoundError(f"workflow {version.definition.name!r} has {len(tasks)} tasks: there is none at {task}")
    return tasks[task]


def _fill_in(view: TaskView, attempts: Sequence[Record]) -> None:
    """Payloads and whole errors of a task."""
    by_number = {row["attempt"]: row for row in attempts}
    for attempt in view.attempts:
        attempt.error = read_failure(by_number[attempt.number]["error"]) if attempt.number in by_number else None
    if view.error is not None and view.attempts:
        view.error = view.attempts[-1].error
    if view.status is TaskStatus.COMPLETED and attempts and attempts[-1]["output"] is not None:
        view.output = show_payload(attempts[-1]["output"], attempts[-1]["output_size"])


_FIELD_BY_CODE = {0: "queued", 1: "running", 2: "completed", 3: "cancelled", 4: "failed"}


def _chart_rows(found: Found, query: RunStatsQuery) -> RunStats:
    """The same as the statement counts, of runs that are at hand."""
    items: Sequence[RunItem] = [build_item(row) for row in found.rows]
    counts: Counter[tuple[int, int]] = Counter()
    span = None
    if items:
        first = (query.since or items[-1].created_at).timestamp()
        last = max((query.until or items[0].created_at).timestamp(), first + 1)
        span = (first, last)
        codes = {name.upper(): code for code, name in _FIELD_BY_CODE.items()}
        for item in items:
            place = int((item.created_at.timestamp() - first) / (last - first) * query.bars)
            counts[min(max(place, 0), query.bars - 1), codes[item.status.value]] += 1
    return _build_stats(counts, span, query.bars, found.next is not None)


def _build_stats(
    counts: Counter[tuple[int, int]], span: tuple[float, float] | None, bars: int, capped: bool
) -> RunStats:
    totals: Counter[str] = Counter()
    per_bar: dict[int, Counter[str]] = {}
    for (bar, code), number in counts.items():
        totals[_FIELD_BY_CODE[code]] += number
        per_bar.setdefault(bar, Counter())[_FIELD_BY_CODE[code]] += number
    if span is None:
        return RunStats(counts=StatusCounts(), bars=[], since=None, until=None, capped=capped)
    begin = datetime.fromtimestamp(span[0], UTC)
    width = timedelta(seconds=(span[1] - span[0]) / bars)
    return RunStats(
        counts=StatusCounts(**totals),
        bars=[
            HistogramBar(start=begin + width * bar, counts=StatusCounts(**per_bar.get(bar, Counter())))
            for bar in range(bars)
        ],
        since=begin,
        until=datetime.fromtimestamp(span[1], UTC),
        capped=capped,
    )
