"""Delivers events: starts the runs that they start, wakes the tasks that wait for them."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic_core import from_json

from plait.errors import ExpressionError, PlaitError
from plait.faultpoints import reach
from plait.graph.conditions import matches_pattern
from plait.graph.definition import Condition, ConditionKind
from plait.graph.triggers import FILTER_PAYLOAD
from plait.ids import new_run_id
from plait.maintenance.periodic import PeriodicService
from plait.store.connection import REFUSALS
from plait.store.events import Delivery
from plait.store.portion import Portion
from plait.values.evaluator import Evaluator, Question

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.store.hints import Hub
    from plait.store.store import Store

logger = logging.getLogger("plait.maintenance")

BATCH, BATCH_BYTES = 100, 8 << 20
"""Events that are read in one round, and about how many bytes of payload."""
MOST_STARTS, START_BYTES = 5000, 16 << 20
"""Runs that one commit starts and the bytes of their inputs, a single event that starts more aside."""
MOST_WOKEN = 10_000
LONGEST_SLEEP, LOCKED_PAUSE, SICK_SECONDS = 5.0, 0.05, 30.0


@dataclass(frozen=True, slots=True)
class _Event:
    """One event of the inbox, its metadata parsed."""

    row: Record
    metadata: dict[str, Any]

    @classmethod
    def read(cls, row: Record) -> _Event:
        from_json(row["payload"])  # what cannot be read is not delivered
        return cls(row, json.loads(row["metadata"]) if row["metadata"] else {})


@dataclass(frozen=True, slots=True)
class _Rule:
    """A filter. ``payload`` is JSON."""

    scope: str
    expression: str
    payload: str


@dataclass(frozen=True, slots=True)
class _Listeners:
    """Who may be concerned by a round of events: workflows with their filters, and tasks by version."""

    workflows: Sequence[tuple[Record, Sequence[_Rule]]]
    tasks: Sequence[Record]

    @classmethod
    def read(cls, rows: Sequence[Record]) -> _Listeners:
        return cls(
            [(row, _read_rules(row)) for row in rows if row["kind"] == "workflow"],
            [row for row in rows if row["kind"] == "task"],
        )


class Deliverer(PeriodicService):
    """Takes events from the inbox in the order they were pushed.

    What it finds out beforehand (whose expressions an event satisfies) rests on versions, which never change; so a task
    that begins to wait meanwhile is woken to be judged. An event that cannot be delivered (by this leader, for now) is
    set aside for a while, and others go on.
    """

    name = "deliverer"
    hint = "event"

    def __init__(self, store: Store, hub: Hub, evaluator: Evaluator) -> None:
        super().__init__()
        self._evaluator = evaluator
        self._store = store
        self._hub = hub
        self._sick: dict[UUID, float] = {}
        self._portion = Portion(BATCH_BYTES)

    async def run_once(self) -> float:
        now = time.monotonic()
        self._sick = {event_id: until for event_id, until in self._sick.items() if until > now}
        portion = self._portion
        with portion.carry() as load:
            rows = await self._store.events.read_inbox(portion.share(BATCH), portion.bytes, list(self._sick))
            load.is_full = portion.is_filled(sum(len(row["payload"]) for row in rows), len(rows), BATCH)
        if not rows:
            return min([LONGEST_SLEEP, *(until - now for until in self._sick.values())])
        keys, scopes = {row["key"] for row in rows}, {row["scope"] for row in rows if row["scope"] is not None}
        listeners = _Listeners.read(await self._store.events.read_listeners(list(keys), list(scopes)))
        complete = await self._deliver(self._read(rows), listeners)
        return 0.0 if complete else LOCKED_PAUSE

    def _read(self, rows: Sequence[Record]) -> list[_Event]:
        events = []
        for row in rows:
            try:
                events.append(_Event.read(row))
            except ValueError as error:
                self._set_aside(row, error)
        return events

    async def _deliver(self, events: Sequence[_Event], listeners: _Listeners) -> bool:
        """Deliver events, as many of them in a commit as are not too much for one. Returns whether nothing is left."""
        complete, begin = True, 0
        while begin < len(events):
            delivery, taken = await self._plan(events[begin:], listeners)
            if delivery.events:
                complete = await self._send(delivery, events[begin : begin + taken], listeners) and complete
            begin += taken
        return complete

    async def _send(self, delivery: Delivery, events: Sequence[_Event], listeners: _Listeners) -> bool:
        try:
            reach("before delivery")
            delivered = await self._store.events.deliver(delivery, MOST_WOKEN)
            reach("delivery committed")
        except REFUSALS as error:
            if len(events) > 1:
                middle = len(events) // 2
                first = await self._deliver(events[:middle], listeners)
                return await self._deliver(events[middle:], listeners) and first
            self._set_aside(events[0].row, error)
            return True
        actions = set(delivered.actions)
        for version_id in {start[2] for start in delivery.starts}:
            version = await self._store.read_version(version_id)
            actions.update(version.actions[root] for root in version.definition.roots)
        if actions:
            self._hub.publish("ready", [str(action) for action in actions])
        return delivered.complete

    async def _plan(self, events: Sequence[_Event], listeners: _Listeners) -> tuple[Delivery, int]:
        """What delivering the first of the events comes to, and how many these are, those set aside included."""
        delivery, size = Delivery([]), 0
        for taken, event in enumerate(events):
            position = len(delivery.events) + 1
            try:
                starts = [] if event.row["started"] else await self._list_starts(position, event, listeners)
                exempt = [
                    (position, task["version_id"], task["task"])
                    for task in listeners.tasks
                    if not await self._may_concern(event, task)
                ]
            except Exception as error:
                self._set_aside(event.row, error)
                continue
            size += len(starts) * len(event.row["payload"])
            if delivery.events and (len(delivery.starts) + len(starts) > MOST_STARTS or size > START_BYTES):
                return delivery, taken
            delivery.events.append(event.row["id"])
            delivery.starts.extend(starts)
            delivery.exempt.extend(exempt)
        return delivery, len(events)

    async def _list_starts(self, position: int, event: _Event, listeners: _Listeners) -> list[Any]:
        starts = []
        for workflow, rules in listeners.workflows:
            if not any(matches_pattern(pattern, event.row["key"]) for pattern in workflow["patterns"]):
                continue
            version = await self._store.read_version(workflow["version_id"])
            priority = event.row["priority"] or version.definition.default_priority
            starts += [
                (position, new_run_id(), version.id, metadata, priority)
                for metadata in await self._choose_metadata(event, rules)
            ]
        return starts

    async def _may_concern(self, event: _Event, task: Record) -> bool:
        """Whether the event may release a task that waits: where that cannot be told, its judge shall."""
        try:
            version = await self._store.read_version(task["version_id"])
        except (PlaitError, ValueError):
            return True
        expressions = _list_expressions(event, version.definition.tasks[task["task"]].conditions)
        if None in expressions:
            return True
        return True in await self._ask(event, [(text, {}) for text in expressions if text is not None])

    async def _choose_metadata(self, event: _Event, rules: Sequence[_Rule]) -> list[str | None]:
        """One run's metadata for each filter that lets the event through; one run if no filter is asked.

        Asked are the filters of the event's scope. An event without a scope, or of one that the workflow has no filter
        for, starts one run.
        """
        asked = [rule for rule in rules if rule.scope == event.row["scope"]]
        if not asked:
            return [event.row["metadata"]]
        metadata = event.row["metadata"] or "{}"
        answers = await self._ask(
            event,
            [
                (rule.expression, {"payload": rule.payload, "metadata": metadata, "additional_metadata": metadata})
                for rule in asked
            ],
        )
        chosen: list[str | None] = []
        for rule, holds in zip(asked, answers, strict=True):
            if holds:
                payload = json.loads(rule.payload)
                told = {**event.metadata, FILTER_PAYLOAD: payload} if payload else None
                chosen.append(json.dumps(told) if told else event.row["metadata"])
        return chosen

    async def _ask(self, event: _Event, asked: Sequence[tuple[str, Mapping[str, str]]]) -> list[bool]:
        """Which expressions hold for an event, given more variables. One that cannot be evaluated does not."""
        questions = [Question(text, {"input": event.row["payload"], **variables}) for text, variables in asked]
        answers = await self._evaluator.evaluate(questions)
        for answer in answers:
            if isinstance(answer, ExpressionError):
                logger.info("event %s (%s): %s", event.row["key"], event.row["id"], answer)
        return [answer is True for answer in answers]

    def _set_aside(self, row: Record, error: Exception) -> None:
        self._sick[row["id"]] = time.monotonic() + SICK_SECONDS
        logger.error(
            "event %s (%s) cannot be delivered now, again in %g s: %r",
            row["key"],
            row["id"],
            SICK_SECONDS,
            error,
        )


def _read_rules(workflow: Record) -> list[_Rule]:
    filters = json.loads(workflow["filters"] or "[]")
    return [_Rule(one["scope"], one["expression"], one["payload"]) for one in filters]


def _list_expressions(event: _Event, conditions: Sequence[Condition]) -> list[str | None]:
    """The expressions of the conditions that an event may meet; None where there is none. A key with placeholders may
    stand for any."""
    return [
        condition.expression
        for condition in conditions
        if condition.kind is ConditionKind.EVENT
        and ("{" in (condition.event_key or "") or condition.event_key == event.row["key"])
    ]
