"""Runs, tasks and attempts as the API shows them: from the rows of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from plait.features.run_views import describe_waits
from plait.features.why import Crew, Waiting, explain_waiting
from plait.graph.definition import Status
from plait.graph.triggers import hide_trace
from plait.server.models.common import Failure
from plait.server.models.runs import AttemptItem, Outcome, RunItem, RunTriggerView, RunView, TaskItem, TriggerWord
from plait.server.payloads import show_payload
from plait.types import TaskStatus, WorkflowRunStatus

if TYPE_CHECKING:
    from plait.graph.attempt import StoredVersion

ACTIVE = 0
SHOWN_ATTEMPTS = 20
_SUPERSEDED = -10
_ROOM_STATUS = {"running": TaskStatus.RUNNING, "ready": TaskStatus.QUEUED, "waiting": TaskStatus.PENDING}

_TRIGGERS: dict[int, TriggerWord] = {1: "PARENT", 2: "EVENT", 3: "CRON", 4: "SCHEDULED", 5: "REPLAY"}
_OUTCOMES: dict[int, Outcome] = {
    -3: "RETRIED",
    -2: "LOST",
    -1: "RELEASED",
    1: "SKIPPED",
    2: "COMPLETED",
    3: "CANCELLED",
    4: "FAILED",
}

Crews = Mapping[int, Crew]
"""By action, the workers that have its code."""


def build_item(row: Any) -> RunItem:
    """A run from a row of any statement that lists runs."""
    created, finished = row["created_at"], row["finished_at"]
    return RunItem(
        id=row["id"],
        workflow=row["workflow"],
        version_id=row["version_id"],
        status=read_status(row),
        priority=row["priority"],
        created_at=created,
        finished_at=finished,
        duration_ms=None if finished is None else (finished - created).total_seconds() * 1000,
        metadata=hide_trace(row["metadata"]),
        trigger=_TRIGGERS.get(row["trigger_kind"]),
        trigger_id=row["trigger_id"],
    )


def read_status(row: Any) -> WorkflowRunStatus:
    """The status of a run from its stored code, and from whether anything of it has begun."""
    if row["status"] != ACTIVE:
        return WorkflowRunStatus(Status(row["status"]).name)
    return WorkflowRunStatus.RUNNING if row["begun"] else WorkflowRunStatus.QUEUED


def build_view(row: Any, version: StoredVersion, tasks: list[TaskItem], parent_task: str | None) -> RunView:
    """A run with its tasks."""
    ended = row["status"] != ACTIVE
    trigger = None
    if kind := _TRIGGERS.get(row["trigger_kind"]):
        trigger = RunTriggerView(kind=kind, id=row["trigger_id"], name=row["trigger_name"], task=parent_task)
    return RunView(
        run=build_item(row),
        description=version.definition.description,
        input=show_payload(row["input"], row["input_size"]),
        triggered_by=trigger,
        children_total=row["children"],
        replays_total=row["replays"],
        tasks=tasks,
        cancellable=not ended,
        replayable=ended,
    )


class TaskBuilder:
    """Builds the tasks of one run from what ``survey_tasks`` found of it."""

    def __init__(self, run: Any, version: StoredVersion, rows: Sequence[Any], crews: Crews) -> None:
        self._version = version
        self._crews = crews
        self._ended = run["status"] != ACTIVE
        self._cancelled = frozenset(run["cancel_tasks"] or ())
        self._rows: dict[int, list[Any]] = {}
        self._children: dict[int, int] = {}
        for row in rows:
            if row["room"] == "children":
                self._children[row["task"]] = row["attempt"]
            else:
                self._rows.setdefault(row["task"], []).append(row)
        total = len(version.definition.tasks)
        self._last = [self._find_last(index) for index in range(total)]
        self._statuses = [self._find_status(index) for index in range(total)]

    def build_all(self) -> list[TaskItem]:
        """All tasks, in graph order."""
        return [self.build(index) for index in range(len(self._statuses))]

    def build(self, index: int) -> TaskItem:
        """One task."""
        spec = self._version.definition.tasks[index]
        last = self._last[index]
        attempts = [row for row in self._rows.get(index, ()) if row["room"] == "attempt"]
        status = self._statuses[index]
        untouched = self._ended and not last and status is TaskStatus.CANCELLED
        return TaskItem(
            index=index,
            name=spec.name,
            kind=spec.kind,
            parents=list(spec.parents),
            status=status,
            reason="its run was cancelled" if untouched else last.get("reason"),
            why=None if self._ended else explain_waiting(self._describe(index)),
            queued_at=last.get("queued_at"),
            started_at=last.get("started_at"),
            finished_at=last.get("finished_at"),
            due_at=last.get("due_at"),
            worker_id=last.get("worker_id"),
            max_attempts=spec.retries + 1,
            attempts=[build_attempt(row) for row in attempts[-SHOWN_ATTEMPTS:]],
            attempts_total=len(attempts),
            output_size=last.get("output_size"),
            error=_build_error(attempts[-1]) if attempts and last else None,
            children=self._children.get(index, 0),
        )

    def list_waits(self, index: int) -> list[str]:
        """The conditions of which one would release a parked task."""
        last = self._last[index]
        if last.get("room") != "waiting" or not last["met"] or last["retry"]:
            return []
        return list(describe_waits(self._version, index, last))

    def _find_last(self, index: int) -> dict[str, Any]:
        """The row that says where a task stands; empty when nothing does."""
        rows = self._rows.get(index, [])
        open_rows = [row for row in rows if row["room"] != "attempt"]
        if open_rows:
            return dict(open_rows[-1])
        return dict(rows[-1]) if rows and rows[-1]["status"] > 0 else {}

    def _find_status(self, index: int) -> TaskStatus:
        last = self._last[index]
        if not last:  # when its run was cancelled before anything was to be recorded of it, it was too
            return TaskStatus.CANCELLED if self._ended else TaskStatus.PENDING
        if last["room"] != "attempt":
            return _ROOM_STATUS[last["room"]]
        return TaskStatus(Status(last["status"]).name)

    def _describe(self, index: int) -> Waiting:
        last = self._last[index]
        spec = self._version.definition.tasks[index]
        parked = last.get("room") == "waiting"
        return Waiting(
            status=self._statuses[index],
            kind=spec.kind,
            parents=[(self._version.definition.tasks[parent].name, self._statuses[parent]) for parent in spec.parents],
            parked=parked,
            due_at=last.get("due_at") if parked else None,
            retries=last.get("retry") or 0,
            waits_for=self.list_waits(index),
            cancel_asked=index in self._cancelled,
            crew=self._crews.get(self._version.actions[index], Crew()),
        )


def build_attempt(row: Any) -> AttemptItem:
    """An attempt from a row of ``survey_tasks``."""
    superseded = row["status"] < _SUPERSEDED
    return AttemptItem(
        number=row["attempt"],
        retry=row["retry"],
        outcome=_OUTCOMES[_SUPERSEDED - row["status"] if superseded else row["status"]],
        worker_id=row["worker_id"],
        queued_at=row["queued_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        error=_build_error(row),
        reason=row["reason"],
        superseded=superseded,
    )


def _build_error(row: Any) -> Failure | None:
    if row["error_type"] is None:
        return None
    return Failure(type=row["error_type"], message=row["error_message"] or "")
