"""Runs, tasks and attempts from the rows that the store reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from plait.features.run_views import AttemptDetails, Outcome, RunSummary, TaskDetails, TriggerWord
from plait.features.shapes import ErrorDetails, read_error, show_payload
from plait.features.why import Capacity, Waiting, explain_waiting
from plait.graph.conditions import describe_condition, describe_groups, list_open
from plait.graph.definition import ConditionGroups, ConditionKind, Status
from plait.graph.triggers import read_metadata
from plait.types import TaskStatus, WorkflowRunStatus
from plait.values.encoding import decode_json
from plait.values.evaluator import TOLD_CHARACTERS

if TYPE_CHECKING:
    from plait.graph.attempt import StoredVersion

ACTIVE = 0
"""The stored status of a run that has not ended."""
SHOWN_ATTEMPTS = 20
"""Where answers are to be short."""

_SUPERSEDED = -10
"""A replay turns an outcome's code c into ``-10 - c``."""
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

Capacities = Mapping[int, Capacity]
"""By action, the workers that have its code."""


def build_summary(row: Any, workflow: str | None = None) -> RunSummary:
    """A run from a row of any statement that reads runs; ``workflow`` where the row does not say."""
    return RunSummary(**read_summary(row, workflow))


def read_summary(row: Any, workflow: str | None = None) -> dict[str, Any]:
    """The fields of a ``RunSummary``."""
    created, finished = row["created_at"], row["finished_at"]
    return {
        "id": str(row["id"]),
        "workflow": row["workflow"] if workflow is None else workflow,
        "version_id": row["version_id"],
        "status": read_status(row),
        "priority": row["priority"],
        "created_at": created,
        "finished_at": finished,
        "duration_ms": None if finished is None else (finished - created).total_seconds() * 1000,
        "metadata": read_metadata(row["metadata"]),
        "trigger": _TRIGGERS.get(row["trigger_kind"]),
        "trigger_id": None if row["trigger_id"] is None else str(row["trigger_id"]),
    }


def read_status(row: Any) -> WorkflowRunStatus:
    """The status of a run from its stored code, and from whether anything of it has begun."""
    if row["status"] != ACTIVE:
        return WorkflowRunStatus(Status(row["status"]).name)
    return WorkflowRunStatus.RUNNING if row["begun"] else WorkflowRunStatus.QUEUED


class TaskBuilder:
    """Builds the tasks of one run from what ``survey_tasks`` found of it. ``previews``: payloads as text."""

    def __init__(
        self,
        run: Any,
        version: StoredVersion,
        rows: Sequence[Any],
        capacities: Capacities,
        switched_off: Set[str],
        *,
        previews: bool,
        logs: bool | None,
    ) -> None:
        self._version = version
        self._tasks = version.definition.tasks
        self._capacities = capacities
        self._switched_off = switched_off
        self._previews = previews
        self._logs = logs
        self._ended = run["status"] != ACTIVE
        self._cancelled = frozenset(run["cancel_tasks"] or ())
        self._rows: dict[int, list[Any]] = {}
        self._children: dict[int, int] = {}
        for row in rows:
            if row["room"] == "children":
                self._children[row["task"]] = row["attempt"]
            else:
                self._rows.setdefault(row["task"], []).append(row)
        self._last = [self._find_last(index) for index in range(len(self._tasks))]
        self._statuses = [self._find_status(index) for index in range(len(self._tasks))]

    def build_all(self) -> dict[str, TaskDetails]:
        """All tasks by name, in graph order."""
        return {task.name: self.build(index) for index, task in enumerate(self._tasks)}

    def build(self, index: int) -> TaskDetails:
        """One task."""
        spec, last, status = self._tasks[index], self._last[index], self._statuses[index]
        attempts = [row for row in self._rows.get(index, ()) if row["room"] == "attempt"]
        untouched = self._ended and not last and status is TaskStatus.CANCELLED
        shown = attempts[-SHOWN_ATTEMPTS:] if self._previews else attempts
        return TaskDetails(
            index=index,
            name=spec.name,
            kind=spec.kind,
            parents=tuple(self._tasks[parent].name for parent in spec.parents),
            status=status,
            reason="its run was cancelled" if untouched else last.get("reason"),
            why=None if self._ended else explain_waiting(self._describe(index)),
            queued_at=last.get("queued_at"),
            started_at=last.get("started_at"),
            finished_at=last.get("finished_at"),
            due_at=last.get("due_at"),
            worker_id=_read_id(last.get("worker_id")),
            max_attempts=spec.retries + 1,
            attempts=tuple(build_attempt(row) for row in shown),
            attempts_total=len(attempts),
            output=self._read_output(last),
            error=_build_error(attempts[-1]) if attempts and last else None,
            children=self._children.get(index, 0),
            waits_for=self._list_waits(index),
            wait_for=self._describe_groups(index, spec.wait_for),
            skip_if=self._describe_groups(index, spec.skip_if),
            cancel_if=self._describe_groups(index, spec.cancel_if),
            logs=self._logs,
        )

    def _read_output(self, last: Mapping[str, Any]) -> Any:
        output = last.get("output")
        if output is None:
            return None
        return show_payload(output, last["output_size"]) if self._previews else decode_json(output)

    def _describe_groups(self, index: int, groups: ConditionGroups) -> str | None:
        return describe_groups(self._version.definition, index, groups) if groups else None

    def _list_waits(self, index: int) -> tuple[str, ...]:
        """The conditions of which one would release a parked task."""
        last = self._last[index]
        if last.get("room") != "waiting" or not last["met"] or last["retry"]:
            return ()
        return tuple(_iter_waits(self._version, index, last))

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
        spec, last = self._tasks[index], self._last[index]
        parked = last.get("room") == "waiting"
        ended = [row for row in self._rows.get(index, ()) if row["room"] == "attempt"]
        expressions = [condition.expression for condition in spec.conditions if condition.expression]
        return Waiting(
            status=self._statuses[index],
            kind=spec.kind,
            parents=[(self._tasks[parent].name, self._statuses[parent]) for parent in spec.parents],
            parked=parked,
            due_at=last.get("due_at"),
            retries=last.get("retry") or 0,
            losses=last.get("lost") or 0,
            handed_back=ended[-1]["reason"] if ended and ended[-1]["status"] == Status.RELEASED else None,
            waits_for=self._list_waits(index),
            switched_off=[one for one in expressions if one[:TOLD_CHARACTERS] in self._switched_off],
            cancel_asked=index in self._cancelled,
            capacity=self._capacities.get(self._version.actions[index], Capacity()),
        )


def build_attempt(row: Any) -> AttemptDetails:
    """An attempt from a row of ``survey_tasks``."""
    superseded = row["status"] < _SUPERSEDED
    return AttemptDetails(
        attempt=row["attempt"],
        retry=row["retry"],
        outcome=_OUTCOMES[_SUPERSEDED - row["status"] if superseded else row["status"]],
        worker_id=_read_id(row["worker_id"]),
        queued_at=row["queued_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        error=_build_error(row),
        reason=row["reason"],
        superseded=superseded,
    )


def _build_error(row: Any) -> ErrorDetails | None:
    if row["error_type"] is not None:
        return ErrorDetails(row["error_type"], row["error_message"] or "")
    return read_error(row["error"])


def _read_id(value: Any) -> str | None:
    return None if value is None else str(value)


def _iter_waits(version: StoredVersion, index: int, row: Mapping[str, Any]) -> Iterator[str]:
    """The conditions of which one may release a waiting task, or end it, from its row of ``survey_tasks``."""
    spec = version.definition.tasks[index]
    awaited = json.loads(row["awaited"] or "{}")
    truth: list[bool | None] = [None] * len(spec.conditions)
    for number in json.loads(row["met"]):
        truth[int(number)] = True
    first = 0
    for prefix, groups in (("", spec.wait_for), ("skip_if: ", spec.skip_if), ("cancel_if: ", spec.cancel_if)):
        for number in list_open(groups, truth, first):
            condition = spec.conditions[number]
            if str(number) in awaited:  # the key of this run, its placeholders filled in
                condition = replace(condition, event_key=awaited[str(number)])
            if condition.kind is not ConditionKind.PARENT:
                yield prefix + describe_condition(version.definition, index, condition)
        first += sum(map(len, groups))
