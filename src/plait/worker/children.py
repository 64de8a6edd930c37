"""Cancels the child runs of attempts that were cancelled."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from plait.engine.control import Control
from plait.errors import DatabaseUnavailableError
from plait.store.connection import iter_backoff
from plait.store.outage import Outage
from plait.worker.assignment import Assignment
from plait.worker.background import Background
from plait.worker.identity import Identity

if TYPE_CHECKING:
    from plait.store.store import Store

logger = logging.getLogger("plait.worker")


class ChildCanceller:
    """Looks for the children of an attempt once its cancellation is committed, beside all else."""

    def __init__(self, store: Store, control: Control, identity: Identity, background: Background) -> None:
        self._store = store
        self._control = control
        self._identity = identity
        self._background = background
        self._outage = Outage(logger, "cancel the child runs of cancelled tasks")

    def cancel(self, assignment: Assignment) -> None:
        """Cancel the child runs that an attempt started; it starts no more."""
        self._background.spawn(self._cancel(assignment))

    async def _cancel(self, assignment: Assignment) -> None:
        for delay in iter_backoff():
            try:
                # Otherwise a child is being started in a transaction of the user's: it would be overlooked.
                if await self._store.control.meet_starts(assignment.run.id) or self._identity.is_stopping:
                    await self._control.cancel_children(assignment.run.id, assignment.task, assignment.name)
                    self._outage.end()
                    return
            except DatabaseUnavailableError as error:
                self._outage.note(error)
                if self._identity.is_stopping:
                    logger.warning("child runs of task %s were not cancelled: %s", assignment.name, error)
                    return
            await asyncio.sleep(delay)
