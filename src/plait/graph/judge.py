"""The one place that decides what becomes of a task whose parents are terminal.

A task is judged when it is claimed (or continued) with its parents' outcomes in hand. Pure: no I/O, no clock. A
failed parent, an ended run, a hook whose moment did not come and a condition that does not hold all pass here; a task
that ended too many workers is judged once it would run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from plait.graph.conditions import (
    Truth,
    describe_condition,
    describe_groups,
    evaluate_groups,
    list_holding,
    list_hopeless,
    list_open,
)
from plait.graph.definition import ConditionGroups, Status, TaskDefinition, TaskKind, WorkflowDefinition

LOSS_LIMIT = 5
"""After so many lost workers a task fails, unless a setting says otherwise: it is likely what ends them."""

_LOSSES = {
    "died": "its worker's process ended",
    "stalled": "its worker stood still for longer than its lease",
    "silent": "nothing was heard from its worker until its lease ended",
}
"""How a worker may have ended because of a task, in the words of plait.worker.ending."""


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


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Judge it again when the truth of one of these conditions changes: those that are open and can still matter.

    A condition is named by its number, its place in ``TaskDefinition.conditions``.
    """

    numbers: tuple[int, ...]


Verdict = Run | Skip | Cancel | Fail | WaitFor
RUN = Run()


@dataclass(frozen=True, slots=True)
class Signals:
    """What besides the parents bears on a task: the run's outcome so far, and what happened to this task.

    ``conditions`` holds the truth of each of the task's conditions by number; empty, nothing is known about any.
    ``conditions_settled`` says that they let the task run before (this is a later attempt): they are not asked again.
    ``cancel_requested`` is the reason why somebody cancelled this task.
    """

    worst: Status = Status.COMPLETED
    run_ended: bool = False
    expired: bool = False
    conditions: Sequence[Truth] = ()
    conditions_settled: bool = False
    cancel_requested: str | None = None


NO_SIGNALS = Signals()


def judge(
    definition: WorkflowDefinition, task: int, outcomes: Mapping[int, Status], signals: Signals = NO_SIGNALS
) -> Verdict:
    """What becomes of ``task``, given the outcome of each of its parents by index.

    Raises ``KeyError`` when a parent's outcome is missing: a task is judged only when all are terminal. Raises
    ``ValueError`` when the signals are about another number of conditions than the task has.
    """
    spec = definition.tasks[task]
    if signals.run_ended:
        return Cancel("its run was cancelled with the run whose task started it")
    if signals.cancel_requested is not None:
        return Cancel(signals.cancel_requested)
    verdict = (
        _judge_hook(spec.kind, signals.worst)
        if spec.kind is not TaskKind.TASK
        else _judge_parents(definition, spec.parents, outcomes)
    )
    if verdict is not RUN:
        return verdict
    if signals.expired:
        return Cancel(f"schedule timeout: no worker took it within {spec.schedule_timeout:g} s")
    if signals.conditions_settled or not (spec.wait_for or spec.skip_if or spec.cancel_if):
        return RUN
    return _judge_conditions(definition, task, spec, signals.conditions)


def judge_losses(losses: Mapping[str, int], limit: int) -> Run | Fail:
    """What becomes of a task that was lost with its worker: ``losses`` says how often, by how the worker ended. That
    one stopped or could not reach the database is not the task's fault. From ``limit`` on, the task fails."""
    counted = {how: losses[how] for how in _LOSSES if losses.get(how)}
    total = sum(counted.values())
    if total < limit:
        return RUN
    told = ", ".join(
        f"{_LOSSES[how]} ({times} times)" if len(counted) > 1 else _LOSSES[how] for how, times in counted.items()
    )
    advice = (
        "look at what the task does without letting go of the interpreter (a call into native code, a huge regular "
        "expression); run that in a process of its own"
        if counted.get("stalled", 0) * 2 > total
        else "look into the workers' logs for how they ended: out of memory, a crash in native code, os._exit"
    )
    return Fail(
        f"lost {total} times while it ran: {told}; not tried again (max_worker_losses={limit}). Probably this task is "
        f"the cause: {advice}. If it is not, replay the run"
    )


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


def _judge_conditions(
    definition: WorkflowDefinition, task: int, spec: TaskDefinition, known: Sequence[Truth]
) -> Verdict:
    """Skip before cancel before run; a task whose ``wait_for`` holds runs, whatever is still open elsewhere."""
    total = len(spec.conditions)
    truth = known or [None] * total
    if len(truth) != total:
        raise ValueError(f"task {spec.name!r} has {total} conditions, the signals are about {len(truth)}")
    waits = sum(map(len, spec.wait_for))
    cancels = waits + sum(map(len, spec.skip_if))

    def explain(option: str, groups: ConditionGroups, first: int) -> str | None:
        if not groups or evaluate_groups(groups, truth, first) is not True:
            return None
        held = list_holding(groups, truth, first)
        return f"{option} holds: " + " and ".join(describe_condition(definition, task, one) for one in held)

    if reason := explain("skip_if", spec.skip_if, waits):
        return Skip(reason)
    if reason := explain("cancel_if", spec.cancel_if, cancels):
        return Cancel(reason)
    ready = evaluate_groups(spec.wait_for, truth, 0)
    if ready:
        return RUN
    if ready is False:
        hopeless = list_hopeless(spec.wait_for, truth, 0)
        return Skip(f"wait_for can never hold: {describe_groups(definition, task, hopeless)}")
    return WaitFor(
        list_open(spec.wait_for, truth, 0)
        + list_open(spec.skip_if, truth, waits)
        + list_open(spec.cancel_if, truth, cancels)
    )
