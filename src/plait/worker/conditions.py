"""What is known about the conditions of claimed tasks: which events came, how long they waited, what parents put out.

Everything is read and evaluated before the judge is asked; the judge only decides.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from plait.errors import ExpressionError, PlaitError
from plait.graph.attempt import ConditionState, TaskResult
from plait.graph.conditions import render_event_key
from plait.graph.definition import Condition, ConditionKind, Status
from plait.store.events import ParkRow
from plait.values.encoding import decode_json
from plait.values.evaluator import Evaluator, Question

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.store.events import EventStore
    from plait.worker.assignment import Assignment

logger = logging.getLogger("plait.worker")

EVENTS_PAGE, EVENTS_BYTES = 200, 256 * 1024
"""Events that are read at a time for one task, and about how many bytes of payload."""


class ConditionReader:
    """Finds out about the conditions of assignments, many at a time."""

    def __init__(self, events: EventStore, evaluator: Evaluator) -> None:
        self._events = events
        self._evaluator = evaluator

    async def read(self, claimed: Sequence[tuple[Assignment, Record]]) -> None:
        """Fill in ``assignment.conditions`` for tasks as they were claimed, their parents' outcomes being known."""
        rows = await self._events.read_waits([a.run.id for a, _ in claimed], [a.task for a, _ in claimed])
        waits = {(row["run_id"], row["task"]): row for row in rows}
        open_ones = []
        for assignment, row in claimed:
            state = _build_state(row, waits[assignment.key], len(_list_conditions(assignment)))
            assignment.conditions = state
            try:
                _judge_time_and_parents(assignment, state)
                open_ones.append(assignment)
            except PlaitError as error:
                state.fault = str(error)
        await self._evaluate_outputs(open_ones)
        open_ones = [one for one in open_ones if one.conditions is not None and one.conditions.fault is None]
        await self._read_events(open_ones)
        await self._read_payloads(open_ones)

    async def _evaluate_outputs(self, assignments: Sequence[Assignment]) -> None:
        """What expressions say about the outputs of parents that completed."""
        asked = [
            (assignment, number, Question(condition.expression, {"output": result.output or b"null"}))
            for assignment in assignments
            for number, condition in enumerate(_list_conditions(assignment))
            if condition.kind is ConditionKind.PARENT
            and condition.expression is not None
            and (result := _find_completed(assignment, condition)) is not None
        ]
        answers = await self._evaluator.evaluate([question for _, _, question in asked])
        for (assignment, number, _), answer in zip(asked, answers, strict=True):
            state = assignment.conditions
            assert state is not None
            if isinstance(answer, bool):
                state.truth[number] = answer
            elif state.fault is None:
                state.fault = str(answer)

    async def _read_events(self, assignments: Sequence[Assignment]) -> None:
        asking = [assignment for assignment in assignments if _list_open_keys(assignment)]
        while asking:
            payloads = any(_wants_payload(assignment) for assignment in asking)
            questions = [_ask(one) for one in asking]
            rows = await self._events.read_since(questions, EVENTS_PAGE, EVENTS_BYTES, payloads=payloads)
            pages: dict[int, list[Record]] = {}
            for row in rows:
                pages.setdefault(row["question"] - 1, []).append(row)
            for place, page in pages.items():
                fitting = await self._find_fitting(asking[place], page)
                for row in page:
                    _take_event(asking[place], row, fitting)
            asking = [
                assignment for place, assignment in enumerate(asking) if place in pages and _list_open_keys(assignment)
            ]

    async def _find_fitting(self, assignment: Assignment, page: Sequence[Record]) -> set[tuple[int, UUID]]:
        """By their expressions: which conditions of a task events meet, as pairs of number and event."""
        conditions = _list_conditions(assignment)
        asked = [
            ((number, row["id"]), Question(expression, {"input": row["payload"]}))
            for row in page
            for number in _list_concerned(assignment, row)
            if (expression := conditions[number].expression) is not None
        ]
        answers = await self._evaluator.evaluate([question for _, question in asked])
        for ((_, event_id), _), answer in zip(asked, answers, strict=True):
            if isinstance(answer, ExpressionError):
                logger.debug("event %s does not match: %s", event_id, answer)
        return {pair for (pair, _), answer in zip(asked, answers, strict=True) if answer is True}

    async def _read_payloads(self, assignments: Sequence[Assignment]) -> None:
        """The payloads of events that were met in earlier looks, for the task's trigger data."""
        missing: dict[UUID, list[tuple[ConditionState, int]]] = {}
        for assignment in assignments:
            state = assignment.conditions
            assert state is not None
            for number, event_id in state.met.items():
                if number not in state.payloads:
                    missing.setdefault(UUID(event_id), []).append((state, number))
        if missing:
            for row in await self._events.read_payloads(list(missing)):
                for state, number in missing[row["id"]]:
                    state.payloads[number] = row["payload"]


def build_park_row(assignment: Assignment, numbers: Sequence[int]) -> ParkRow:
    """How to park a task until one of its conditions ``numbers`` may hold."""
    state = assignment.conditions
    assert state is not None
    conditions = _list_conditions(assignment)
    spec = assignment.run.version.definition.tasks[assignment.task]
    sleeps = [conditions[n].seconds or 0.0 for n in numbers if conditions[n].kind is ConditionKind.SLEEP]
    return ParkRow(
        assignment.run.id,
        assignment.task,
        assignment.attempt,
        assignment.run.version.id,
        -1 if spec.schedule_timeout is None else round(spec.schedule_timeout * 1e6),
        round(min(sleeps) * 1e6) if sleeps else None,
        state.position,
        json.dumps(state.met),
        tuple((n, *state.keys[n]) for n in numbers if n in state.keys),
    )


def _list_conditions(assignment: Assignment) -> tuple[Condition, ...]:
    return assignment.run.version.definition.tasks[assignment.task].conditions


def _build_state(claimed: Record, wait: Record, count: int) -> ConditionState:
    since = wait["since"] or claimed["queued_at"]
    met = {int(number): event for number, event in json.loads(wait["met"] or "{}").items()}
    state = ConditionState(claimed["started_at"], since, [None] * count, wait["events_from"], wait["position"], met)
    for number in met:
        state.truth[number] = True
    return state


def _judge_time_and_parents(assignment: Assignment, state: ConditionState) -> None:
    run = assignment.run
    source: dict[str, Any] | None = None
    for number, condition in enumerate(_list_conditions(assignment)):
        match condition.kind:
            case ConditionKind.SLEEP:
                due = state.since + timedelta(microseconds=round((condition.seconds or 0.0) * 1e6))
                state.truth[number] = True if due <= state.now else None
            case ConditionKind.PARENT:
                if _find_completed(assignment, condition) is None:
                    state.truth[number] = False
                elif condition.expression is None:
                    state.truth[number] = True
            case ConditionKind.EVENT:
                assert run.input is not None
                source = source or {
                    "input": decode_json(run.input),
                    "metadata": json.loads(run.metadata) if run.metadata else {},
                }
                scope = None if condition.scope is None else render_event_key(condition.scope, **source)
                state.keys[number] = render_event_key(condition.event_key or "", **source), scope


def _find_completed(assignment: Assignment, condition: Condition) -> TaskResult | None:
    """The result of the parent that a condition is about, if it completed."""
    assert condition.parent is not None
    result = assignment.run.results.get(condition.parent)
    return result if result is not None and result.status is Status.COMPLETED else None


def _list_open_keys(assignment: Assignment) -> list[str]:
    state = assignment.conditions
    assert state is not None
    return sorted({key for number, (key, _) in state.keys.items() if state.truth[number] is None})


def _wants_payload(assignment: Assignment) -> bool:
    state = assignment.conditions
    assert state is not None
    conditions = _list_conditions(assignment)
    return any(conditions[number].expression is not None for number in state.keys if state.truth[number] is None)


def _ask(assignment: Assignment) -> tuple[str, int, int]:
    state = assignment.conditions
    assert state is not None
    return json.dumps(_list_open_keys(assignment)), state.events_from, state.position


def _list_concerned(assignment: Assignment, row: Record) -> list[int]:
    """The conditions of a task that are open and wait for such an event."""
    state = assignment.conditions
    assert state is not None
    return [
        number
        for number, (key, scope) in state.keys.items()
        if state.truth[number] is None and key == row["key"] and scope in (None, row["scope"])
    ]


def _take_event(assignment: Assignment, row: Record, fitting: set[tuple[int, UUID]]) -> None:
    state = assignment.conditions
    assert state is not None
    state.position = max(state.position, row["position"])
    conditions = _list_conditions(assignment)
    for number in _list_concerned(assignment, row):
        if conditions[number].expression is None or (number, row["id"]) in fitting:
            state.truth[number] = True
            state.met[number] = str(row["id"])
            if row["payload"] is not None:
                state.payloads[number] = row["payload"]
