"""The attempt whose code runs here: what calls made inside a task have to know of it, whoever they are made by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

from plait.errors import DefinitionError, InvalidInputError
from plait.graph.attempt import Attempt
from plait.graph.triggers import FILTER_PAYLOAD, RunTrigger, TriggerKind, make_child_key, read_metadata


class LineLog(Protocol):
    """The log of one attempt."""

    def write(self, level: int, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Host:
    """What a worker offers to the code of its tasks. The calls return at once, from any thread."""

    worker_id: str
    lease: float
    """In seconds: while the database is away for no longer, the worker keeps its tasks."""
    lifespan: Any
    release_slot: Callable[[Attempt], None]
    note_child: Callable[[Attempt], None]
    """An attempt that was lost with a worker before starts a child run, for which it may wait."""
    cancel: Callable[[Attempt], None]
    open_log: Callable[[Attempt], LineLog] | None = None
    capture_logs: bool = False


class CurrentAttempt:
    """One attempt while its code runs, and the child runs and log lines that came of it so far."""

    __slots__ = ("_child_counts", "_child_inputs", "_log", "attempt", "host")

    def __init__(self, attempt: Attempt, host: Host) -> None:
        self.attempt = attempt
        self.host = host
        self._child_counts: dict[str, Iterator[int]] | None = None
        self._child_inputs: dict[str, bytes] | None = None
        self._log: LineLog | None = None

    @property
    def workflow_name(self) -> str:
        return self.attempt.run.version.definition.name

    def list_inherited(self) -> dict[str, Any]:
        """What child runs take over of the metadata: all but what a filter said and where this run is traced. A child
        run belongs where it is started itself; one that starts later begins a trace of its own."""
        found = read_metadata(self.attempt.run.metadata)
        found.pop(FILTER_PAYLOAD, None)
        return found

    def link_child(self, workflow: str, key: str | None, input: bytes) -> RunTrigger:
        """The link of a child run to this task, under ``key`` or else under the number of the call.

        Raises ``InvalidInputError`` for a key that stood for another input before.
        """
        if self.attempt.lost:
            self.host.note_child(self.attempt)
        if key is None:
            if self._child_counts is None:
                self._child_counts = {}
            full = make_child_key(workflow, next(self._child_counts.setdefault(workflow, count())))
        else:
            full = make_child_key(workflow, key)
            if self._child_inputs is None:
                self._child_inputs = {}
            if self._child_inputs.setdefault(full, input) != input:
                raise InvalidInputError(
                    f"workflow {workflow!r}: child_key {key!r} was already used with another input in this attempt of "
                    f"task {self.attempt.name!r}: give each child a key of its own"
                )
        attempt = self.attempt
        return RunTrigger(TriggerKind.PARENT, attempt.run.id, attempt.task, attempt.attempt, full)

    def release_slot(self) -> None:
        """Give the attempt's slot back and go on without one."""
        self.host.release_slot(self.attempt)

    def cancel(self) -> None:
        """End the attempt as CANCELLED."""
        self.host.cancel(self.attempt)

    def write_log(self, level: int, text: str) -> None:
        """Add a line to the log of the attempt, if it has one."""
        if self._log is None and self.host.open_log is not None:
            self._log = self.host.open_log(self.attempt)
        if self._log is not None:
            self._log.write(level, text)


current_attempt: ContextVar[CurrentAttempt | None] = ContextVar("plait_attempt", default=None)
"""The attempt that the current code belongs to, if any."""


def refuse_to_block(has_async_tasks: bool, call: str, instead: str) -> None:
    """Raise ``DefinitionError`` when an ``async def`` task makes a call that blocks until a run ended whose workflow
    ``has_async_tasks`` as well: they may have to run on the very loop that is blocked, for good."""
    current = current_attempt.get()
    if current is None or not has_async_tasks:
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:  # a def task, on a thread of its own
        return
    raise DefinitionError(
        f"workflow {current.workflow_name!r}, task {current.attempt.name!r} is async def, and {call} would block the "
        f"event loop it shares with others: write await {instead}"
    )
