"""Runs and attempts as plain data."""

from __future__ import annotations

import math
from uuid import UUID

from plait.graph.attempt import Attempt, RunState, StoredVersion, UnreadableVersionError
from plait.graph.definition import Status, TaskDefinition, WorkflowDefinition

RUN = UUID(int=7)
VERSION = StoredVersion(1, WorkflowDefinition("w", (TaskDefinition(name="a"), TaskDefinition(name="b"))), (10, 11))


def make_attempt() -> Attempt:
    return Attempt(RunState(RUN, VERSION, b"{}", None, 1, Status.COMPLETED, ended=False), 1, 3, 2, 0)


def test_an_attempt_is_known_by_its_run_and_task_and_named_like_its_task() -> None:
    attempt = make_attempt()
    assert attempt.key == (RUN, 1)
    assert attempt.name == "b"


def test_a_new_attempt_is_undecided_and_has_no_deadline_before_its_code_begins() -> None:
    attempt = make_attempt()
    assert (attempt.concluded, attempt.stopping, attempt.deadline) == (False, False, math.inf)


def test_two_attempts_are_never_equal_whatever_they_hold() -> None:
    assert make_attempt() != make_attempt()


def test_of_a_version_that_cannot_be_read_the_tasks_and_their_schedule_timeouts_are_known() -> None:
    outline = StoredVersion.outline(3, "w", [10, 11], [-1, 1_500_000])
    assert (outline.id, outline.definition.name, outline.actions) == (3, "w", (10, 11))
    assert [task.schedule_timeout for task in outline.definition.tasks] == [None, 1.5]
    assert UnreadableVersionError("a newer Plait stored it", outline).outline is outline
