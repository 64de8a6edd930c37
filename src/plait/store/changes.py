"""Which runs changed, told only while somebody watches: a dashboard says so by the hint ``watch`` again and again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from plait.store.hints import Hub

WATCH, WHO_WATCHES, CHANGED, LOGGED = "watch", "who_watches", "changed", "logged"
"""Kinds of hints: somebody watches; does anybody; these runs changed; these runs have new lines in their logs."""
EVERYTHING = "*"
"""The subject that stands for any run."""
WATCH_SECONDS = 10.0
"""How often a dashboard says that it watches; it counts for two and a half times as long."""
PAUSE = 0.05
"""Seconds between two hints."""
MOST = 200
"""Runs that one hint names."""


class ChangeTeller:
    """Tells of runs that changed. Costs next to nothing while nobody watches (engine's loop)."""

    def __init__(self, hub: Hub, kind: str = CHANGED) -> None:
        self._hub = hub
        self._kind = kind
        self._until = 0.0
        self._changed: set[UUID] = set()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to listen for watchers."""
        self._hub.subscribe(WATCH, self._note_watcher)
        self._hub.publish(WHO_WATCHES, [])

    def stop(self) -> None:
        """Stop listening, and tell no more."""
        self._hub.unsubscribe(WATCH, self._note_watcher)
        if self._timer is not None:
            self._timer.cancel()

    def tell(self, run_ids: Iterable[UUID]) -> None:
        """These runs changed, and that is committed."""
        if time.monotonic() > self._until:
            return
        self._changed.update(run_ids)
        if self._timer is None and self._changed:
            self._timer = asyncio.get_running_loop().call_later(PAUSE, self._send)

    def _send(self) -> None:
        changed, self._changed, self._timer = self._changed, set(), None
        self._hub.publish(self._kind, [run.hex for run in changed] if len(changed) <= MOST else [EVERYTHING])

    def _note_watcher(self, subjects: list[str]) -> None:
        if not subjects:  # just connected: an answer given before was not heard
            self._hub.publish(WHO_WATCHES, [])
            return
        self._until = time.monotonic() + 2.5 * WATCH_SECONDS
