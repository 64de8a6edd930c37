"""Actions as a claim asks for them: ranges of numbers, so that it costs as much for ten thousand as for ten."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class ActionRanges(NamedTuple):
    """Ranges of actions, each of one workflow: their first and last numbers, and the workflow's among those of the
    worker."""

    lows: list[int]
    highs: list[int]
    workflows: list[int]


def list_workflows(ranges: ActionRanges) -> dict[int, int]:
    """The number of each action's workflow."""
    return {action: number for low, high, number in zip(*ranges, strict=True) for action in range(low, high + 1)}


def find_ranges(workflows: Iterable[Iterable[int]]) -> ActionRanges:
    """The ranges of the actions of each workflow. Those of one are numbered in a row, unless tasks came later."""
    ranges = ActionRanges([], [], [])
    for number, actions in enumerate(workflows):
        last = None
        for action in sorted(actions):
            if last is not None and action == last + 1:
                ranges.highs[-1] = action
            else:
                ranges.lows.append(action)
                ranges.highs.append(action)
                ranges.workflows.append(number)
            last = action
    return ranges
