"""Outcomes on their way to the database."""

from __future__ import annotations

from plait.graph.attempt import Report, RunState, StoredVersion
from plait.graph.definition import Status
from plait.ids import new_run_id
from plait.worker.assignment import Assignment
from plait.worker.holdings import Holdings
from plait.worker.outbox import Outbox
from support.driver import make_definition

VERSION = StoredVersion(1, make_definition("w", a=[]), (1,))


def hold(holdings: Holdings, priority: int) -> Assignment:
    """An assignment of a new run."""
    run = RunState(new_run_id(), VERSION, b"", None, priority, Status.COMPLETED, ended=False)
    assignment = Assignment(run, 0, 1, 0, 0, None)
    holdings.reserve(1)
    holdings.add(assignment)
    return assignment


def test_what_is_urgent_is_taken_first_and_the_oldest_within_a_priority() -> None:
    holdings = Holdings(10)
    outbox = Outbox(holdings, note_ended=lambda: None)
    held = [hold(holdings, priority) for priority in (1, 3, 1, 2, 3)]
    for assignment in held:
        outbox.conclude(assignment, Report(Status.COMPLETED))
    outbox.put_urgent_first()
    taken = [assignment for assignment, _ in outbox.take(10, 1 << 20)]
    assert taken == [held[1], held[4], held[3], held[0], held[2]]


def test_statements_are_small_only_while_several_priorities_are_held() -> None:
    holdings = Holdings(10)
    assert holdings.limit(500) == 500
    crowd, urgent = hold(holdings, 1), hold(holdings, 3)
    assert holdings.limit(500) < 500
    assert holdings.limit(3) == 3
    holdings.remove(urgent)
    assert holdings.limit(500) == 500
    hold(holdings, 2)
    holdings.remove(crowd)
    assert holdings.limit(500) == 500
    lost = hold(holdings, 1)
    holdings.abandon()
    holdings.remove(lost)  # it ended meanwhile
    assert holdings.limit(500) == 500
