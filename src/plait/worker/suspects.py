"""Which of the tasks that were lost with a worker one worker holds at a time.

A task that ends its worker (it uses up the memory, crashes in native code, holds the interpreter) takes with it
whatever runs beside it, and nobody can tell which of them it was. So what was lost is a suspect, and comes back in
smaller company: one that was lost once shares a quarter of a worker's slots with others of its kind; one that was lost
more often is the only suspect of its worker. What loses its worker then, again and again, is the culprit. Why so:
docs/decisions/0011-suspects.md.
"""

from __future__ import annotations

from plait.worker.assignment import Assignment

SHARE = 4
"""So many times more slots than tasks that were lost once."""


class Suspects:
    """The suspects that a worker holds. ``parts`` is what it has for them in all: a task that was lost once takes one
    part, another one takes all. ``limit``: the losses that fail a task; who fails early must be alone early."""

    def __init__(self, slots: int, limit: int) -> None:
        self.parts = max(1, slots // SHARE) if limit > 2 else 1
        self.begun: dict[str, Assignment] = {}
        """Those whose code has begun, by the words that the database has for them."""
        self._held: dict[Assignment, int] = {}

    @property
    def room(self) -> int:
        """Parts that are free."""
        return max(0, self.parts - sum(self._held.values()))

    def add(self, assignment: Assignment) -> None:
        """It is held from now on."""
        self._held[assignment] = 1 if assignment.lost == 1 else self.parts

    def fits(self, assignment: Assignment) -> bool:
        """Whether there is a part for one that is held, beside those that were held before it."""
        parts = 0
        for held, needed in self._held.items():
            parts += needed
            if held is assignment:
                return parts <= self.parts
        return False

    def excuse(self, assignment: Assignment) -> None:
        """It takes no part any more: it waits for others, which may need one."""
        if assignment in self._held:
            self._held[assignment] = 0

    def begin(self, assignment: Assignment) -> list[str]:
        """Its code begins. Returns the words for all that have begun."""
        self.begun[f"{assignment.run.id} {assignment.task} {assignment.attempt}"] = assignment
        return list(self.begun)

    def remove(self, assignment: Assignment) -> bool:
        """It is held no more. Returns whether it was."""
        if self._held.pop(assignment, None) is None:
            return False
        self.begun = {words: held for words, held in self.begun.items() if held is not assignment}
        return True

    def clear(self) -> None:
        """Nothing is held any more."""
        self._held.clear()
        self.begun.clear()
