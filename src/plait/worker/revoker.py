"""Stops what is no longer this worker's to run: tasks of cancelled runs, tasks that somebody cancelled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from plait.errors import DatabaseUnavailableError
from plait.worker.assignment import Assignment
from plait.worker.holdings import Holdings
from plait.worker.identity import Identity
from plait.worker.reports import CANCELLED_BY_REQUEST

if TYPE_CHECKING:
    from plait.store.hints import Hub
    from plait.store.store import Store

logger = logging.getLogger("plait.worker")

Held = Mapping[tuple[UUID, int, int], bool]


class Revoker:
    """Compares what the worker holds with what the database says it holds: upon a hint, and whenever the claimer
    looks. Everything runs on the engine's loop."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        identity: Identity,
        holdings: Holdings,
        *,
        cancel: Callable[[Assignment, str], None],
        let_go: Callable[[Assignment], None],
    ) -> None:
        self._store = store
        self._identity = identity
        self._hub = hub
        self._holdings = holdings
        self._cancel = cancel
        self._let_go = let_go
        self._looking: asyncio.Task[None] | None = None
        self._again = False
        self.hints = 0
        """Counts hints: one that comes before the answer to a claim speaks of what is not held yet."""
        hub.subscribe("cancel", self._receive)

    def close(self) -> None:
        """Receive no more hints."""
        self._hub.unsubscribe("cancel", self._receive)

    def list_candidates(self) -> list[Assignment]:
        """What can be revoked by an answer to a question asked from now on: it is committed to be this worker's."""
        return [assignment for assignment in self._holdings.assignments.values() if not assignment.concluded]

    def settle(self, candidates: Sequence[Assignment], held: Held) -> None:
        """Stop the candidates that the database no longer says are held, and those that are to be cancelled."""
        for assignment in candidates:
            if assignment.concluded or self._holdings.find(assignment) is None:
                continue
            cancelled = held.get((*assignment.key, assignment.attempt))
            if cancelled is None:
                logger.info("task %s of run %s was cancelled", assignment.name, assignment.run.id)
                self._let_go(assignment)
            elif cancelled:
                self._cancel(assignment, CANCELLED_BY_REQUEST)

    def _receive(self, subjects: list[str]) -> None:
        self.hints += 1
        runs = {UUID(subject) for subject in subjects if subject}
        if runs and not any(run_id in self._holdings.runs for run_id in runs):
            return
        self.look()

    def look(self) -> None:
        """Ask the database soon what is still held."""
        self._again = True
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="plait-revoker")

    async def _look(self) -> None:
        while self._again:
            self._again = False
            worker_id = self._identity.worker_id
            candidates = self.list_candidates()
            if worker_id is None or not candidates:
                return
            try:
                held = await self._store.read_held(worker_id)
            except DatabaseUnavailableError as error:
                logger.debug("could not look for cancelled tasks, will look again: %s", error)
                return
            if worker_id == self._identity.worker_id:
                self.settle(candidates, held)
