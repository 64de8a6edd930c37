"""Whose turn it is among workflows of one priority, and how the actions of a worker are told to a claim."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plait.store.ranges import ActionRanges, find_ranges, list_workflows
from plait.worker.turns import Turns


def test_actions_in_a_row_are_one_range_and_a_workflow_begins_another() -> None:
    assert find_ranges([[1, 2, 3], [4, 5, 9], [7]]) == ActionRanges([1, 4, 9, 7], [3, 5, 9, 7], [0, 1, 1, 2])


@given(st.dictionaries(st.integers(1, 60), st.integers(0, 3)))
def test_ranges_hold_each_action_with_its_workflow_and_no_other(workflows: dict[int, int]) -> None:
    ranges = find_ranges([[action for action, number in workflows.items() if number == which] for which in range(4)])
    assert list_workflows(ranges) == workflows


def test_a_workflow_that_comes_after_a_pause_is_ahead_by_no_more_than_the_bound() -> None:
    turns = Turns({1: 0, 2: 0, 3: 1}, 10)
    for _ in range(1000):
        turns.note([1, 2])
    crowd, few = turns.given
    assert few == 0
    assert 0 < crowd <= 10


def test_what_is_given_counts_for_the_workflow_whichever_of_its_tasks_it_is() -> None:
    turns = Turns({1: 0, 2: 0, 3: 1}, 10)
    turns.note([1, 2, 2, 3])
    assert turns.given == [3, 1]
