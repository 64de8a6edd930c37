"""The one place that decides what becomes of a task whose parents are terminal.

A task is judged when it is claimed (or continued) with its parents' outcomes in hand. Pure: no I/O, no clock. A
failed parent, an ended run, a hook whose moment did not come and a task that killed too many workers all pass here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from plait.graph.definition import Status, TaskKind, WorkflowDefinition

MAX_LOST_ATTEMPTS = 5
"""After so many lost workers a task fails: it is likely what kills them."""


@dataclass(frozen=True, slots=True)
class Run:
    """Run the task's code."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Do not run it; its children may still run."""

    reason: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Do not run it, nor what depends on it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Fail:
    """It cannot be run."""

    reason: str


Verdict = Run | Skip | Cancel | Fail
RUN = Run()


@dataclass(frozen=True, slots=True)
class Signals:
    """What besides the parents bears on a task: the run's outcome so far, and what happened to this task."""

    worst: Status = Status.COMPLETED
    run_ended: bool = False
    expired: bool = False
    lost_attempts: int = 0


NO_SIGNALS = Signals()


def judge(
    definition: WorkflowDefinition, task: int, outcomes: Mapping[int, Status], signals: Signals = NO_SIGNALS
) -> Verdict:
    """What becomes of ``task``, given the outcome of each of its parents by index.

    Raises ``KeyError`` when a parent's outcome is missing: a task is judged only when all are terminal.
    """
    spec = definition.tasks[task]
    if signals.run_ended:
        return Cancel("the run has ended")
    if signals.lost_attempts >= MAX_LOST_ATTEMPTS:
        return Fail(f"its worker was lost {signals.lost_attempts} times while it ran; not tried again")
    verdict = (
        _judge_hook(spec.kind, signals.worst)
        if spec.kind is not TaskKind.TASK
        else _judge_parents(definition, spec.parents, outcomes)
    )
    if verdict is RUN and signals.expired:
        return Cancel(f"schedule timeout: no worker took it within {spec.schedule_timeout:g} s")
    return verdict


def _judge_hook(kind: TaskKind, worst: Status) -> Verdict:
    if kind is TaskKind.ON_FAILURE:
        return RUN if worst is Status.FAILED else Skip("the run did not fail")
    return RUN if worst is Status.COMPLETED else Skip("the run did not succeed")


def _judge_parents(definition: WorkflowDefinition, parents: tuple[int, ...], outcomes: Mapping[int, Status]) -> Verdict:
    skipped = 0
    for parent in parents:
        status = outcomes[parent]
        if status is Status.FAILED:
            return Cancel(f"parent {definition.tasks[parent].name!r} failed")
        if status is Status.CANCELLED:
            return Cancel(f"parent {definition.tasks[parent].name!r} was cancelled")
        skipped += status is Status.SKIPPED
    if parents and skipped == len(parents):
        return Skip("all its parents were skipped")
    return RUN
