"""``plait.runs``: asking about runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from plait.errors import InvalidInputError, NotFoundError, TaskRunError
from plait.graph.definition import Status, TaskKind
from plait.ids import bound_run_id
from plait.refs import WorkflowRunRef
from plait.results import read_task_error
from plait.types import TaskStatus, WorkflowRunStatus
from plait.values import decode_json, encode_metadata

if TYPE_CHECKING:
    from plait.client import Plait
    from plait.store.store import StoredVersion

MAX_PAGE = 1000
_ACTIVE = 0
CLOCK_SLACK = timedelta(hours=25)
"""How far the clock of who made a run's id may be off for the run to be found by time: an hour, and a time zone."""
_FIRST_ID, _LAST_ID = UUID(int=0), UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run without its tasks. ``finished_at`` is None until it ended."""

    workflow_run_id: str
    workflow_name: str
    status: WorkflowRunStatus
    priority: int
    created_at: datetime
    finished_at: datetime | None
    additional_metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AttemptDetails:
    """One attempt that ended. ``outcome`` is its task's status, or ``RETRIED``, ``LOST``, ``RELEASED`` where the task
    went on; ``error`` and ``reason`` say why."""

    attempt_number: int
    retry_count: int
    outcome: str
    worker_id: str | None
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime
    error: TaskRunError | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class TaskDetails:
    """One task of a run. Times are those of its last attempt; ``due_at`` says when a waiting task goes on.

    ``max_attempts`` counts those its retries allow; attempts that were lost or handed back come on top.
    """

    name: str
    kind: TaskKind
    parents: tuple[str, ...]
    status: TaskStatus
    output: Any
    error: TaskRunError | None
    reason: str | None
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    due_at: datetime | None
    worker_id: str | None
    max_attempts: int
    attempts: tuple[AttemptDetails, ...]


@dataclass(frozen=True, slots=True)
class RunDetails:
    """One run with its input and every task, in graph order."""

    run: RunSummary
    input: Any
    tasks: dict[str, TaskDetails]

    @property
    def status(self) -> WorkflowRunStatus:
        return self.run.status


Page = list[RunSummary]
"""Runs, newest first. (A name of its own: inside ``RunsClient``, ``list`` is the method.)"""


class RunsClient:
    """Queries about runs, synchronous and (``aio_``) asynchronous. All raise ``NotFoundError`` for unknown ids."""

    def __init__(self, plait: Plait) -> None:
        self._plait = plait

    def get(self, workflow_run_id: str) -> RunSummary:
        """One run."""
        return self._plait.portal.call(self._get(workflow_run_id))

    async def aio_get(self, workflow_run_id: str) -> RunSummary:
        return await self._plait.portal.acall(self._get(workflow_run_id))

    def get_status(self, workflow_run_id: str) -> WorkflowRunStatus:
        """Where a run stands."""
        return self.get(workflow_run_id).status

    async def aio_get_status(self, workflow_run_id: str) -> WorkflowRunStatus:
        return (await self.aio_get(workflow_run_id)).status

    def get_run_ref(self, workflow_run_id: str) -> WorkflowRunRef:
        """A reference to a run by its id, to wait for its result. Asks nothing of the database."""
        return WorkflowRunRef(self._plait, parse_run_id(workflow_run_id), "")

    def get_details(self, workflow_run_id: str) -> RunDetails:
        """One run with its input and, for every task, status, output, error and attempts."""
        return self._plait.portal.call(self._get_details(workflow_run_id))

    async def aio_get_details(self, workflow_run_id: str) -> RunDetails:
        return await self._plait.portal.acall(self._get_details(workflow_run_id))

    def list(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        statuses: Sequence[WorkflowRunStatus] | None = None,
        workflow_names: Sequence[str] | None = None,
        additional_metadata: Mapping[str, Any] | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> Page:
        """A page of runs, newest first; ``before`` is the id of the last run of the page before.

        Args:
            since, until: bounds of the time they were triggered.
            statuses, workflow_names: any of these.
            additional_metadata: runs whose metadata contains all of this.
            limit: 1 to 1000.
        """
        page = (since, until, statuses, workflow_names, additional_metadata, limit, before)
        return self._plait.portal.call(self._list(*page))

    async def aio_list(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        statuses: Sequence[WorkflowRunStatus] | None = None,
        workflow_names: Sequence[str] | None = None,
        additional_metadata: Mapping[str, Any] | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> Page:
        """``list`` without blocking the loop."""
        page = (since, until, statuses, workflow_names, additional_metadata, limit, before)
        return await self._plait.portal.acall(self._list(*page))

    async def _get(self, workflow_run_id: str) -> RunSummary:
        store = (await self._plait.open_engine()).store
        run_id = parse_run_id(workflow_run_id)
        row = await store.read_run(run_id)
        if row is None:
            raise NotFoundError(f"there is no run {workflow_run_id}; `plait runs list` shows those there are")
        version = await store.read_version(row["version_id"])
        return _build_summary(row, version.definition.name, row["begun"])

    async def _get_details(self, workflow_run_id: str) -> RunDetails:
        store = (await self._plait.open_engine()).store
        run_id = parse_run_id(workflow_run_id)
        row = await store.read_run(run_id)
        if row is None:
            raise NotFoundError(f"there is no run {workflow_run_id}; `plait runs list` shows those there are")
        version = await store.read_version(row["version_id"])
        rows = await store.read_tasks(run_id, version.actions)
        rows_of = _group_by_task(rows)
        return RunDetails(
            _build_summary(row, version.definition.name, row["begun"]),
            decode_json(row["input"]),
            {
                spec.name: _build_task(run_id, version, index, rows_of.get(index, []))
                for index, spec in enumerate(version.definition.tasks)
            },
        )

    async def _list(
        self,
        since: datetime | None,
        until: datetime | None,
        statuses: Sequence[WorkflowRunStatus] | None,
        workflow_names: Sequence[str] | None,
        additional_metadata: Mapping[str, Any] | None,
        limit: int,
        before: str | None,
    ) -> Page:
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidInputError(f"limit={limit!r} must be between 1 and {MAX_PAGE}")
        store = (await self._plait.open_engine()).store
        wanted, begun = _translate_statuses(statuses)
        below = [parse_run_id(before)] if before else []
        below.append(bound_run_id(until + CLOCK_SLACK) if until else _LAST_ID)
        rows = await store.list_runs(
            min(below),
            list(workflow_names) if workflow_names else None,
            wanted,
            begun,
            since,
            until,
            encode_metadata(additional_metadata, where="additional_metadata"),
            limit,
            bound_run_id(since - CLOCK_SLACK) if since else _FIRST_ID,
        )
        return [_build_summary(row, row["workflow"], row["begun"]) for row in rows]


def parse_run_id(text: str) -> UUID:
    """A run id from its text. Raises ``InvalidInputError`` when it is none."""
    try:
        return UUID(text)
    except (ValueError, AttributeError, TypeError):
        raise InvalidInputError(
            f"{text!r} is not a run id; run ids look like 0198c0de-7abc-7def-8123-456789abcdef"
        ) from None


def _translate_statuses(statuses: Sequence[WorkflowRunStatus] | None) -> tuple[list[int] | None, bool | None]:
    if not statuses:
        return None, None
    try:
        names = {WorkflowRunStatus(status) for status in statuses}
    except ValueError as error:
        raise InvalidInputError(f"statuses: {error}; there are {', '.join(WorkflowRunStatus)}") from None
    open_names = names & {WorkflowRunStatus.QUEUED, WorkflowRunStatus.RUNNING}
    codes = [int(Status[name]) for name in names - open_names]
    begun = None if len(open_names) != 1 else WorkflowRunStatus.RUNNING in open_names
    return ([*codes, _ACTIVE] if open_names else codes), begun


def _build_summary(row: Any, workflow_name: str, begun: bool) -> RunSummary:
    if row["status"] != _ACTIVE:
        status = WorkflowRunStatus(Status(row["status"]).name)
    else:
        status = WorkflowRunStatus.RUNNING if begun else WorkflowRunStatus.QUEUED
    return RunSummary(
        str(row["id"]),
        workflow_name,
        status,
        row["priority"],
        row["created_at"],
        row["finished_at"],
        json.loads(row["metadata"]) if row["metadata"] else {},
    )


_ROOM_STATUS = {"running": TaskStatus.RUNNING, "ready": TaskStatus.QUEUED, "waiting": TaskStatus.PENDING}


def _group_by_task(rows: Sequence[Any]) -> dict[int, list[Any]]:
    groups: dict[int, list[Any]] = {}
    for row in rows:
        groups.setdefault(row["task"], []).append(row)
    return groups


def _build_task(run_id: UUID, version: StoredVersion, index: int, rows: Sequence[Any]) -> TaskDetails:
    spec = version.definition.tasks[index]
    name, task_run_id = spec.name, f"{run_id}:{index}"
    attempts = tuple(_build_attempt(row, name, task_run_id) for row in rows if row["room"] == "attempt")
    open_rows = [row for row in rows if row["room"] != "attempt"]
    last: Mapping[str, Any] = open_rows[-1] if open_rows else rows[-1] if rows else {}
    if open_rows:
        status = _ROOM_STATUS[last["room"]]
    elif rows and last["status"] > 0:
        status = TaskStatus(Status(last["status"]).name)
    else:
        status = TaskStatus.PENDING
    output = last.get("output")
    return TaskDetails(
        name,
        spec.kind,
        tuple(version.definition.tasks[parent].name for parent in spec.parents),
        status,
        None if output is None else decode_json(output),
        attempts[-1].error if attempts else None,
        last.get("reason"),
        last.get("queued_at"),
        last.get("started_at"),
        last.get("finished_at"),
        last.get("due_at"),
        None if last.get("worker_id") is None else str(last["worker_id"]),
        spec.retries + 1,
        attempts,
    )


def _build_attempt(row: Any, name: str, task_run_id: str) -> AttemptDetails:
    return AttemptDetails(
        row["attempt"],
        row["retry"],
        Status(row["status"]).name,
        None if row["worker_id"] is None else str(row["worker_id"]),
        row["queued_at"],
        row["started_at"],
        row["finished_at"],
        read_task_error(row["error"], name, task_run_id),
        row["reason"],
    )
