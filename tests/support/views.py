"""Runs, tasks and attempts as ``plait.runs`` shows them, made up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from plait.features.run_views import AttemptDetails, RunDetails, TaskDetails
from plait.graph.definition import TaskKind
from plait.types import TaskStatus, WorkflowRunStatus


def make_task(name: str = "t", *parents: str, status: str = "PENDING", **fields: Any) -> TaskDetails:
    """A task of which nothing is known but what is given."""
    unknown = dict.fromkeys(TaskDetails.__dataclass_fields__)
    counts = {"index": 0, "max_attempts": 1, "attempts_total": 0, "children": 0}
    given = {"kind": TaskKind.TASK, "attempts": (), "waits_for": (), **counts, **fields}
    return TaskDetails(**{**unknown, **given, "name": name, "parents": parents, "status": TaskStatus(status)})


def make_attempt(outcome: str, finished_at: datetime, attempt: int = 1, **fields: Any) -> AttemptDetails:
    """An ended attempt."""
    unknown = dict.fromkeys(AttemptDetails.__dataclass_fields__)
    given = {"retry": 0, "superseded": False, **fields}
    return AttemptDetails(**{**unknown, **given, "outcome": outcome, "finished_at": finished_at, "attempt": attempt})


def make_run(*tasks: TaskDetails, now: datetime, age: timedelta = timedelta(0)) -> RunDetails:
    """A run that runs, with these tasks."""
    unknown = dict.fromkeys(RunDetails.__dataclass_fields__)
    given = {
        "id": "id",
        "workflow": "flow",
        "version_id": 1,
        "status": WorkflowRunStatus.RUNNING,
        "priority": 1,
        "created_at": now - age,
        "metadata": {},
        "input": {},
        "children": 0,
        "replays": 0,
    }
    return RunDetails(**{**unknown, **given, "tasks": {task.name: task for task in tasks}})
