"""Following a run to its end, one look after another: what draws a run, on a terminal or in a notebook, asks here."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from uuid import UUID

from plait.engine.access import Access
from plait.errors import ResultTimeoutError
from plait.features.run_reader import read_details

if TYPE_CHECKING:
    from plait.engine.waiter import RunOutcome
    from plait.features.run_views import RunDetails

POLL_SECONDS = 0.2
POLL_SHARE = 10
"""To read a large run and to draw it takes long; it takes no more than one part in so many of the time."""


class RunFollower:
    """Waits for a run's end and reads the run meanwhile, as often as its size allows. Works on the engine's loop.

    Args:
        run_id: the run to follow.
        timeout: how long to follow it, in seconds; for ever if None.
    """

    def __init__(self, access: Access, run_id: UUID, timeout: float | None) -> None:
        self._access = access
        self._run_id = run_id
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._looked: float | None = None

    async def look(self) -> RunDetails:
        """How the run stands now. Raises ``NotFoundError``, ``DatabaseUnavailableError``."""
        self._looked = time.monotonic()
        return await read_details(self._access, str(self._run_id))

    async def wait(self) -> RunOutcome | None:
        """How the run ended; None when it is time to look again. An outage of the database is waited out.

        Raises ``ResultTimeoutError`` when the time to follow is over; the run goes on.
        """
        pause = POLL_SECONDS
        if self._looked is not None:  # from the last look until now it was read and drawn
            pause = max(pause, POLL_SHARE * (time.monotonic() - self._looked))
        if self._deadline is not None:
            pause = min(pause, self._deadline - time.monotonic())
        try:
            return (await self._access.wait_runs([self._run_id], max(0.0, pause)))[0]
        except ResultTimeoutError:
            if self._deadline is None or time.monotonic() < self._deadline:
                return None
            raise ResultTimeoutError(f"run {self._run_id} did not end within {self._timeout:g} s; it goes on") from None
