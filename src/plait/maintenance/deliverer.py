"""Delivers events: starts the runs that they start, wakes the tasks that wait for them."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from plait.errors import ExpressionError
from plait.expressions import evaluate
from plait.graph.conditions import matches_pattern
from plait.graph.definition import Condition, ConditionKind
from plait.ids import new_run_id
from plait.maintenance.periodic import PeriodicService
from plait.store.events import Delivery
from plait.triggers import FILTER_PAYLOAD

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.store.hub import Hub
    from plait.store.store import Store

logger = logging.getLogger("plait.maintenance")

BATCH = 100
MOST_STARTS = 5000
"""Runs that one commit starts, a single event that starts more aside."""
MOST_WOKEN = 10_000
LONGEST_SLEEP = 5.0


@dataclass(frozen=True, slots=True)
class _Event:
    """One event of the inbox, its payload and metadata parsed."""

    row: Record
    payload: Any
    metadata: dict[str, Any]

    @classmethod
    def read(cls, row: Record) -> _Event:
        return cls(row, from_json(row["payload"]), json.loads(row["metadata"]) if row["metadata"] else {})


class Deliverer(PeriodicService):
    """Takes events from the inbox in the order they were pushed.

    What it finds out beforehand (whose expressions an event satisfies) rests on versions, which never change; so a task
    that begins to wait meanwhile is woken to be judged.
    """

    name = "deliverer"
    hint = "event"

    def __init__(self, store: Store, hub: Hub) -> None:
        super().__init__()
        self._store = store
        self._hub = hub

    async def run_once(self) -> float:
        rows = await self._store.events.read_inbox(BATCH)
        if not rows:
            return LONGEST_SLEEP
        listeners = await self._store.events.read_listeners(list({row["key"] for row in rows}))
        delivery = await self._plan([_Event.read(row) for row in rows], listeners)
        delivered = await self._store.events.deliver(delivery, MOST_WOKEN)
        actions = set(delivered.actions)
        for version_id in {start[2] for start in delivery.starts}:
            version = await self._store.read_version(version_id)
            actions.update(version.actions[root] for root in version.definition.roots)
        if actions:
            self._hub.publish("ready", [str(action) for action in actions])
        done = len(rows) < BATCH and len(delivery.events) == len(rows) and delivered.woken < MOST_WOKEN
        return LONGEST_SLEEP if done else 0.0

    async def _plan(self, events: Sequence[_Event], listeners: Sequence[Record]) -> Delivery:
        workflows = [listener for listener in listeners if listener["kind"] == "workflow"]
        tasks = [listener for listener in listeners if listener["kind"] == "task"]
        delivery = Delivery([])
        for position, event in enumerate(events, 1):
            starts = [] if event.row["started"] else await self._list_starts(position, event, workflows)
            if delivery.events and len(delivery.starts) + len(starts) > MOST_STARTS:
                break
            delivery.events.append(event.row["id"])
            delivery.starts.extend(starts)
            for listener in tasks:
                version = await self._store.read_version(listener["version_id"])
                conditions = version.definition.tasks[listener["task"]].conditions
                if not _concerns(event, conditions):
                    delivery.exempt.append((position, version.id, listener["task"]))
        return delivery

    async def _list_starts(self, position: int, event: _Event, workflows: Sequence[Record]) -> list[Any]:
        starts = []
        for workflow in workflows:
            if not any(matches_pattern(pattern, event.row["key"]) for pattern in workflow["patterns"]):
                continue
            version = await self._store.read_version(workflow["version_id"])
            priority = event.row["priority"] or version.definition.default_priority
            for metadata in _choose_metadata(event, json.loads(workflow["filters"] or "[]")):
                payload = event.row["payload"]
                starts.append((position, new_run_id(), version.id, payload, metadata, priority))
        return starts


def _choose_metadata(event: _Event, filters: Sequence[Mapping[str, str]]) -> list[str | None]:
    """One run's metadata for each filter that lets the event through; one run if no filter is asked.

    Asked are the filters of the event's scope. An event without a scope, or of one that the workflow has no filter
    for, starts one run.
    """
    asked = [rule for rule in filters if rule["scope"] == event.row["scope"]]
    if not asked:
        return [event.row["metadata"]]
    chosen: list[str | None] = []
    for rule in asked:
        payload = json.loads(rule["payload"])
        variables = {"payload": payload, "metadata": event.metadata, "additional_metadata": event.metadata}
        if _holds(rule["expression"], event, **variables):
            chosen.append(json.dumps({**event.metadata, FILTER_PAYLOAD: payload}) if payload else event.row["metadata"])
    return chosen


def _concerns(event: _Event, conditions: Sequence[Condition]) -> bool:
    """Whether the event may meet one of the conditions. A key with placeholders may stand for any."""
    return any(
        condition.expression is None or _holds(condition.expression, event)
        for condition in conditions
        if condition.kind is ConditionKind.EVENT
        and ("{" in (condition.event_key or "") or condition.event_key == event.row["key"])
    )


def _holds(expression: str, event: _Event, **variables: Any) -> bool:
    try:
        return evaluate(expression, input=event.payload, **variables)
    except ExpressionError as error:
        logger.info("event %s (%s): %s", event.row["key"], event.row["id"], error)
        return False
