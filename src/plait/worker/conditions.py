"""What is known about the conditions of claimed tasks: which events came, how long they waited, what parents put out.

Everything is read and evaluated before the judge is asked; the judge only decides.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
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
PAGES = 5
"""Of events, that are read for one task before others have their turn."""


@dataclass(slots=True, eq=False)
class Look:
    """A task whose conditions are looked at, with its row as it was claimed."""

    assignment: Assignment
    claimed: Record
    begun: bool = False


class ConditionReader:
    """Finds out about the conditions of assignments, many at a time."""

    def __init__(self, events: EventStore, evaluator: Evaluator) -> None:
        self._events = events
        self._evaluator = evaluator

    async def read(self, looks: Sequence[Look]) -> list[Look]:
        """Fill in ``assignment.conditions`` for tasks whose parents' outcomes are known. Returns those for which so
        many events came that they are not through yet: read on, once others have had their turn."""
        await self._begin([look for look in looks if not look.begun])
        left = [look for look in looks if _list_open_keys(look.assignment)]
        for _ in range(PAGES):
            left = await self._read_events(left)
        await self._read_payloads([look.assignment for look in looks if look not in left])
        return left

    async def _begin(self, looks: Sequence[Look]) -> None:
        """What is known without looking at events."""
        if not looks:
            return
        keys = [look.assignment.key for look in looks]
        rows = await self._events.read_waits([run_id for run_id, _ in keys], [task for _, task in keys])
        waits = {(row["run_id"], row["task"]): row for row in rows}
        for look in looks:
            assignment = look.assignment
            count = len(_list_conditions(assignment))
            assignment.conditions = state = _build_state(look.claimed, waits[assignment.key], count)
            try:
                _judge_time_and_parents(assignment, state)
            except PlaitError as error:
                state.fault = str(error)
        await self._evaluate_outputs([look.assignment for look in looks if not _is_faulty(look.assignment)])
        for look in looks:
            look.begun = True

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

    async def _read_events(self, looks: Sequence[Look]) -> list[Look]:
        """Look at the next page of events for each. Returns those that may have more."""
        if not looks:
            return []
        payloads = any(_wants_payload(look.assignment) for look in looks)
        questions = [_ask(look.assignment) for look in looks]
        rows = await self._events.read_since(questions, EVENTS_PAGE, EVENTS_BYTES, payloads=payloads)
        pages: dict[int, list[Record]] = {}
        for row in rows:
            pages.setdefault(row["question"] - 1, []).append(row)
        for place, page in pages.items():
            assignment = looks[place].assignment
            fitting = await self._find_fitting(assignment, page)
            for row in page:
                _take_event(assignment, row, fitting)
        return [looks[place] for place in pages if _list_open_keys(looks[place].assignment)]

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


def _is_faulty(assignment: Assignment) -> bool:
    return assignment.conditions is not None and assignment.conditions.fault is not None


def _list_open_keys(assignment: Assignment) -> list[str]:
    """The event keys that the task waits for; none if it is known already that it cannot run."""
    state = assignment.conditions
    assert state is not None
    if state.fault is not None:
        return []
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
