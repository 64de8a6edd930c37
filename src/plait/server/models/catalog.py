"""Workflows, workers, queues and filters."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from plait.graph.definition import TaskKind
from plait.server.models.common import Answer, JsonText, Order, Payload, Time


class WorkflowItem(Answer):
    """One workflow as its served version declares it, or its newest where none is served (`served_at` is null)."""

    name: str
    description: str | None
    version_id: int
    created_at: Time
    served_at: Time | None
    task_count: int
    on_events: list[str]
    crons: list[str]


class WorkflowPage(Answer):
    workflows: list[WorkflowItem]
    next: str | None = Field(description="`after` of the next page.")


class WorkflowTaskItem(Answer):
    """One task before any run. Durations are seconds; conditions are text for people."""

    index: int
    name: str
    kind: TaskKind
    parents: list[int]
    retries: int
    backoff_factor: float | None
    backoff_max_seconds: float | None
    backoff_jitter: bool
    execution_timeout: float
    schedule_timeout: float | None
    wait_for: str | None
    skip_if: str | None
    cancel_if: str | None


class WorkflowCronItem(Answer):
    name: str
    expression: str
    timezone: str
    catch_up: str


class WorkflowView(Answer):
    """One version of a workflow."""

    name: str
    description: str | None
    version_id: int
    digest: str
    created_at: Time
    served_at: Time | None
    default_priority: int
    input_schema: str | None = Field(description="JSON schema of the input, as JSON text; null: anything.")
    tasks: list[WorkflowTaskItem]
    on_events: list[str]
    crons: list[WorkflowCronItem]
    workers: int = Field(description="Live workers that have code of it.")


class VersionItem(Answer):
    version_id: int
    digest: str
    created_at: Time
    served_at: Time | None = Field(description="Not null: this version is the one that is served.")
    task_count: int


class VersionPage(Answer):
    versions: list[VersionItem]
    next: int | None = Field(description="`before` of the next page.")


class Change(Answer):
    """A field that differs; JSON text where it is no string."""

    field: str
    before: str | None
    after: str | None


class TaskChange(Answer):
    task: str
    what: Literal["added", "removed", "changed"]
    changes: list[Change]


class VersionDiff(Answer):
    """What changed from one version of a workflow to another."""

    before: int
    after: int
    workflow: list[Change]
    tasks: list[TaskChange]


class TaskStats(Answer):
    index: int
    name: str
    p50_ms: float | None
    p95_ms: float | None
    attempts: int
    failed: int


class WorkflowStats(Answer):
    """How the newest finished runs of a workflow went. Durations are from the trigger to the end."""

    runs: int = Field(description="Finished runs that were looked at.")
    failed: int
    cancelled: int
    failure_rate: float | None = Field(description="Failed among those not cancelled, 0 to 1.")
    p50_ms: float | None
    p95_ms: float | None
    since: Time | None = Field(description="When the oldest of them was triggered.")
    tasks: list[TaskStats] = Field(description="Accepted outcomes of the tasks in the newest of these runs.")


class WorkerItem(Answer):
    """One worker process. `LATE`: silent for longer than its lease. `serves`: workflow -> tasks."""

    id: UUID
    name: str
    status: Literal["ACTIVE", "LATE", "ENDED"]
    host: str
    pid: int
    slots: int
    slots_in_use: int
    labels: str = Field(description="JSON text of an object.")
    serves: dict[str, list[str]]
    plait_version: str
    started_at: Time
    ended_at: Time | None
    heartbeat_age: float | None = Field(description="Seconds since its last heartbeat.")


class WorkerList(Answer):
    workers: list[WorkerItem]


class HeldItem(Answer):
    """A task that a worker runs now."""

    run_id: UUID
    workflow: str
    task: str
    attempt: int
    started_at: Time


class WorkerView(Answer):
    worker: WorkerItem
    running: list[HeldItem]


class QueueItem(Answer):
    """One task of a workflow over all runs."""

    workflow: str
    task: str
    ready: int
    running: int
    waiting: int
    oldest_ready_at: Time | None
    capped: bool


class QueueList(Answer):
    """What waits and runs now. The sums are lower bounds if `capped`."""

    ready: int
    running: int
    waiting: int
    slots: int = Field(description="Slots of all live workers.")
    slots_in_use: int
    workers: int
    capped: bool
    queues: list[QueueItem]


class FilterItem(Answer):
    """Of the events pushed with `scope`, those start a run of the workflow for which `expression` is true."""

    id: UUID
    workflow: str
    scope: str
    expression: str
    payload: Payload
    declared: bool = Field(description="In code: it cannot be changed here.")
    created_at: Time


class FilterPage(Answer):
    filters: list[FilterItem]
    next: UUID | None = Field(description="`after` of the next page.")


Name = Annotated[str, Field(min_length=1, max_length=200)]
Key = Annotated[str, Field(min_length=1, max_length=500)]


class FilterOrder(Order):
    workflow: Name
    expression: Annotated[str, Field(min_length=1, max_length=10_000)]
    scope: Key
    payload: JsonText = "{}"


class FilterChange(Order):
    expression: Annotated[str, Field(min_length=1, max_length=10_000)] | None = None
    scope: Key | None = None
    payload: JsonText | None = None


class StreamChange(Answer):
    """The data of one `change` of the stream. Nothing is promised about what it leaves out: fetch what is shown."""

    kind: Literal["run", "runs", "logs", "events", "workers", "schedules"] = Field(
        description="`run`: these runs changed. `runs`: some did, or new ones came. `logs`: these runs have new lines."
    )
    ids: list[UUID] = Field([], description="Runs, where the kind is about some.")
