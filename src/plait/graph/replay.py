"""What a replay runs again. Pure: from the graph and the outcomes of an ended run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from plait.graph.definition import Status, WorkflowDefinition

REPLAYED_OUTCOMES = frozenset({Status.FAILED, Status.CANCELLED})


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """``tasks`` run again, ``ready`` are those of them that may start at once; ``pending`` are the run's counters and
    ``worst`` its outcome so far, as if the replayed tasks had never been."""

    tasks: tuple[int, ...]
    ready: tuple[int, ...]
    pending: tuple[int, ...]
    worst: Status


def plan_replay(
    definition: WorkflowDefinition, outcomes: Mapping[int, Status], also: Collection[int] = ()
) -> ReplayPlan:
    """The plan for replaying what did not complete: tasks that failed, were cancelled or never came to an outcome, the
    tasks ``also``, and all that depends on these.

    The other tasks keep their outcomes. No tasks at all when there is nothing to do.
    """
    chosen: set[int] = set()
    for index, task in enumerate(definition.tasks):  # parents stand before their children
        asked = index in also or outcomes.get(index, Status.CANCELLED) in REPLAYED_OUTCOMES
        if asked or not chosen.isdisjoint(task.parents):
            chosen.add(index)
    open_parents = [sum(parent in chosen for parent in task.parents) for task in definition.tasks]
    pending = [open_parents[index] for index, task in enumerate(definition.tasks) if len(task.parents) > 1]
    if len(definition.sinks) > 1:
        pending.append(sum(sink in chosen for sink in definition.sinks))
    kept = [outcome for index, outcome in outcomes.items() if index not in chosen]
    return ReplayPlan(
        tuple(sorted(chosen)),
        tuple(index for index in sorted(chosen) if not open_parents[index]),
        tuple(pending),
        max([Status.COMPLETED, *kept]),
    )
