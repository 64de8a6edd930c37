"""Runs, tasks and attempts as they are shown: built from the rows that the store reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from plait.graph.conditions import describe_condition, list_open
from plait.graph.definition import ConditionKind, Status, TaskKind
from plait.graph.triggers import TriggerKind, read_metadata
from plait.types import TaskStatus, WorkflowRunStatus
from plait.values.encoding import decode_json
from plait.values.failures import read_task_error

if TYPE_CHECKING:
    from plait.errors import TaskRunError
    from plait.graph.attempt import StoredVersion

ACTIVE = 0
"""The stored status of a run that has not ended."""

_SUPERSEDED = -10
"""A replay turns an outcome's code c into ``-10 - c``."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run without its tasks. ``finished_at`` is None until it ended.

    ``trigger`` says what started it (``PARENT``, ``EVENT``, ``CRON``, ``SCHEDULED``, ``REPLAY``), ``trigger_id`` which
    one; both are None for a run that a program started.
    """

    workflow_run_id: str
    workflow_name: str
    status: WorkflowRunStatus
    priority: int
    created_at: datetime
    finished_at: datetime | None
    additional_metadata: dict[str, Any]
    trigger: str | None = None
    trigger_id: str | None = None


@dataclass(frozen=True, slots=True)
class ChildRun:
    """A run that a task of another run started. ``child_key`` is the key it was given, if any."""

    run: RunSummary
    parent_task: str
    child_key: str | None = None


@dataclass(frozen=True, slots=True)
class AttemptDetails:
    """One attempt that ended. ``outcome`` is its task's status, or ``RETRIED``, ``LOST``, ``RELEASED`` where the task
    went on; ``error`` and ``reason`` say why. ``superseded``: a replay ran the task again."""

    attempt_number: int
    retry_count: int
    outcome: str
    worker_id: str | None
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime
    error: TaskRunError | None
    reason: str | None
    superseded: bool = False


@dataclass(frozen=True, slots=True)
class TaskDetails:
    """One task of a run. Times are those of its last attempt; ``due_at`` says when a waiting task goes on, and
    ``waits_for`` names the conditions of which one would release it.

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
    waits_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunDetails:
    """One run with its input and every task, in graph order."""

    run: RunSummary
    input: Any
    tasks: dict[str, TaskDetails]

    @property
    def status(self) -> WorkflowRunStatus:
        return self.run.status


def build_summary(row: Any, workflow_name: str) -> RunSummary:
    """A run from a row of ``read_run``, ``list_runs`` and their like."""
    if row["status"] != ACTIVE:
        status = WorkflowRunStatus(Status(row["status"]).name)
    else:
        status = WorkflowRunStatus.RUNNING if row["begun"] else WorkflowRunStatus.QUEUED
    return RunSummary(
        str(row["id"]),
        workflow_name,
        status,
        row["priority"],
        row["created_at"],
        row["finished_at"],
        read_metadata(row["metadata"]),
        None if row["trigger_kind"] is None else TriggerKind(row["trigger_kind"]).name,
        None if row["trigger_id"] is None else str(row["trigger_id"]),
    )


def build_details(row: Any, version: StoredVersion, rows: Sequence[Any]) -> RunDetails:
    """A run from its row and all that ``read_tasks`` found of it."""
    groups: dict[int, list[Any]] = {}
    for found in rows:
        groups.setdefault(found["task"], []).append(found)
    ended = row["status"] != ACTIVE
    return RunDetails(
        build_summary(row, version.definition.name),
        decode_json(row["input"]),
        {
            spec.name: _build_task(row["id"], version, index, groups.get(index, []), ended=ended)
            for index, spec in enumerate(version.definition.tasks)
        },
    )


_ROOM_STATUS = {"running": TaskStatus.RUNNING, "ready": TaskStatus.QUEUED, "waiting": TaskStatus.PENDING}


def _build_task(run_id: UUID, version: StoredVersion, index: int, rows: Sequence[Any], *, ended: bool) -> TaskDetails:
    spec = version.definition.tasks[index]
    name, task_run_id = spec.name, f"{run_id}:{index}"
    attempts = tuple(_build_attempt(row, name, task_run_id) for row in rows if row["room"] == "attempt")
    open_rows = [row for row in rows if row["room"] != "attempt"]
    last: Mapping[str, Any] = open_rows[-1] if open_rows else rows[-1] if rows else {}
    reason = last.get("reason")
    if open_rows:
        status = _ROOM_STATUS[last["room"]]
    elif rows and last["status"] > 0:
        status = TaskStatus(Status(last["status"]).name)
    elif ended:  # its run was cancelled before anything was to be recorded of it
        status, reason = TaskStatus.CANCELLED, "its run was cancelled"
    else:
        status, last = TaskStatus.PENDING, {}
    output = last.get("output")
    return TaskDetails(
        name,
        spec.kind,
        tuple(version.definition.tasks[parent].name for parent in spec.parents),
        status,
        None if output is None else decode_json(output),
        attempts[-1].error if attempts and last else None,
        reason,
        last.get("queued_at"),
        last.get("started_at"),
        last.get("finished_at"),
        last.get("due_at"),
        None if last.get("worker_id") is None else str(last["worker_id"]),
        spec.retries + 1,
        attempts,
        describe_waits(version, index, last) if last.get("met") and not last["retry"] else (),
    )


def describe_waits(version: StoredVersion, index: int, row: Mapping[str, Any]) -> tuple[str, ...]:
    """The conditions of which one may release a waiting task, or end it, from its row of ``read_tasks``."""
    spec = version.definition.tasks[index]
    awaited = json.loads(row["awaited"] or "{}")
    truth: list[bool | None] = [None] * len(spec.conditions)
    for number in json.loads(row["met"]):
        truth[int(number)] = True
    first, waits = 0, list[str]()
    for prefix, groups in (("", spec.wait_for), ("skip_if: ", spec.skip_if), ("cancel_if: ", spec.cancel_if)):
        for number in list_open(groups, truth, first):
            condition = spec.conditions[number]
            if str(number) in awaited:  # the key of this run, its placeholders filled in
                condition = replace(condition, event_key=awaited[str(number)])
            if condition.kind is not ConditionKind.PARENT:
                waits.append(prefix + describe_condition(version.definition, index, condition))
        first += sum(map(len, groups))
    return tuple(waits)


def _build_attempt(row: Any, name: str, task_run_id: str) -> AttemptDetails:
    superseded = row["status"] < _SUPERSEDED
    code = _SUPERSEDED - row["status"] if superseded else row["status"]
    return AttemptDetails(
        row["attempt"],
        row["retry"],
        Status(code).name,
        None if row["worker_id"] is None else str(row["worker_id"]),
        row["queued_at"],
        row["started_at"],
        row["finished_at"],
        read_task_error(row["error"], name, task_run_id),
        row["reason"],
        superseded,
    )
