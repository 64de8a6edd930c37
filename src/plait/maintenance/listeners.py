"""Finds out whom events concern: the workflows that they start, the tasks that wait for them."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic_core import from_json

from plait.errors import ExpressionError, OperationError, PlaitError
from plait.graph.conditions import matches_pattern
from plait.graph.definition import ConditionKind
from plait.graph.triggers import FILTER_PAYLOAD
from plait.ids import new_run_id
from plait.store.events import Group
from plait.values.evaluator import Evaluator, Question

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.store.store import Store

logger = logging.getLogger("plait.maintenance")


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the inbox, its metadata parsed."""

    row: Record
    metadata: dict[str, Any]

    @classmethod
    def read(cls, row: Record) -> Event:
        from_json(row["payload"])  # what cannot be read is not delivered
        return cls(row, json.loads(row["metadata"]) if row["metadata"] else {})

    @property
    def id(self) -> UUID:
        return self.row["id"]  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Rule:
    """A filter. ``payload`` is JSON."""

    scope: str
    expression: str
    payload: str


Waiting = tuple[Group, Sequence[str] | None]
"""Tasks that wait, and the expressions of which one must hold; None: any event may concern them."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who may be concerned by a round of events: workflows with their filters; tasks that wait, by key and scope."""

    workflows: Sequence[tuple[Record, Sequence[Rule]]]
    waiting: Mapping[tuple[str, str], Sequence[Waiting]]
    verdicts: dict[tuple[UUID, str], bool] = field(default_factory=dict)
    """What expressions of tasks say about events, as far as they were asked."""

    def list_waiting(self, event: Event) -> list[Waiting]:
        """Who waits for such an event, whatever its payload."""
        key, scope = event.row["key"], event.row["scope"] or ""
        return [one for chosen in {scope, ""} for one in self.waiting.get((key, chosen), ())]

    def list_concerned(self, event: Event) -> list[tuple[Group, bool]]:
        """Who waits for such an event, and whether this one may release them."""
        return [
            (group, expressions is None or any(self.verdicts[event.id, text] for text in expressions))
            for group, expressions in self.list_waiting(event)
        ]


class ListenerFinder:
    """Reads and asks what is to be known before events are delivered."""

    def __init__(self, store: Store, evaluator: Evaluator) -> None:
        self._store = store
        self._evaluator = evaluator

    async def find(self, events: Sequence[Event]) -> Listeners:
        """Who may be concerned by any of these. Asks their expressions about all events in one go."""
        asked = {(event.row["key"], event.row["scope"] or "") for event in events}
        rows = await self._store.events.read_listeners([key for key, _ in asked], [scope for _, scope in asked])
        waiting: dict[tuple[str, str], list[Waiting]] = {}
        for row in rows:
            if row["kind"] == "task":
                group = (row["key"], row["scope"], row["version_id"], row["task"])
                waiting.setdefault(group[:2], []).append((group, await self._list_expressions(group)))
        workflows = [(row, _read_rules(row)) for row in rows if row["kind"] == "workflow"]
        listeners = Listeners(workflows, waiting)
        with suppress(OperationError):  # one of them ends who evaluates: it is found when each event is asked about
            await self.ask_all(events, listeners)
        return listeners

    async def ask_all(self, events: Sequence[Event], listeners: Listeners) -> None:
        """Ask what the expressions of tasks say about events, where that is not known yet."""
        asked = {
            (event.id, text): (event, text)
            for event in events
            for _, expressions in listeners.list_waiting(event)
            for text in expressions or ()
            if (event.id, text) not in listeners.verdicts
        }
        if not asked:
            return
        answers = await self._ask([(event, text, {}) for event, text in asked.values()])
        listeners.verdicts.update(zip(asked, answers, strict=True))

    async def list_starts(self, position: int, event: Event, listeners: Listeners) -> list[Any]:
        """The runs that an event starts, as in ``Delivery.starts``."""
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

    async def _list_expressions(self, group: Group) -> Sequence[str] | None:
        """One of them holds for an event that may release a task of the group. None: any may, or that cannot be told;
        its judge shall."""
        key, scope, version_id, task = group
        try:
            version = await self._store.read_version(version_id)
        except (PlaitError, ValueError):
            return None
        expressions = {
            condition.expression
            for condition in version.definition.tasks[task].conditions
            if condition.kind is ConditionKind.EVENT
            # A key with placeholders may stand for any.
            and ("{" in (condition.event_key or "") or condition.event_key == key)
            and (condition.scope is None) == (scope == "")
        }
        return None if None in expressions else [one for one in expressions if one is not None]

    async def _choose_metadata(self, event: Event, rules: Sequence[Rule]) -> list[str | None]:
        """One run's metadata for each filter that lets the event through; one run if no filter is asked.

        Asked are the filters of the event's scope. An event without a scope, or of one that the workflow has no filter
        for, starts one run.
        """
        asked = [rule for rule in rules if rule.scope == event.row["scope"]]
        if not asked:
            return [event.row["metadata"]]
        told = event.row["metadata"] or "{}"
        variables = {"metadata": told, "additional_metadata": told}
        answers = await self._ask(
            [(event, rule.expression, {"payload": rule.payload, **variables}) for rule in asked],
        )
        chosen: list[str | None] = []
        for rule, holds in zip(asked, answers, strict=True):
            if holds:
                payload = json.loads(rule.payload)
                metadata = {**event.metadata, FILTER_PAYLOAD: payload} if payload else None
                chosen.append(json.dumps(metadata) if metadata else event.row["metadata"])
        return chosen

    async def _ask(self, asked: Sequence[tuple[Event, str, Mapping[str, str]]]) -> list[bool]:
        """Which expressions hold for an event, given more variables. One that cannot be evaluated does not."""
        questions = [Question(text, {"input": event.row["payload"], **variables}) for event, text, variables in asked]
        answers = await self._evaluator.evaluate(questions)
        for (event, _, _), answer in zip(asked, answers, strict=True):
            if isinstance(answer, ExpressionError):
                logger.info("event %s (%s): %s", event.row["key"], event.id, answer)
        return [answer is True for answer in answers]


def _read_rules(workflow: Record) -> list[Rule]:
    filters = json.loads(workflow["filters"] or "[]")
    return [Rule(one["scope"], one["expression"], one["payload"]) for one in filters]
