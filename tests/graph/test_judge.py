"""The judge against a small oracle, and each of its reasons by example."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.graph.definition import (
    Condition,
    ConditionGroups,
    ConditionKind,
    Status,
    TaskDefinition,
    TaskKind,
    WorkflowDefinition,
)
from plait.graph.judge import RUN, Cancel, Fail, Run, Signals, Skip, WaitFor, judge, judge_losses

TERMINAL = [Status.SKIPPED, Status.COMPLETED, Status.CANCELLED, Status.FAILED]


def make_join(parents: int, kind: TaskKind = TaskKind.TASK) -> tuple[WorkflowDefinition, int]:
    tasks = [TaskDefinition(name=f"p{number}") for number in range(parents)]
    tasks.append(TaskDefinition(name="join", parents=tuple(range(parents)), kind=kind, schedule_timeout=1.5))
    return WorkflowDefinition("w", tuple(tasks)), parents


def expect(statuses: list[Status], signals: Signals) -> type[Any]:
    """What shall come out, written down independently: the worst thing decides."""
    if signals.run_ended or signals.cancel_requested:
        return Cancel
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
    cancel_requested=st.none() | st.just("because"),
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
        ([Status.COMPLETED], Signals(run_ended=True), "its run was cancelled with the run whose task started it"),
        ([Status.FAILED], Signals(cancel_requested="Ann cancelled it"), "Ann cancelled it"),
        ([], Signals(cancel_requested=""), ""),
        ([Status.COMPLETED], Signals(expired=True), "schedule timeout: no worker took it within 1.5 s"),
    ],
)
def test_the_reason_is_told(statuses: list[Status], signals: Signals, reason: str) -> None:
    definition, task = make_join(len(statuses))
    assert judge(definition, task, dict(enumerate(statuses)), signals).reason == reason  # type: ignore[union-attr]


_ENDINGS = ["died", "silent", "stalled", "stopped", "unreachable"]


@given(st.dictionaries(st.sampled_from(_ENDINGS), st.integers(0, 9)), st.integers(2, 9))
def test_a_task_fails_once_so_many_workers_ended_that_it_may_have_ended(losses: dict[str, int], limit: int) -> None:
    guilty = sum(times for ending, times in losses.items() if ending not in ("stopped", "unreachable"))
    assert type(judge_losses(losses, limit)) is (Fail if guilty >= limit else Run)


@pytest.mark.parametrize(
    ("losses", "told"),
    [
        ({"died": 5}, "lost 5 times while it ran: its worker's process ended; not tried again (max_worker_losses=5)"),
        ({"died": 5}, "look into the workers' logs for how they ended"),
        ({"stalled": 5}, "lost 5 times while it ran: its worker stood still for longer than its lease;"),
        ({"stalled": 5}, "look at what the task does without letting go of the interpreter"),
        ({"died": 4, "stalled": 1}, "its worker's process ended (4 times), its worker stood still"),
        ({"silent": 5}, "nothing was heard from its worker until its lease ended"),
    ],
)
def test_a_task_that_ends_workers_is_told_how_often_how_and_what_to_do(losses: dict[str, int], told: str) -> None:
    verdict = judge_losses(losses, 5)
    assert isinstance(verdict, Fail)
    assert told in verdict.reason


def test_a_task_that_was_lost_less_often_than_it_may_be_runs() -> None:
    assert judge_losses({"died": 4, "stopped": 9}, 5) is RUN


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


# --- conditions ------------------------------------------------------------------------------------------------------


def make_event(key: str) -> Condition:
    return Condition(kind=ConditionKind.EVENT, event_key=key)


A, B, C, D = map(make_event, "abcd")


def make_waiting(
    wait_for: ConditionGroups = (), skip_if: ConditionGroups = (), cancel_if: ConditionGroups = ()
) -> WorkflowDefinition:
    task = TaskDefinition(
        name="t", parents=(0,), schedule_timeout=1.0, wait_for=wait_for, skip_if=skip_if, cancel_if=cancel_if
    )
    return WorkflowDefinition("w", (TaskDefinition(name="p"), task))


def judge_waiting(definition: WorkflowDefinition, *conditions: bool | None, **signals: Any) -> Any:
    return judge(definition, 1, {0: Status.COMPLETED}, Signals(conditions=conditions, **signals))


def settle(groups: ConditionGroups, truth: dict[str, bool | None]) -> bool | None:
    """Kleene's logic as numbers: OR is the maximum, AND the minimum, with the unknown between."""
    number = {True: 2, None: 1, False: 0}
    value = min((max(number[truth[one.event_key or ""]] for one in group) for group in groups), default=2)
    return {2: True, 1: None, 0: False}[value]


@st.composite
def waiting_tasks(draw: st.DrawFn) -> tuple[WorkflowDefinition, dict[str, bool | None]]:
    names = iter(range(100))
    lists = [
        tuple(
            tuple(make_event(str(next(names))) for _ in range(size))
            for size in draw(st.lists(st.integers(1, 3), max_size=3))
        )
        for _ in range(3)
    ]
    truth = {str(number): draw(st.sampled_from([True, False, None])) for number in range(next(names))}
    return make_waiting(*lists), truth


@given(waiting_tasks())
def test_conditions_skip_before_they_cancel_before_they_run(waiting: Any) -> None:
    definition, truth = waiting
    spec = definition.tasks[1]
    verdict = judge_waiting(definition, *truth.values())
    ready = settle(spec.wait_for, truth)
    if spec.skip_if and settle(spec.skip_if, truth):
        assert isinstance(verdict, Skip)
        assert verdict.reason.startswith("skip_if holds: event ")
    elif spec.cancel_if and settle(spec.cancel_if, truth):
        assert isinstance(verdict, Cancel)
        assert verdict.reason.startswith("cancel_if holds: event ")
    elif ready:
        assert verdict is RUN
    elif ready is False:
        assert isinstance(verdict, Skip)
        assert verdict.reason.startswith("wait_for can never hold: ")
    else:
        assert isinstance(verdict, WaitFor)


@given(waiting_tasks())
def test_a_waiting_task_waits_for_what_can_change_its_verdict_and_only_that(waiting: Any) -> None:
    definition, truth = waiting
    verdict = judge_waiting(definition, *truth.values())
    if isinstance(verdict, WaitFor):
        spec = definition.tasks[1]
        expected = {
            one.event_key
            for groups in (spec.wait_for, spec.skip_if, spec.cancel_if)
            if settle(groups, truth) is None
            for group in groups
            if settle((group,), truth) is None
            for one in group
            if truth[one.event_key or ""] is None
        }
        assert verdict.numbers == tuple(sorted(map(int, expected)))  # type: ignore[arg-type]
        assert verdict.numbers


@given(waiting_tasks())
def test_a_waiting_task_is_settled_in_the_end(waiting: Any) -> None:
    """Whatever it waits for, one answer after the other, brings a verdict: no task hangs on nothing."""
    definition, truth = waiting
    for _ in range(len(truth) + 1):
        verdict = judge_waiting(definition, *truth.values())
        if not isinstance(verdict, WaitFor):
            return
        truth[str(verdict.numbers[0])] = False
    raise AssertionError("still waiting")


@pytest.mark.parametrize(
    ("conditions", "verdict"),
    [
        ((True, None, None, None), WaitFor((1, 2, 3))),
        ((True, True, None, None), RUN),
        ((True, False, None, None), Skip("wait_for can never hold: event 'b'")),
        ((False, False, None, None), Skip("wait_for can never hold: event 'a' and event 'b'")),
        ((True, True, True, True), Skip("skip_if holds: event 'c'")),
        ((False, None, None, True), Cancel("cancel_if holds: event 'd'")),
        ((None, None, False, False), WaitFor((0, 1))),
        ((), WaitFor((0, 1, 2, 3))),
    ],
)
def test_conditions_by_example(conditions: tuple[bool | None, ...], verdict: object) -> None:
    definition = make_waiting(wait_for=((A,), (B,)), skip_if=((C,),), cancel_if=((D,),))
    assert judge_waiting(definition, *conditions) == verdict


def test_the_reason_names_one_condition_of_each_group() -> None:
    assert judge_waiting(make_waiting(skip_if=((A, B), (C,))), None, True, True) == Skip(
        "skip_if holds: event 'b' and event 'c'"
    )


def test_a_task_with_nothing_to_wait_for_does_not_wait_for_a_reason_to_skip_it() -> None:
    assert judge_waiting(make_waiting(skip_if=((A,),), cancel_if=((B,),)), None, None) is RUN


def test_conditions_are_asked_last() -> None:
    definition = make_waiting(wait_for=((A,),))
    assert judge(definition, 1, {0: Status.FAILED}, Signals(conditions=[True])) == Cancel("parent 'p' failed")
    assert judge_waiting(definition, None, expired=True) == Cancel("schedule timeout: no worker took it within 1 s")
    assert judge_waiting(definition, None, cancel_requested="Ann") == Cancel("Ann")


def test_conditions_that_let_a_task_run_are_not_asked_again_at_a_retry() -> None:
    definition = make_waiting(wait_for=((A,),), skip_if=((B,),))
    assert judge_waiting(definition, None, True, conditions_settled=True) is RUN
    assert judge_waiting(definition, conditions_settled=True) is RUN


def test_signals_about_other_conditions_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="task 't' has 1 conditions, the signals are about 2"):
        judge_waiting(make_waiting(wait_for=((A,),)), True, True)
