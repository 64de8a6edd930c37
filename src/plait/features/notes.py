"""What there is to say about a task beside its status: how long it took, its attempts, what it waits for. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from plait.features.run_views import TaskDetails
from plait.types import TaskStatus
from plait.wording import format_seconds

_NOTHING_RAN = timedelta(milliseconds=1)
"""A task that was skipped or cancelled in less ended without its code having run."""


def count_attempt(task: TaskDetails) -> int:
    """Which of its attempts a task is at, as its retries count them: lost and handed back ones do not."""
    return 1 + sum(attempt.outcome == "RETRIED" for attempt in task.attempts)


def note_duration(task: TaskDetails, now: datetime) -> str:
    """How long its last attempt took, or has taken so far, such as ``1.2 s``; nothing where it has not begun."""
    if task.started_at is None or task.status is TaskStatus.PENDING:
        return ""
    end = now if task.status is TaskStatus.RUNNING else task.finished_at
    return "" if end is None else format_seconds((end - task.started_at).total_seconds())


def note_attempt(task: TaskDetails, *, first: bool = False) -> str:
    """``attempt 2/4``; of a first attempt nothing, unless ``first``."""
    attempt = count_attempt(task)
    return f"attempt {attempt}/{max(attempt, task.max_attempts)}" if attempt > 1 or first else ""


def iter_waits(task: TaskDetails, now: datetime) -> Iterator[str]:
    """What a task waits for: conditions, or a time."""
    if task.waits_for:
        yield f"waits for {' or '.join(task.waits_for)}"
    if task.status is TaskStatus.PENDING and task.due_at is not None:
        yield f"goes on in {format_seconds((task.due_at - now).total_seconds())}"


def note_task(task: TaskDetails, now: datetime) -> str:
    """All of it in a few words."""
    duration = "" if _is_judged(task) else note_duration(task, now)
    waits = next(iter_waits(task, now), "")
    return ", ".join(note for note in (duration, note_attempt(task), waits) if note)


def _is_judged(task: TaskDetails) -> bool:
    """Whether it ended without its code having run: it was skipped, or cancelled because of a parent."""
    if task.status not in (TaskStatus.SKIPPED, TaskStatus.CANCELLED):
        return False
    return bool(task.started_at and task.finished_at and task.finished_at - task.started_at < _NOTHING_RAN)
