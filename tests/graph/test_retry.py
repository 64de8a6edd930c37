"""When a failed attempt runs again."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.graph.definition import TaskDefinition
from plait.graph.retry import MAX_DELAY_SECONDS, choose_retry, compute_delay

factors = st.none() | st.floats(min_value=1e-3, max_value=1e6)
ceilings = st.none() | st.floats(min_value=1e-3, max_value=1e8)
draws = st.floats(min_value=0, max_value=1)

tasks = st.builds(
    TaskDefinition,
    name=st.just("t"),
    retries=st.integers(0, 50),
    backoff_factor=factors,
    backoff_max_seconds=ceilings,
    backoff_jitter=st.booleans(),
)


@given(tasks, st.integers(1, 5000), draws)
def test_a_delay_is_the_power_of_the_factor_within_its_bounds(task: TaskDefinition, retry: int, draw: float) -> None:
    delay = compute_delay(task, retry, random=draw)
    bounds = [MAX_DELAY_SECONDS] + ([] if task.backoff_max_seconds is None else [task.backoff_max_seconds])
    if task.backoff_factor is None:
        full = 0.0
    elif retry * math.log(task.backoff_factor) > math.log(1e300):
        full = min(bounds)
    else:
        full = min(*bounds, task.backoff_factor**retry, math.inf)
    assert delay == pytest.approx(full * (draw if task.backoff_jitter else 1))


@given(tasks, draws)
def test_delays_of_a_factor_of_at_least_one_never_shrink(task: TaskDefinition, draw: float) -> None:
    if task.backoff_factor is not None and task.backoff_factor >= 1:
        delays = [compute_delay(task, retry, random=draw) for retry in range(1, 40)]
        assert delays == sorted(delays)


@given(tasks, st.integers(0, 60), st.booleans(), st.none() | st.floats(min_value=0, max_value=1e12), draws)
def test_there_are_as_many_retries_as_the_task_says_and_none_for_what_cannot_be_retried(
    task: TaskDefinition, spent: int, retryable: bool, after: float | None, draw: float
) -> None:
    delay = choose_retry(task, spent, retryable=retryable, after=after, random=draw)
    if not retryable or spent >= task.retries:
        assert delay is None
    elif after is not None:
        assert delay == min(after, MAX_DELAY_SECONDS)
    else:
        assert delay == compute_delay(task, spent + 1, random=draw)


def test_the_documented_sequence() -> None:
    task = TaskDefinition(name="t", retries=5, backoff_factor=2.0, backoff_max_seconds=10.0)
    assert [compute_delay(task, retry) for retry in range(1, 6)] == [2, 4, 8, 10, 10]
    assert compute_delay(TaskDefinition(name="t", retries=5), 3) == 0


def test_a_power_that_overflows_is_cut_to_the_ceiling() -> None:
    task = TaskDefinition(name="t", backoff_factor=1e6)
    assert compute_delay(task, 10_000) == MAX_DELAY_SECONDS
    bounded = TaskDefinition(name="t", backoff_factor=1e6, backoff_max_seconds=60.0)
    assert compute_delay(bounded, 10_000) == 60


def test_a_failure_is_final_when_it_cannot_be_retried_or_the_retries_are_spent() -> None:
    task = TaskDefinition(name="t", retries=2, backoff_factor=3.0)
    assert choose_retry(task, 1, retryable=True, after=None) == 9
    assert choose_retry(task, 1, retryable=True, after=4.0) == 4
    assert choose_retry(task, 2, retryable=True, after=4.0) is None
    assert choose_retry(task, 0, retryable=False, after=4.0) is None
