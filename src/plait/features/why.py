"""Why a task is waiting, in one sentence. Pure: from what is known about a task to words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from plait.graph.definition import TaskKind
from plait.types import TaskStatus

NO_CODE = "No live worker has this task's code."
READY = "It is ready: "
"""How the reason of a task begins that a worker is about to take."""
_SHOWN = 3
_ENDED = (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.SKIPPED)


@dataclass(frozen=True, slots=True)
class Capacity:
    """The live workers that have a task's code: how many, their slots, and how many of these are in use.
    ``other_format``: there are some, but none that reads the format in which the task's workflow is stored."""

    workers: int = 0
    slots: int = 0
    in_use: int = 0
    other_format: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What is known about a task that does not run.

    ``parents`` have name and status each. ``parked``: it is in the room of those that wait for a time or an event,
    until ``due_at`` if that is known; ``waits_for`` are the conditions of which one would release it, in words.
    ``switched_off`` are the expressions of its conditions that workers evaluate no more for a while. ``retries`` are
    those spent so far, ``losses`` the attempts that were lost with their workers. ``handed_back``: why the last worker
    could not run it.
    """

    status: TaskStatus
    kind: TaskKind = TaskKind.TASK
    parents: Sequence[tuple[str, TaskStatus]] = ()
    parked: bool = False
    due_at: datetime | None = None
    retries: int = 0
    losses: int = 0
    handed_back: str | None = None
    waits_for: Sequence[str] = ()
    switched_off: Sequence[str] = ()
    cancel_asked: bool = False
    capacity: Capacity = Capacity()


def explain_waiting(task: Waiting) -> str | None:
    """Why a pending or queued task is waiting; None for any other."""
    if task.status not in (TaskStatus.PENDING, TaskStatus.QUEUED):
        return None
    if task.cancel_asked:
        return "It is being cancelled: the next worker that takes it ends it."
    if task.status is TaskStatus.QUEUED:
        return _explain_queued(task.capacity, task.losses)
    return _explain_parked(task) + _tell_switched_off(task.switched_off) if task.parked else _explain_pending(task)


def _explain_queued(capacity: Capacity, losses: int) -> str:
    if capacity.other_format:
        return "Live workers have this task, but cannot read how it is stored here: they run another version of Plait."
    if capacity.workers == 0:
        return NO_CODE
    whose = "the worker that has" if capacity.workers == 1 else f"the {capacity.workers} workers that have"
    if capacity.in_use >= capacity.slots:
        return f"All slots of {whose} its code are busy ({capacity.in_use}/{capacity.slots})."
    if losses == 1:
        return "It was lost with its worker: another takes it once it holds few such tasks."
    if losses:
        return f"It was lost with its worker {losses} times: another takes it once it holds no other such task."
    return f"{READY}{whose} its code may take it at any moment ({capacity.in_use}/{capacity.slots} slots busy)."


def _explain_parked(task: Waiting) -> str:
    until = f" until {task.due_at:%Y-%m-%d %H:%M:%S} UTC" if task.due_at is not None else ""
    if task.retries:
        attempt = "attempt" if task.retries == 1 else "attempts"
        return f"It waits{until} for its next attempt, after {task.retries} failed {attempt}."
    if task.waits_for:
        return f"It waits for {_list(task.waits_for, 'or')}{until and f', at most{until}'}."
    if task.handed_back:
        return f"It waits{until}, then a worker tries again. The last one handed it back: {task.handed_back}."
    return f"It waits{until or ' for an event'}."


def _tell_switched_off(expressions: Sequence[str]) -> str:
    if not expressions:
        return ""
    return f" Switched off for now, because it took too much CPU: {_list([repr(one) for one in expressions], 'and')}."


def _explain_pending(task: Waiting) -> str:
    open_parents = [(name, status) for name, status in task.parents if status not in _ENDED]
    if not open_parents:
        return "All its parents are done: a worker is about to decide whether it runs."
    names = _list([f"{name} ({status.value.lower()})" for name, status in open_parents], "and")
    if task.kind is TaskKind.ON_FAILURE:
        return f"It runs if the run fails, once all else has ended: {names}."
    if task.kind is TaskKind.ON_SUCCESS:
        return f"It runs if the run succeeds, once all else has ended: {names}."
    noun = "its parent" if len(task.parents) == 1 else f"{len(open_parents)} of its {len(task.parents)} parents:"
    return f"It waits for {noun} {names}."


def _list(words: Sequence[str], last: str) -> str:
    if len(words) > _SHOWN:
        return f"{', '.join(words[:_SHOWN])} {last} {len(words) - _SHOWN} more"
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
