"""Says what changed to whoever watches: from the hints of the hub to server-sent events.

Hints are no promise, and neither is the stream: a page that misses one sees the change when it polls. While somebody
watches, the server says so by the hint ``watch`` every ``WATCH_SECONDS``; only then do workers tell which runs changed.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from plait.client import Plait, get_access
from plait.errors import PlaitError
from plait.store.changes import CHANGED, EVERYTHING, LOGGED, WATCH, WATCH_SECONDS, WHO_WATCHES
from plait.store.hints import ASKED_FOR, Hub

HEARTBEAT_SECONDS = 15.0
SPACING_SECONDS = 0.05
"""Least time between two frames of a stream."""
LIFE_SECONDS = 900.0
"""A stream ends after that, and the page opens the next where it ended: nothing is kept for ever."""
KEPT = 4096
"""Changes that are kept for streams that come again."""
MOST_IDS = 200
"""Runs that one frame names; of more it says only that some changed."""


class Entry(NamedTuple):
    """One change, with the runs as the hints name them. ``vague``: it may be about any run."""

    number: int
    kind: str
    ids: tuple[str, ...]
    vague: bool


@dataclass(eq=False)
class _Listener:
    loop: asyncio.AbstractEventLoop
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def stir(self) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.woken.set)


class Broker:
    """Collects changes on the engine's loop and hands them to streams on the server's."""

    def __init__(self, plait: Plait) -> None:
        self._access = get_access(plait)
        self._instance = secrets.token_hex(4)
        self._lock = threading.Lock()
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._number = 0
        self._listeners: set[_Listener] = set()
        self._watching: Future[None] | None = None
        self._closed = False

    def close(self) -> None:
        """End all streams, from any thread or a signal handler."""
        self._closed = True
        for listener in list(self._listeners):
            listener.stir()

    async def stream(self, run: UUID | None, last_event_id: str | None) -> AsyncIterator[bytes]:
        """The frames of one stream."""
        listener = _Listener(asyncio.get_running_loop())
        wanted = None if run is None else run.hex
        deadline = time.monotonic() + LIFE_SECONDS
        self._add(listener)
        try:
            place = self._find_place(last_event_id)
            yield b"retry: 1000\n\n"
            if place is None:
                place = self._number
                yield self._render(place, "reset", {})
            listener.woken.set()  # what came since the place, of a stream that goes on
            while not self._closed and time.monotonic() < deadline:
                if not await _wait(listener.woken, HEARTBEAT_SECONDS):
                    yield b": still here\n\n"
                    continue
                listener.woken.clear()
                entries, lost = self._take(place)
                place = entries[-1].number if entries else place
                if lost:
                    yield self._render(place, "reset", {})
                for change in _merge(entries, wanted):
                    yield self._render(place, "change", change)
                await asyncio.sleep(SPACING_SECONDS)
        finally:
            with self._lock:
                self._listeners.discard(listener)

    # the engine's side

    def _add(self, listener: _Listener) -> None:
        with self._lock:
            self._listeners.add(listener)
            if self._watching is None or self._watching.done():
                self._watching = self._access.portal.spawn(self._watch())

    async def _watch(self) -> None:
        """Listen while there are streams."""
        try:
            hub = (await self._access.open_engine()).hub
        except PlaitError:
            await asyncio.sleep(1)
            hub = (await self._access.open_engine()).hub
        subscriptions = self._build_subscriptions()
        subscriptions[WHO_WATCHES] = lambda _: hub.publish(WATCH, [self._instance])
        for kind, subscriber in subscriptions.items():
            hub.subscribe(kind, subscriber)
        hub.start()
        try:
            await self._keep_watching(hub)
        finally:
            for kind, subscriber in subscriptions.items():
                hub.unsubscribe(kind, subscriber)

    async def _keep_watching(self, hub: Hub) -> None:
        while self._listeners and not self._closed:
            hub.publish(WATCH, [self._instance])
            for kind in ASKED_FOR:
                hub.ask_for(kind)
            await asyncio.sleep(WATCH_SECONDS)

    def _build_subscriptions(self) -> dict[str, Callable[[list[str]], None]]:
        def tell(kind: str) -> Callable[[list[str]], None]:
            return lambda _: self._push(kind, ())

        return {
            "ready": tell("runs"),
            "done": self._note_runs,
            "cancel": self._note_runs,
            CHANGED: self._note_runs,
            LOGGED: self._note_logs,
            "event": tell("events"),
            "timer": tell("schedules"),
            "orphans": tell("workers"),
            "worker": tell("workers"),
        }

    def _note_runs(self, subjects: list[str]) -> None:
        vague = not subjects or EVERYTHING in subjects
        self._push("runs" if vague else "run", () if vague else subjects, vague=vague)

    def _note_logs(self, subjects: list[str]) -> None:
        vague = not subjects or EVERYTHING in subjects
        self._push("logs", () if vague else subjects, vague=vague)

    def _push(self, kind: str, ids: Iterable[str], *, vague: bool = False) -> None:
        with self._lock:
            self._number += 1
            self._entries.append(Entry(self._number, kind, tuple(ids), vague))
            listeners = list(self._listeners)
        for listener in listeners:
            listener.stir()

    # the server's side

    def _find_place(self, last_event_id: str | None) -> int | None:
        """The number behind which a stream goes on; None when it cannot."""
        instance, _, number = (last_event_id or "").partition("-")
        if instance != self._instance or not number.isascii() or not number.isdigit():
            return None
        place = int(number[:18])
        with self._lock:
            oldest = self._entries[0].number if self._entries else self._number + 1
            return place if oldest - 1 <= place <= self._number else None

    def _take(self, place: int) -> tuple[list[Entry], bool]:
        """Everything behind a place, and whether some of it is gone already."""
        with self._lock:
            entries = [entry for entry in self._entries if entry.number > place]
        return entries, bool(entries) and entries[0].number > place + 1

    def _render(self, place: int, event: str, data: object) -> bytes:
        return f"id: {self._instance}-{place}\nevent: {event}\ndata: {json.dumps(data)}\n\n".encode()


def _merge(entries: Iterable[Entry], run: str | None) -> list[dict[str, object]]:
    """One change of each kind."""
    found: dict[str, dict[str, None]] = {}
    for entry in entries:
        if run is not None and not (entry.vague or run in entry.ids):
            continue
        found.setdefault(entry.kind, {}).update(dict.fromkeys(entry.ids if run is None else ()))
    changes: list[dict[str, object]] = []
    for kind, subjects in found.items():
        if len(subjects) > MOST_IDS:
            kind, subjects = ("runs" if kind == "run" else kind), {}
        of_run = run is not None and kind in ("run", "logs")
        changes.append({"kind": kind, "ids": _format_ids([run] if of_run and run is not None else subjects)})
    return changes


def _format_ids(subjects: Iterable[str]) -> list[str]:
    """The ids of runs, of whatever else was heard nothing."""
    ids = []
    for subject in subjects:
        with suppress(ValueError):
            ids.append(str(UUID(hex=subject)))
    return ids


async def _wait(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
