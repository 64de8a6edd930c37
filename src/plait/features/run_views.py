"""Runs, tasks and attempts as they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, PlainSerializer

from plait.features.shapes import Answer, ErrorDetails, Id, Json, JsonObject, MaybeJson
from plait.graph.definition import TaskKind
from plait.types import TaskStatus, WorkflowRunStatus

TriggerWord = Literal["PARENT", "EVENT", "CRON", "SCHEDULED", "REPLAY"]
Outcome = Literal["RETRIED", "LOST", "RELEASED", "SKIPPED", "COMPLETED", "CANCELLED", "FAILED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary(Answer):
    """One run without its tasks. ``finished_at`` and ``duration_ms``, from the trigger to the end, are None until it
    ended.

    ``trigger`` says what started it, ``trigger_id`` which one; both are None for a run that a program or a person
    started. ``version_id`` is the version of the workflow that it runs.
    """

    id: Id
    workflow: str
    version_id: int
    status: WorkflowRunStatus
    priority: int
    created_at: datetime
    finished_at: datetime | None
    duration_ms: float | None
    metadata: JsonObject
    trigger: TriggerWord | None
    trigger_id: Id | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRun(Answer):
    """A run that a task of another run started. ``child_key`` is the key it was given, if any."""

    run: RunSummary
    task: Annotated[str, Field(description="The parent's task that started it.")]
    child_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptDetails(Answer):
    """One attempt that ended. ``outcome`` is its task's status, or ``RETRIED``, ``LOST`` (its worker died),
    ``RELEASED`` (its worker stopped) where the task went on; ``error`` and ``reason`` say why. ``retry`` counts those
    that retries allow. ``superseded``: a replay ran the task again."""

    attempt: int
    retry: int
    outcome: Outcome
    worker_id: Id | None
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime
    error: ErrorDetails | None
    reason: str | None
    superseded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDetails(Answer):
    """One task of a run; ``index`` is its place in the order of the graph. Times are those of its last attempt.

    ``why`` says in a sentence why a pending or queued task waits, ``waits_for`` names the conditions of which one would
    release it now, ``due_at`` is when a task that waits for a time or a retry goes on; ``reason`` says why it was
    skipped, cancelled or handed back. ``wait_for``, ``skip_if`` and ``cancel_if`` are its conditions in words.

    ``max_attempts`` counts those its retries allow; attempts that were lost or handed back come on top. ``children``
    counts the child runs that it started. ``logs``: whether it logged anything; None where that was not asked.

    In REST, the tasks in a run come with the size of their output but none of its text, with the last 20 attempts, and
    with errors cut short; one task comes with all.
    """

    index: int
    name: str
    kind: TaskKind
    parents: tuple[str, ...]
    status: TaskStatus
    reason: str | None
    why: str | None
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    due_at: datetime | None
    worker_id: Id | None
    max_attempts: int
    attempts: tuple[AttemptDetails, ...]
    attempts_total: int
    output: MaybeJson
    error: ErrorDetails | None
    children: int
    waits_for: tuple[str, ...]
    wait_for: str | None
    skip_if: str | None
    cancel_if: str | None
    logs: bool | None


def _list_tasks(tasks: Mapping[str, TaskDetails]) -> list[TaskDetails]:
    return list(tasks.values())


TasksByName = Annotated[dict[str, TaskDetails], PlainSerializer(_list_tasks, return_type=list[TaskDetails])]
"""Tasks in the order of the graph, hooks last: in Python by their names, as data a list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetails(RunSummary):
    """One run with its input and every task, by name, in the order of the graph.

    ``trigger_name`` is the event's key, the cron's or the workflow's name of what started it, ``trigger_task`` the
    parent's task that started a child run. ``children`` and ``replays`` count the runs that it led to, up to 1,000.
    """

    description: str | None
    input: Json
    trigger_name: str | None
    trigger_task: str | None
    children: int
    replays: int
    tasks: TasksByName
