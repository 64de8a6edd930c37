"""What a worker holds: slots and assignments."""

from __future__ import annotations

from plait.graph.attempt import RunState, StoredVersion
from plait.graph.definition import Status, TaskDefinition, WorkflowDefinition
from plait.ids import new_run_id
from plait.worker.assignment import Assignment
from plait.worker.holdings import Holdings


def _make_run() -> RunState:
    definition = WorkflowDefinition("sample", (TaskDefinition(name="only"),))
    return RunState(new_run_id(), StoredVersion(1, definition, (1,)), b"{}", None, 1, Status.COMPLETED, ended=False)


def _hold(holdings: Holdings, run: RunState, attempt: int) -> Assignment:
    assignment = Assignment(run, 0, attempt, attempt - 1, 0, None)
    holdings.runs[run.id] = run
    holdings.reserve(1)
    holdings.add(assignment)
    return assignment


async def test_a_retry_claimed_before_the_first_outcome_was_answered_stays_held() -> None:
    holdings, run = Holdings(slots=2), _make_run()
    first = _hold(holdings, run, attempt=1)
    retry = _hold(holdings, run, attempt=2)

    holdings.remove(first)

    assert holdings.assignments[retry.key] is retry
    assert holdings.runs[run.id] is run, "the run is still in use"
    holdings.remove(retry)
    assert not holdings.assignments
    assert not holdings.runs


async def test_a_released_slot_is_given_back_once() -> None:
    holdings = Holdings(slots=1)
    assignment = _hold(holdings, _make_run(), attempt=1)
    assert holdings.free == 0

    holdings.release_slot(assignment)
    holdings.release_slot(assignment)

    assert holdings.free == 1


async def test_a_lost_lease_frees_everything() -> None:
    holdings, run = Holdings(slots=3), _make_run()
    held = [_hold(holdings, run, attempt=1)]
    assert holdings.abandon() == held
    assert (holdings.free, holdings.assignments, holdings.runs) == (3, {}, {})
