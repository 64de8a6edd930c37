"""What one worker holds: its slots, its assignments and the runs they belong to. Touched on the engine's loop only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

from plait.graph.attempt import Attempt, RunState
from plait.graph.judge import LOSS_LIMIT
from plait.worker.assignment import Assignment
from plait.worker.suspects import Suspects

MIXED_CAP = 50
"""Tasks of one statement while what is held is of several priorities."""


class Holdings:
    """The slots of a worker and what occupies them. ``changed`` is set whenever slots may have become free;
    ``note_relief`` is called when a suspect leaves, and another one may come."""

    def __init__(self, slots: int, *, loss_limit: int = LOSS_LIMIT) -> None:
        self.slots = slots
        self.suspects = Suspects(slots, loss_limit)
        self.note_relief: Callable[[], None] = lambda: None
        self.occupied = 0
        self.assignments: dict[tuple[UUID, int], Assignment] = {}
        self.runs: dict[UUID, RunState] = {}
        self.changed = asyncio.Event()
        self.doubts = 0
        """How often still to look soon at what the database says is held here: a reply was lost."""
        self._by_priority = [0, 0, 0, 0]
        self.epoch = 0
        """Counts how often everything was let go of; who waited across it works on nothing any more."""

    @property
    def free(self) -> int:
        return self.slots - self.occupied

    @property
    def is_mixed(self) -> bool:
        """Whether what is held is of several priorities."""
        return sum(map(bool, self._by_priority)) > 1

    def limit(self, count: int) -> int:
        """How many tasks a statement may carry now: few while some are more urgent than others, which shall not wait
        for a large one at each of their steps."""
        return min(count, MIXED_CAP) if self.is_mixed else count

    def reserve(self, count: int) -> None:
        """Set slots aside for tasks about to come."""
        self.occupied += count

    def release(self, count: int) -> None:
        """Give slots back."""
        if count:
            self.occupied -= count
            self.changed.set()

    def add(self, assignment: Assignment) -> None:
        """Hold an assignment; its slot, if any, was reserved before."""
        self.assignments[assignment.key] = assignment
        assignment.run.users += 1
        self._by_priority[assignment.run.priority] += 1
        if assignment.lost and assignment.slot:  # without one it is only judged
            self.suspects.add(assignment)

    def remove(self, assignment: Assignment) -> None:
        """Forget an assignment and its run with the last one. The caller settles the slot."""
        # The same task may be here again: its retry can be claimed before the answer to its first outcome is read.
        if self.find(assignment) is not None:
            del self.assignments[assignment.key]
        if not assignment.gone:
            self._by_priority[assignment.run.priority] -= 1
        assignment.gone = True
        assignment.execution = None  # breaks the cycle, so that nothing waits for the garbage collector
        if assignment.lost and self.suspects.remove(assignment):
            self.note_relief()
        run = assignment.run
        run.users -= 1
        if run.users <= 0 and self.runs.get(run.id) is run:
            del self.runs[run.id]

    def excuse(self, assignment: Assignment) -> None:
        """A suspect may wait for its child runs from now on, and these may be suspects themselves."""
        self.suspects.excuse(assignment)
        self.note_relief()

    def doubt(self) -> None:
        """A reply was lost: what the database says is held here may be more, or less, than what is known here."""
        self.doubts = 3
        self.changed.set()

    def find(self, attempt: Attempt) -> Assignment | None:
        """An attempt as it is held; None when it is held no more."""
        held = self.assignments.get(attempt.key)
        return held if held is attempt else None

    def release_slot(self, assignment: Assignment) -> None:
        """Free the slot of an assignment that goes on without one. Repeating it does nothing."""
        if assignment.slot and not assignment.concluded:
            assignment.slot = False
            self.release(1)

    def drop(self, assignment: Assignment) -> None:
        """Forget an assignment whose outcome is not this worker's to tell, and free its slot. Repeating it does
        nothing."""
        assignment.concluded = True
        if not assignment.gone:
            self.remove(assignment)
            self.release(int(assignment.slot))

    def abandon(self) -> list[Assignment]:
        """Let go of everything at once, because the lease is lost. Returns what was held."""
        held = list(self.assignments.values())
        for assignment in held:
            assignment.gone = True
        self.assignments.clear()
        self.runs.clear()
        self.suspects.clear()
        self._by_priority = [0, 0, 0, 0]
        self.occupied = 0
        self.epoch += 1
        self.changed.set()
        return held
