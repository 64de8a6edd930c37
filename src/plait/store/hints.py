"""Hints between processes: what became ready, which runs ended. Polling is the guarantee, a hint only saves waiting.

Hints go out through a connection of their own, after the commit they speak of: ``pg_notify`` inside the hot
transactions would serialise every commit of the database on one lock. One that comes after a pause goes at once; while
there are many, those that wait go together, ``RATE`` times a second. And since each wakes a session of every process
that listens, whatever it listens to, the kinds of which there are many are sent only while somebody asks for them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

import asyncpg

from plait.errors import PlaitError
from plait.store.allowance import Allowance
from plait.store.connection import Link, connect, iter_backoff
from plait.store.outage import Outage
from plait.store.statements import load_sql

logger = logging.getLogger("plait.hub")

CHANNEL_PREFIX = "plait_"
"""One channel per kind, so that nobody is woken by what does not concern it."""
RATE, BURST = 90.0, 4
"""Of one process: sendings a second in the long run, and at once after a pause."""
FLEET_RATE, LEAST_RATE = 1000.0, 2.0
"""Of all workers together, where there are more than a few, and what is left to each."""
ASKED_FOR = ("ready", "done")
"""Kinds that are sent only while somebody in another process asks for them."""
ASK = "ask"
"""The kind by which that is said, for everybody who waits for the same."""
ASK_SECONDS = 10.0
"""How often that is said; it counts for two and a half times as long."""
HELD_SECONDS, MOST_HELD = 2.0, 1000
"""How long a hint that nobody asks for is kept, and how many: somebody may be about to ask."""
QUESTION_SECONDS = 15
"""A half-open connection never says that it is gone, so it is asked now and then."""
_PAYLOAD_LIMIT = 7900  # PostgreSQL's own is 8000 bytes

Subscriber = Callable[[list[str]], None]


class Hub:
    """Sends and receives hints. ``subscribe`` before ``start``; a subscriber gets the list of subjects, and an empty
    list when hints may have been missed (just connected, or connected again), so that it polls once. ``revive`` is
    called before connecting again.

    Who waits for hints of the kinds ``ASKED_FOR`` says so by ``ask_for``, again and again. A process that does not
    listen cannot know whether anybody does, and sends all.
    """

    def __init__(self, url: str, *, revive: Callable[[], Awaitable[None]] | None = None) -> None:
        self._url = url
        self._revive = revive
        self._sender = Link(url, name="plait hints")
        self._subscribers: dict[str, list[Subscriber]] = {}
        self._outbox: dict[str, dict[str, None]] = {}
        self._sending: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._is_stopped = False
        self._own_pid: int | None = None
        self._listened: set[str] = set()
        self._stirred = asyncio.Event()
        self._outage = Outage(logger, "listen for hints")
        self._sending_outage = Outage(logger, "send hints")
        self._allowance = Allowance(RATE, BURST)
        self._asked: dict[str, float] = {}
        """Until when somebody in another process waits for hints of a kind."""
        self._said: dict[str, float] = {}
        """Until when it need not be said that somebody does."""
        self._held: dict[str, dict[str, float]] = {kind: {} for kind in ASKED_FOR}
        """What nobody asks for: subjects, the oldest first, with when they were published."""
        self.subscribe(ASK, self._note_asked)

    def subscribe(self, kind: str, subscriber: Subscriber) -> None:
        """Call ``subscriber`` on the engine's loop for every hint of this kind, from here or elsewhere."""
        if kind not in self._subscribers:
            self._subscribers[kind] = []
            self._stirred.set()  # the listener has a channel more to listen to
        self._subscribers[kind].append(subscriber)

    def is_listening(self, kind: str) -> bool:
        """Whether every hint of this kind given from now on will be received, unless the connection breaks."""
        return kind in self._listened

    def unsubscribe(self, kind: str, subscriber: Subscriber) -> None:
        self._subscribers[kind].remove(subscriber)

    def ask_for(self, kind: str) -> None:
        """Somebody here waits for hints of this kind from other processes. To be said again, every few seconds: it
        costs a hint only if nobody else has said so lately."""
        now = time.monotonic()
        if now > self._said.get(kind, 0.0):
            self._said[kind] = now + ASK_SECONDS
            self._dispatch(ASK, [kind])

    def note_fleet(self, workers: int) -> None:
        """So many workers live: they share what all together may send."""
        self._allowance.rate = min(RATE, max(LEAST_RATE, FLEET_RATE / max(1, workers)))

    def start(self) -> None:
        """Begin to listen; starting again does nothing."""
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen(), name="plait-listener")

    async def stop(self) -> None:
        """Send what is still to be sent, then disconnect; what is published afterwards is told to this process only."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait([self._listening])
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                while self._sending is not None and not self._sending.done():
                    await self._sending
        self._is_stopped = True
        await self._sender.close()

    def publish(self, kind: str, subjects: Iterable[str], *, elsewhere: bool = True) -> None:
        """Tell everybody, this process first (and only this one without ``elsewhere``). Returns at once; a hint that
        cannot be sent is dropped."""
        subjects = list(subjects)
        self._deliver(kind, subjects)
        if elsewhere and self._is_wanted(kind):
            self._dispatch(kind, subjects)
        elif elsewhere:
            self._hold(kind, subjects)

    def _is_wanted(self, kind: str) -> bool:
        return kind not in ASKED_FOR or not self.is_listening(ASK) or time.monotonic() < self._asked.get(kind, 0.0)

    def _hold(self, kind: str, subjects: list[str]) -> None:
        held, now = self._held[kind], time.monotonic()
        for subject in subjects:
            held.pop(subject, None)
            held[subject] = now
        while held and (len(held) > MOST_HELD or next(iter(held.values())) < now - HELD_SECONDS):
            del held[next(iter(held))]

    def _note_asked(self, kinds: list[str]) -> None:
        """Somebody in another process asks for hints of these kinds; of all, as far as is known, where hints may have
        been missed."""
        now = time.monotonic()
        for kind in set(kinds or ASKED_FOR).intersection(ASKED_FOR):
            self._asked[kind] = now + 2.5 * ASK_SECONDS
            if kinds:
                self._said[kind] = now + ASK_SECONDS
            held, self._held[kind] = self._held[kind], {}
            recent = [subject for subject, at in held.items() if at >= now - HELD_SECONDS]
            if recent:
                self._dispatch(kind, recent)

    def _dispatch(self, kind: str, subjects: list[str]) -> None:
        if self._is_stopped:
            return
        self._outbox.setdefault(kind, {}).update(dict.fromkeys(subjects))
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send(), name="plait-hints")

    async def _send(self) -> None:
        while self._outbox:
            await asyncio.sleep(self._allowance.delay())
            self._allowance.take()
            messages = _render_messages(self._outbox)
            self._outbox = {}
            try:
                rows = await self._sender.fetch(load_sql("send_hints"), *map(list, zip(*messages, strict=True)))
                self._own_pid = rows[0]["pid"]
                self._sending_outage.end()
            except (PlaitError, asyncpg.PostgresError) as error:
                self._sending_outage.note(error, "other processes find changes by polling, somewhat later")
                self._said.clear()  # that somebody asks was perhaps not heard

    async def _listen(self) -> None:
        while True:
            pause = next(iter_backoff())
            try:
                connection = await connect(self._url, application_name="plait listener")
                if connection.shares_session:
                    connection.terminate()  # it could listen, but would not hear
                    return
                await self._serve(connection)
            except (TimeoutError, PlaitError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                pause = self._outage.note(error, "changes are found by polling, somewhat later")
            await asyncio.sleep(pause)
            await self._try_to_revive()

    async def _try_to_revive(self) -> None:
        if self._revive is not None:
            try:
                await self._revive()
            except PlaitError as error:
                logger.debug("could not start the server again: %s", error)

    async def _serve(self, connection: asyncpg.Connection) -> None:
        connection.add_termination_listener(lambda _: self._stirred.set())
        try:
            while not connection.is_closed():
                self._stirred.clear()
                for kind in [kind for kind in self._subscribers if kind not in self._listened]:
                    await connection.add_listener(CHANNEL_PREFIX + kind, self._receive)
                    self._listened.add(kind)
                    self._outage.end()
                    self._deliver(kind, [])
                with suppress(TimeoutError):
                    async with asyncio.timeout(QUESTION_SECONDS):
                        await self._stirred.wait()
                        continue
                await connection.execute("SELECT 1", timeout=5)
        finally:
            self._listened.clear()
            connection.terminate()

    def _receive(self, _connection: Any, pid: int, channel: str, payload: object) -> None:
        if pid != self._own_pid:  # else delivered when it was published
            self._deliver(channel.removeprefix(CHANNEL_PREFIX), str(payload).split(","))

    def _deliver(self, kind: str, subjects: list[str]) -> None:
        for subscriber in self._subscribers.get(kind, ()):
            subscriber(subjects)


def _render_messages(outbox: dict[str, dict[str, None]]) -> list[tuple[str, str]]:
    """Channels and payloads, as few as the payloads' limit allows."""
    messages = []
    for kind, subjects in outbox.items():
        line = ""
        for subject in subjects:
            if len(line) + len(subject) + 1 > _PAYLOAD_LIMIT:
                messages.append((CHANNEL_PREFIX + kind, line))
                line = ""
            line = f"{line},{subject}" if line else subject
        messages.append((CHANNEL_PREFIX + kind, line))
    return messages
