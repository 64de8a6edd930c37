"""The judge against a small oracle, and each of its reasons by example."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.graph.definition import Status, TaskDefinition, TaskKind, WorkflowDefinition
from plait.graph.judge import MAX_LOST_ATTEMPTS, RUN, Cancel, Fail, Run, Signals, Skip, judge

TERMINAL = [Status.SKIPPED, Status.COMPLETED, Status.CANCELLED, Status.FAILED]


def make_join(parents: int, kind: TaskKind = TaskKind.TASK) -> tuple[WorkflowDefinition, int]:
    tasks = [TaskDefinition(name=f"p{number}") for number in range(parents)]
    tasks.append(TaskDefinition(name="join", parents=tuple(range(parents)), kind=kind, schedule_timeout=1.5))
    return WorkflowDefinition("w", tuple(tasks)), parents


def expect(statuses: list[Status], signals: Signals) -> type[Any]:
    """What shall come out, written down independently: the worst thing decides."""
    if signals.run_ended:
        return Cancel
    if signals.lost_attempts >= MAX_LOST_ATTEMPTS:
        return Fail
    if any(status in (Status.FAILED, Status.CANCELLED) for status in statuses):
        return Cancel
    if statuses and all(status is Status.SKIPPED for status in statuses):
        return Skip
    return Cancel if signals.expired else Run


signals = st.builds(
    Signals,
    worst=st.sampled_from([Status.COMPLETED, Status.CANCELLED, Status.FAILED]),
    run_ended=st.booleans(),
    expired=st.booleans(),
    lost_attempts=st.integers(0, MAX_LOST_ATTEMPTS + 1),
)


@given(st.lists(st.sampled_from(TERMINAL), max_size=6), signals)
def test_a_task_is_judged_by_its_parents_and_signals(statuses: list[Status], signals: Signals) -> None:
    definition, task = make_join(len(statuses))
    verdict = judge(definition, task, dict(enumerate(statuses)), signals)
    assert type(verdict) is expect(statuses, signals)


@given(st.sampled_from([Status.COMPLETED, Status.CANCELLED, Status.FAILED]), st.booleans())
def test_a_hook_is_judged_by_the_outcome_of_the_run_alone(worst: Status, expired: bool) -> None:
    for kind, moment in ((TaskKind.ON_FAILURE, Status.FAILED), (TaskKind.ON_SUCCESS, Status.COMPLETED)):
        definition, task = make_join(1, kind)
        verdict = judge(definition, task, {0: Status.FAILED}, Signals(worst=worst, expired=expired))
        assert type(verdict) is (Skip if worst is not moment else Cancel if expired else Run)


@pytest.mark.parametrize(
    ("statuses", "signals", "reason"),
    [
        ([Status.COMPLETED, Status.FAILED], Signals(), "parent 'p1' failed"),
        ([Status.CANCELLED, Status.FAILED], Signals(), "parent 'p0' was cancelled"),
        ([Status.SKIPPED, Status.SKIPPED], Signals(), "all its parents were skipped"),
        ([Status.COMPLETED], Signals(run_ended=True), "the run has ended"),
        ([Status.COMPLETED], Signals(expired=True), "schedule timeout: no worker took it within 1.5 s"),
        ([Status.COMPLETED], Signals(lost_attempts=5), "its worker was lost 5 times while it ran; not tried again"),
    ],
)
def test_the_reason_is_told(statuses: list[Status], signals: Signals, reason: str) -> None:
    definition, task = make_join(len(statuses))
    assert judge(definition, task, dict(enumerate(statuses)), signals).reason == reason  # type: ignore[union-attr]


def test_hooks_tell_why_they_did_not_run() -> None:
    definition, task = make_join(1, TaskKind.ON_FAILURE)
    assert judge(definition, task, {}, Signals()) == Skip("the run did not fail")
    definition, task = make_join(1, TaskKind.ON_SUCCESS)
    assert judge(definition, task, {}, Signals(worst=Status.CANCELLED)) == Skip("the run did not succeed")


def test_a_root_runs() -> None:
    definition, _ = make_join(1)
    assert judge(definition, 0, {}) is RUN


def test_a_task_whose_parents_are_not_all_known_is_not_judged() -> None:
    definition, task = make_join(2)
    with pytest.raises(KeyError):
        judge(definition, task, {0: Status.COMPLETED})


@pytest.mark.parametrize("status", Status)
def test_exactly_the_positive_statuses_are_terminal(status: Status) -> None:
    assert (status > 0) == (status in TERMINAL)
