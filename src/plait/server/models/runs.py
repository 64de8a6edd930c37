"""Runs, their tasks and attempts."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from plait.graph.definition import TaskKind
from plait.server.models.common import Answer, Failure, Index, JsonText, Limit, Moment, Order, Payload, Priority, Time
from plait.types import TaskStatus, WorkflowRunStatus

RunId = UUID
TriggerWord = Literal["PARENT", "EVENT", "CRON", "SCHEDULED", "REPLAY"]
Outcome = Literal["RETRIED", "LOST", "RELEASED", "SKIPPED", "COMPLETED", "CANCELLED", "FAILED"]
MOST_IDS = 10_000
MetadataToken = Annotated[str, Field(pattern=r"^[^:]+:", max_length=1000)]


class RunItem(Answer):
    """One run without its tasks."""

    id: RunId
    workflow: str
    version_id: int
    status: WorkflowRunStatus
    priority: int
    created_at: Time
    finished_at: Time | None
    duration_ms: float | None = Field(description="From the trigger to the end; null until it ended.")
    metadata: str | None = Field(description="JSON text of an object.")
    trigger: TriggerWord | None = Field(description="What started it; null: a program, or a person.")
    trigger_id: UUID | None


class RunPage(Answer):
    """Runs, newest first. A page looks at a bounded number of runs, so it may have fewer than asked for, none even,
    and still not be the last: go on while `next` is not null."""

    runs: list[RunItem]
    next: UUID | None = Field(description="`before` of the next page; null when there is nothing older.")
    cut: bool = Field(description="The page was ended by the number of runs looked at: few match the filter.")


class StatusCounts(Answer):
    queued: int = 0
    running: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0


class HistogramBar(Answer):
    """The runs triggered from `start` on, until the start of the next bar."""

    start: Time
    counts: StatusCounts


class RunStats(Answer):
    """Counts per status and a histogram over the time of the trigger."""

    counts: StatusCounts
    bars: list[HistogramBar]
    since: Time | None = Field(description="Where the first bar begins; null when there are no runs.")
    until: Time | None = Field(description="Where the last bar ends.")
    capped: bool = Field(description="Only the newest runs were counted, those since `since`: there are more.")


class RunTriggerView(Answer):
    """What started a run, with a name to show."""

    kind: TriggerWord
    id: UUID
    name: str | None = Field(description="The event's key, the cron's or workflow's name.")
    task: str | None = Field(None, description="Of a child run: the parent's task that started it.")


class AttemptItem(Answer):
    """One attempt that ended. `outcome`: a task's status, or `RETRIED`, `LOST` (its worker died), `RELEASED` (its
    worker stopped) where the task went on."""

    number: int
    retry: int
    outcome: Outcome
    worker_id: UUID | None
    queued_at: Time | None
    started_at: Time | None
    finished_at: Time
    error: Failure | None = Field(description="In a list without `trace` and with a shortened message.")
    reason: str | None
    superseded: bool = Field(description="A replay ran the task again.")


class TaskItem(Answer):
    """One task of a run. Times are those of its last attempt."""

    index: int
    name: str
    kind: TaskKind
    parents: list[int]
    status: TaskStatus
    reason: str | None = Field(description="Why it was skipped, cancelled or handed back.")
    why: str | None = Field(description="Of a pending or queued task: why it is waiting, in a sentence.")
    queued_at: Time | None
    started_at: Time | None
    finished_at: Time | None
    due_at: Time | None = Field(description="When a task that waits for a time or a retry goes on.")
    worker_id: UUID | None
    max_attempts: int
    attempts: list[AttemptItem] = Field(description="Those that ended, oldest first; the last 20 in a list.")
    attempts_total: int
    output_size: int | None = Field(description="Bytes of its output; null when it has none.")
    error: Failure | None
    children: int = Field(description="Child runs that it started.")


class TaskView(TaskItem):
    """One task with its payloads, full error texts and all attempts."""

    output: Payload | None
    wait_for: str | None = Field(description="Conditions as text.")
    skip_if: str | None
    cancel_if: str | None
    waits_for: list[str] = Field(description="Conditions of which one would release it now.")
    logs: bool = Field(description="Whether any line was logged.")


class RunView(Answer):
    """One run with all of its tasks, in graph order, hooks last. The arrows of the graph are `tasks[].parents`."""

    run: RunItem
    description: str | None
    input: Payload
    triggered_by: RunTriggerView | None
    children_total: int
    replays_total: int = Field(description="Runs that are replays of this one with another input.")
    tasks: list[TaskItem]
    cancellable: bool
    replayable: bool


class ChildItem(Answer):
    """A run that a task of another run started."""

    run: RunItem
    task: str
    task_index: int


class ChildPage(Answer):
    children: list[ChildItem]
    next: UUID | None = Field(description="`after` of the next page.")


class TriggerOrder(Order):
    """Start a run."""

    workflow: Annotated[str, Field(min_length=1, max_length=200)]
    input: JsonText = "{}"
    metadata: JsonText | None = Field(None, description="JSON text of an object.")
    priority: Priority | None = None
    idempotency_key: Annotated[str, Field(min_length=1, max_length=500)] | None = None


class CancelOrder(Order):
    reason: Annotated[str, Field(max_length=1000)] | None = None


class ReplayOrder(Order):
    """What to run again besides what did not complete; or, with `input`, a new run with another input."""

    from_start: bool = False
    tasks: Annotated[list[Index], Field(max_length=1000)] = Field([], description="Indices of tasks.")
    input: JsonText | None = None
    metadata: JsonText | None = None
    priority: Priority | None = None


class RunFilterBody(Order):
    """The same filter as that of the list of runs."""

    status: list[WorkflowRunStatus] = Field([])
    workflow: Annotated[list[str], Field(max_length=100)] = Field([])
    metadata: Annotated[list[MetadataToken], Field(max_length=20)] = Field(
        [], description="Each `key:value`; the value is compared as text. All must fit."
    )
    trigger: list[TriggerWord] = Field([])
    triggered_by: UUID | None = None
    since: Moment | None = Field(None, description="Triggered from then on, by the clock of who triggered it.")
    until: Moment | None = Field(None, description="Triggered before that.")


class RunQuery(RunFilterBody):
    """A page of the runs that pass a filter."""

    before: UUID | None = Field(None, description="`next` of the page before.")
    limit: Limit = 50


class RunStatsQuery(RunFilterBody):
    bars: Annotated[int, Field(ge=1, le=200)] = 48


class BulkOrder(Order):
    """An order about many runs: by id, or all that match a filter; exactly one of the two.

    A filter's order deals with a bounded number of runs at a time. Go on with `before` from the answer until that is
    null. Cancelling looks at active runs only, replaying at failed and cancelled ones.
    """

    ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_IDS)] | None = None
    filter: RunFilterBody | None = None
    before: UUID | None = None
    dry_run: bool = Field(False, description="Count only.")
    from_start: bool = Field(False, description="Replay all tasks.")


class BulkResult(Answer):
    matched: int
    done: int = Field(description="Cancelled (descendants included) or replayed; 0 when dry.")
    next: UUID | None = Field(description="There may be more: `before` of the next order.")


class LogLine(Answer):
    """One line. `id` orders the lines of a run: microseconds since 1970 by the worker's clock."""

    id: int
    at: Time
    task: int
    task_name: str
    attempt: int
    level: str
    text: str


class LogPage(Answer):
    """Lines, oldest first. Follow a run by asking again with `after=next` whenever the stream tells of new ones; lines
    of other tasks may come in late by up to a second, so begin again from the start when the run has ended."""

    lines: list[LogLine]
    next: str | None = Field(description="`after` of the next page: behind the last line; as given when there is none.")
    more: bool = Field(description="The page is full: there may be more now.")
