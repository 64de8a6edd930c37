"""Delivers events: starts the runs that they start, wakes the tasks that wait for them."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from plait.faultpoints import reach
from plait.maintenance.listeners import Event, ListenerFinder, Listeners
from plait.maintenance.periodic import PeriodicService
from plait.store.connection import REFUSALS
from plait.store.events import Delivery
from plait.store.portion import Portion

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.store.hints import Hub
    from plait.store.store import Store
    from plait.values.evaluator import Evaluator

logger = logging.getLogger("plait.maintenance")

BATCH, BATCH_BYTES = 100, 8 << 20
"""Events that are read in one round, and about how many bytes of payload."""
MOST_STARTS, START_BYTES = 5000, 16 << 20
"""Runs that one commit starts and the bytes of their inputs, a single event that starts more aside."""
WOKEN_AT_ONCE, WOKEN_LATER = 100, 250
"""Tasks that one commit wakes: as events are delivered, while nobody can park a task, and afterwards."""
LONGEST_SLEEP, LOCKED_PAUSE, SICK_SECONDS = 5.0, 0.05, 30.0


class Deliverer(PeriodicService):
    """Takes events from the inbox in the order they were pushed.

    What it finds out beforehand (whose expressions an event satisfies) rests on versions, which never change; so a task
    that begins to wait meanwhile is woken to be judged. An event that cannot be delivered (by this leader, for now) is
    set aside for a while, and others go on. Where many tasks are to be woken, that takes many commits, and the next
    events have their turn between them.
    """

    name = "deliverer"
    hint = "event"

    def __init__(self, store: Store, hub: Hub, evaluator: Evaluator) -> None:
        super().__init__()
        self._finder = ListenerFinder(store, evaluator)
        self._store = store
        self._hub = hub
        self._sick: dict[UUID, float] = {}
        self._portion = Portion(BATCH_BYTES)
        self._is_complete, self._next_look = False, 0.0

    async def run_once(self) -> float:
        now = time.monotonic()
        self._sick = {event_id: until for event_id, until in self._sick.items() if until > now}
        portion = self._portion
        with portion.carry() as load:
            rows = await self._store.events.read_inbox(portion.share(BATCH), portion.bytes, list(self._sick))
            load.is_full = portion.is_filled(sum(len(row["payload"]) for row in rows), len(rows), BATCH)
        if rows:
            events = self._read(rows)
            await self._deliver(events, await self._finder.find(events))
        woken = await self._wake_more(now)
        if rows or woken:
            return 0.0
        if not self._is_complete:
            return LOCKED_PAUSE
        return min([LONGEST_SLEEP, *(until - now for until in self._sick.values())])

    async def _wake_more(self, now: float) -> int:
        """Go on with deliveries that are not complete, by a page of tasks. Another leader may have left some, too."""
        if self._is_complete and now < self._next_look:
            return 0
        delivered = await self._store.events.continue_deliveries(WOKEN_LATER)
        self._is_complete, self._next_look = delivered.complete, now + LONGEST_SLEEP
        self._tell(delivered.actions)
        return delivered.woken

    def _read(self, rows: Sequence[Record]) -> list[Event]:
        events = []
        for row in rows:
            try:
                events.append(Event.read(row))
            except ValueError as error:
                self._set_aside(row, error)
        return events

    async def _deliver(self, events: Sequence[Event], listeners: Listeners) -> None:
        """Deliver events, as many of them in a commit as are not too much for one."""
        begin = 0
        while begin < len(events):
            delivery, taken = await self._plan(events[begin:], listeners)
            if delivery.events:
                await self._send(delivery, events[begin : begin + taken], listeners)
            begin += taken

    async def _send(self, delivery: Delivery, events: Sequence[Event], listeners: Listeners) -> None:
        try:
            reach("before delivery")
            delivered = await self._store.events.deliver(delivery, WOKEN_AT_ONCE)
            reach("delivery committed")
        except REFUSALS as error:
            if len(events) == 1:
                self._set_aside(events[0].row, error)
                return
            middle = len(events) // 2
            await self._deliver(events[:middle], listeners)
            await self._deliver(events[middle:], listeners)
            return
        self._is_complete = self._is_complete and delivered.complete
        actions = set(delivered.actions)
        for version_id in {start[2] for start in delivery.starts}:
            version = await self._store.read_version(version_id)
            actions.update(version.actions[root] for root in version.definition.roots)
        self._tell(actions)

    def _tell(self, actions: Collection[int]) -> None:
        if actions:
            self._hub.publish("ready", [str(action) for action in actions])

    async def _plan(self, events: Sequence[Event], listeners: Listeners) -> tuple[Delivery, int]:
        """What delivering the first of the events comes to, and how many these are, those set aside included."""
        delivery, size = Delivery([]), 0
        for taken, event in enumerate(events):
            position = len(delivery.events) + 1
            try:
                starts = await self._finder.list_starts(position, event, listeners)
                await self._finder.ask_all([event], listeners)
            except Exception as error:
                self._set_aside(event.row, error)
                continue
            size += len(starts) * len(event.row["payload"])
            if delivery.events and (len(delivery.starts) + len(starts) > MOST_STARTS or size > START_BYTES):
                return delivery, taken
            delivery.events.append(event.id)
            delivery.starts.extend(starts)
            for group, fits in listeners.list_concerned(event):
                if delivery.heard.get(group) is None:
                    delivery.heard[group] = position if fits else None
        return delivery, len(events)

    def _set_aside(self, row: Record, error: Exception) -> None:
        self._sick[row["id"]] = time.monotonic() + SICK_SECONDS
        logger.error(
            "event %s (%s) cannot be delivered now, again in %g s: %r",
            row["key"],
            row["id"],
            SICK_SECONDS,
            error,
        )
