"""How the newest finished runs of a workflow went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import quantiles
from typing import TYPE_CHECKING

from plait.features.shapes import Answer
from plait.graph.definition import Status

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.graph.attempt import StoredVersion
    from plait.store.store import Store

LOOK_AT = 50_000
"""Runs among which those of a workflow are looked for."""
MOST_MEASURED = 2_000
MEASURED_RUNS = 200
"""Of so many of them, the tasks are looked at, too."""
MEASURED_ATTEMPTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStats(Answer):
    """How the accepted outcomes of a task were; ``p50_ms`` and ``p95_ms`` are the time its code took."""

    task: str
    p50_ms: float | None
    p95_ms: float | None
    attempts: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowStats(Answer):
    """How the newest finished runs of a workflow went. Durations are from the trigger to the end.

    ``runs`` are those that were looked at, the oldest of them triggered at ``since``; ``failure_rate`` is how many
    failed among those not cancelled, 0 to 1; ``tasks`` are about the newest of these runs.
    """

    workflow: str
    runs: int
    failed: int
    cancelled: int
    failure_rate: float | None
    p50_ms: float | None
    p95_ms: float | None
    since: datetime | None
    tasks: tuple[TaskStats, ...]


async def read_workflow_stats(store: Store, version: StoredVersion, last: int) -> WorkflowStats:
    """How at most ``last`` runs went; the tasks are those of ``version``."""
    rows = await store.runs.measure_workflow(version.definition.name, LOOK_AT, last)
    measured = await store.runs.measure_tasks([row["id"] for row in rows[:MEASURED_RUNS]], MEASURED_ATTEMPTS)
    by_action = {row["action_id"]: row for row in measured}
    tasks = tuple(
        _build_task_stats(task.name, by_action.get(action))
        for task, action in zip(version.definition.tasks, version.actions, strict=True)
    )
    return _build_stats(version.definition.name, rows, tasks)


def _build_stats(workflow: str, rows: Sequence[Record], tasks: tuple[TaskStats, ...]) -> WorkflowStats:
    failed = sum(row["status"] == Status.FAILED for row in rows)
    cancelled = sum(row["status"] == Status.CANCELLED for row in rows)
    took = [row["ms"] for row in rows if row["status"] != Status.CANCELLED]
    judged = len(rows) - cancelled
    return WorkflowStats(
        workflow=workflow,
        runs=len(rows),
        failed=failed,
        cancelled=cancelled,
        failure_rate=failed / judged if judged else None,
        p50_ms=_find_quantile(took, 50),
        p95_ms=_find_quantile(took, 95),
        since=rows[-1]["created_at"] if rows else None,
        tasks=tasks,
    )


def _find_quantile(values: Sequence[float], percent: int) -> float | None:
    if len(values) < 2:
        return values[0] if values else None
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def _build_task_stats(name: str, row: Record | None) -> TaskStats:
    if row is None:
        return TaskStats(task=name, p50_ms=None, p95_ms=None, attempts=0, failed=0)
    return TaskStats(task=name, p50_ms=row["p50"], p95_ms=row["p95"], attempts=row["outcomes"], failed=row["failed"])
