"""What a batch of outcomes becomes: the arrays of the statement, and the freed tasks that the worker wants itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from plait.graph.attempt import Attempt, Report, RunState, StoredVersion
from plait.graph.definition import Edge, Status, TaskDefinition, TaskKind, WorkflowDefinition
from plait.ids import new_run_id
from plait.store.statements import load_sql
from plait.store.store import FinishArrays
from plait.worker.plan import Room, plan_finish

# a ──▶ b, c, d (a schedule timeout) ──▶ the end, with a hook when the run fails
DEFINITION = WorkflowDefinition(
    "w",
    (
        TaskDefinition(name="a"),
        TaskDefinition(name="b", parents=(0,)),
        TaskDefinition(name="c", parents=(0,)),
        TaskDefinition(name="d", parents=(0,), schedule_timeout=2.5),
        TaskDefinition(name="broken", kind=TaskKind.ON_FAILURE),
    ),
)
VERSION = StoredVersion(7, DEFINITION, (10, 11, 12, 13, 14))
ALL = frozenset(VERSION.actions)
COMPLETED = Report(Status.COMPLETED, b"1", elapsed_us=5)
RETRIED = Report(Status.RETRIED, error=b"{}", elapsed_us=6, retry_us=1_000_000)
FAILED = Report(Status.FAILED, error=b"{}", elapsed_us=7)
CANCELLED = Report(Status.CANCELLED, reason="why", elapsed_us=8)


def make_attempt(task: int = 0, *, attempt: int = 1, priority: int = 1) -> Attempt:
    run = RunState(new_run_id(), VERSION, b"{}", None, priority, Status.COMPLETED, ended=False)
    return Attempt(run, task, attempt, attempt - 1, 0)


@dataclass
class Case:
    """An attempt at ``a`` ends; which children does the worker want, and how many slots does it set aside?"""

    room: Room
    wanted: Sequence[bool]
    slots: int
    reserved: int
    report: Report = COMPLETED
    attempt: dict[str, Any] = field(default_factory=dict)


CASES = {
    "among others it goes on with one for each that finished": Case(Room(ALL, 9, 1), [True, False, False], 1, 0),
    "alone it takes all that it has room for": Case(Room(ALL, 9, 1, alone=True), [True, True, True], 3, 2),
    "alone with one free slot it takes two": Case(Room(ALL, 1, 1, alone=True), [True, True, False], 2, 1),
    "more is held than there are slots": Case(Room(ALL, -5, 1, alone=True), [True, False, False], 1, 0),
    "who gave its slot back hands none on": Case(Room(ALL, 0, 0), [False, False, False], 0, 0),
    "it goes on only with what it has code for": Case(Room({12}, 9, 1, alone=True), [False, True, False], 1, 0),
    "stopping it takes nothing": Case(Room(ALL, 9, 1, alone=True, stopping=True), [False, False, False], 0, 0),
    "something more urgent waits": Case(Room(ALL, 9, 1, least_priority=2), [False, False, False], 0, 0),
    "the run is urgent itself": Case(
        Room(ALL, 9, 1, least_priority=2), [True, False, False], 1, 0, attempt={"priority": 2}
    ),
    "what follows a failure is only judged, without slots": Case(Room((), 0, 1), [True, True, True], 0, 0, FAILED),
    "and so is what follows a cancellation": Case(Room((), 0, 1), [True, True, True], 0, 0, CANCELLED),
    "but not by a worker that stops": Case(Room(ALL, 9, 1, stopping=True), [False, False, False], 0, 0, FAILED),
}


@pytest.mark.parametrize("name", CASES)
def test_which_freed_tasks_the_worker_wants(name: str) -> None:
    case = CASES[name]
    attempt = make_attempt(**case.attempt)
    plan = plan_finish([(attempt, case.report)], case.room)
    children = [place for place, action in enumerate(plan.arrays.actions) if action in (11, 12, 13)]
    assert [plan.arrays.locals[place] for place in children] == case.wanted
    assert (len(plan.slots), plan.reserved) == (case.slots, case.reserved)
    assert {run for run, _ in plan.slots} <= {attempt.run.id}


def test_an_outcome_counts_for_the_edges_of_its_task_and_its_span_says_which() -> None:
    first, second = make_attempt(), make_attempt(1)
    plan = plan_finish([(first, COMPLETED), (second, COMPLETED)], Room(ALL, 0, 0))
    of_first, of_second = DEFINITION.edges[0], DEFINITION.edges[1]
    assert plan.arrays.edges == [edge.packed for edge in (*of_first, *of_second)]
    assert plan.arrays.spans == [1 << 32 | len(of_first), len(of_first) + 1 << 32 | len(of_first) + len(of_second)]


@pytest.mark.parametrize("report", [RETRIED, Report(Status.RELEASED, retry_us=0), Report(Status.LOST, retry_us=0)])
def test_what_does_not_end_the_task_has_one_edge_to_itself_and_frees_nothing(report: Report) -> None:
    plan = plan_finish([(make_attempt(), report)], Room(ALL, 9, 1, alone=True))
    assert plan.arrays.edges == [Edge(0, 0, 0).packed]
    assert (plan.arrays.actions, plan.arrays.locals, plan.slots) == ([10], [False], frozenset())


def test_arrays_that_would_say_nothing_but_the_usual_are_empty() -> None:
    arrays = plan_finish([(make_attempt(1), COMPLETED)], Room(ALL, 0, 1)).arrays
    assert (arrays.attempts, arrays.statuses, arrays.errors, arrays.reasons, arrays.retry_us) == ([], [], [], [], [])
    assert arrays.schedules == []
    assert (arrays.outputs, arrays.elapsed_us, arrays.tasks) == ([b"1"], [5], [1])


def test_one_unusual_outcome_fills_the_arrays_of_the_whole_batch() -> None:
    batch = [(make_attempt(1), COMPLETED), (make_attempt(1, attempt=3), RETRIED), (make_attempt(1), CANCELLED)]
    plan = plan_finish(batch, Room(ALL, 0, 3))
    assert plan.arrays.attempts == [1, 3, 1]
    assert plan.arrays.statuses == [int(Status.COMPLETED), int(Status.RETRIED), int(Status.CANCELLED)]
    assert plan.arrays.errors == [None, b"{}", None]
    assert plan.arrays.reasons == [None, None, "why"]
    assert plan.arrays.retry_us == [None, 1_000_000, None]
    assert plan.failures == 1


def test_a_schedule_timeout_of_a_freed_task_is_told_in_microseconds() -> None:
    plan = plan_finish([(make_attempt(), COMPLETED)], Room((), 0, 1))
    schedules = dict(zip(plan.arrays.actions, plan.arrays.schedules, strict=True))
    assert (schedules[11], schedules[13]) == (-1, 2_500_000)
    assert plan.sets_timers


def test_a_hook_is_never_gone_on_with() -> None:
    """It is judged by the outcome of the run, which only a claim reads."""
    plan = plan_finish([(make_attempt(task), FAILED) for task in (1, 2, 3)], Room(ALL, 9, 3, alone=True))
    assert not any(local for action, local in zip(plan.arrays.actions, plan.arrays.locals, strict=True) if action == 14)


def test_the_arrays_are_the_parameters_of_the_statement_behind_the_worker() -> None:
    statement = load_sql("finish_tasks")
    last = max(number for number in range(1, 40) if f"${number}" in statement)
    assert last == 1 + len(FinishArrays._fields)
