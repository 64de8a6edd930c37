"""Whose turn it is: workflows of one priority share the slots of a worker, however long the queue of one of them is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class Turns:
    """Counts what each workflow was given lately: ``given``, by the number that ``workflows`` has for each action. One
    that comes after a pause is ahead by about ``most`` tasks and no more."""

    def __init__(self, workflows: Mapping[int, int], most: int) -> None:
        self._workflows = workflows
        self._most = most
        self.given = [0] * (max(workflows.values(), default=0) + 1)

    def note(self, actions: Iterable[int]) -> None:
        """Tasks of these actions were given out."""
        for action in actions:
            self.given[self._workflows[action]] += 1
        while max(self.given) > self._most:
            self.given = [count // 2 for count in self.given]
