"""The second argument of every task: what it may know and do about its run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from plait.engine.waiter import read_task_error
from plait.errors import DefinitionError, InvalidInputError, InvalidOutputError, TaskRunError
from plait.graph.definition import Status, TaskKind
from plait.graph.triggers import FILTER_PAYLOAD, RunTrigger, TriggerKind, make_child_key, read_metadata
from plait.types import Duration, parse_duration

if TYPE_CHECKING:
    from plait.declaration.task import Task
    from plait.declaration.workflow import BaseWorkflow
    from plait.worker.holdings import Assignment
    from plait.worker.logs import AttemptLog

R = TypeVar("R")

logger = logging.getLogger("plait.task")

_UNREAD = object()

current_context: ContextVar[Context | None] = ContextVar("plait_context", default=None)
"""The context of the task that the current code belongs to, if any."""


def refuse_to_block(awaited: BaseWorkflow[Any] | None, call: str, instead: str) -> None:
    """Raise ``DefinitionError`` when an ``async def`` task makes a call that blocks until a run of ``awaited`` ended,
    and that has ``async def`` tasks as well: they may have to run on the very loop that is blocked, for good."""
    context = current_context.get()
    if context is None or awaited is None or not any(task.is_async for task in awaited.tasks):
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:  # a def task, on a thread of its own
        return
    raise DefinitionError(
        f"workflow {context.workflow_name!r}, task {context.task_name!r} is async def, and {call} would block the "
        f"event loop it shares with others: write await {instead}"
    )


@dataclass(frozen=True, slots=True)
class ContextHost:
    """What the worker lends to the contexts of its tasks."""

    worker_id: str
    lifespan: Any
    release_slot: Callable[[Assignment], None]
    cancel: Callable[[Assignment], None]
    open_log: Callable[[Assignment], AttemptLog] | None = None
    capture_logs: bool = False


class Context:
    """What a task knows of its run. One object per attempt; not to be kept after the task returned."""

    def __init__(self, assignment: Assignment, workflow: BaseWorkflow[Any], host: ContextHost) -> None:
        self._assignment = assignment
        self._workflow = workflow
        self._host = host
        self._cancelled = False
        self._children: dict[str, Iterator[int]] = {}
        self._child_inputs: dict[str, bytes] = {}
        self._input: Any = _UNREAD
        self._log: AttemptLog | None = None

    # who am I

    @property
    def workflow_run_id(self) -> str:
        """The id of the run."""
        return str(self._assignment.run.id)

    @property
    def task_run_id(self) -> str:
        """The id of this task within the run: ``"<run id>:<task index>"``. The same for every attempt."""
        return f"{self._assignment.run.id}:{self._assignment.task}"

    @property
    def workflow_name(self) -> str:
        return self._assignment.run.version.definition.name

    @property
    def task_name(self) -> str:
        return self._assignment.name

    @property
    def worker_id(self) -> str:
        """The id of the worker process that runs this attempt."""
        return self._host.worker_id

    @property
    def retry_count(self) -> int:
        """How many retries came before this attempt: 0 in the first. Attempts lost with their worker do not count."""
        return self._assignment.retry

    @property
    def attempt_number(self) -> int:
        """1 for the first attempt; every attempt counts, those lost with their worker too."""
        return self._assignment.attempt

    @property
    def max_attempts(self) -> int:
        """How often the task is tried at most by its own retries: ``retries + 1``."""
        return self._assignment.run.version.definition.tasks[self._assignment.task].retries + 1

    @property
    def priority(self) -> int:
        """The priority of the run, 1 to 3."""
        return self._assignment.run.priority

    @cached_property
    def additional_metadata(self) -> dict[str, Any]:
        """The metadata of the run; empty when it has none."""
        return read_metadata(self._assignment.run.metadata)

    def list_inherited(self) -> dict[str, Any]:
        """What child runs take over of the metadata: all but what a filter said and where this run is traced. A child
        run belongs where it is started itself; one that starts later begins a trace of its own."""
        found = read_metadata(self._assignment.run.metadata)
        found.pop(FILTER_PAYLOAD, None)
        return found

    @property
    def lifespan(self) -> Any:
        """What the worker's ``lifespan`` yielded; None without one."""
        return self._host.lifespan

    # data

    @property
    def input(self) -> Any:
        """The input of the run, validated: the task's first argument, an object of this attempt's own."""
        if self._input is _UNREAD:
            self._input = self._workflow.decode_input(self._assignment.run.input)
        return self._input

    def task_output(self, task: Task[Any, R]) -> R:
        """The output of a parent, validated by its return annotation.

        Raises ``DefinitionError`` when ``task`` is not a parent of this task, ``InvalidOutputError`` when it has no
        output (it was skipped: ask ``was_skipped``) or the stored output no longer fits the annotation.
        """
        result = self._get_result(task)
        if result.status is not Status.COMPLETED:
            raise InvalidOutputError(
                f"workflow {self.workflow_name!r}, task {self.task_name!r}: parent {task.name!r} has no output, it is "
                f"{result.status.name}; ask ctx.was_skipped({task.name}) first"
            )
        return task.decode_output(result.output or b"null")

    async def aio_task_output(self, task: Task[Any, R]) -> R:
        """``task_output``, awaitable; it never waits."""
        return self.task_output(task)

    @cached_property
    def trigger_data(self) -> dict[str, Any]:
        """The payloads of the events that released this task, by event key (or ``readable_data_key``)."""
        if self._assignment.conditions is None:
            return {}
        from plait.worker.conditions import collect_trigger_data  # noqa: PLC0415 - where there are conditions at all

        return collect_trigger_data(self._assignment)

    @property
    def filter_payload(self) -> dict[str, Any]:
        """What the event filter that let this run start says to it; empty without one."""
        found = self.additional_metadata.get(FILTER_PAYLOAD)
        return found if isinstance(found, dict) else {}

    def was_skipped(self, task: Task[Any, Any]) -> bool:
        """Whether a parent was skipped. Raises ``DefinitionError`` when ``task`` is not a parent."""
        return self._get_result(task).status is Status.SKIPPED

    @cached_property
    def task_run_errors(self) -> Mapping[str, TaskRunError]:
        """The errors of the failed tasks of this run by task name. Complete in an ``on_failure_task``; elsewhere it
        speaks of the parents only."""
        definition = self._assignment.run.version.definition
        found = {}
        for index, result in sorted(self._assignment.run.results.items()):
            if result.status is Status.FAILED:
                name = definition.tasks[index].name
                error = read_task_error(result.error, name, f"{self._assignment.run.id}:{index}")
                if error is not None:
                    found[name] = error
        return found

    def get_task_run_error(self, task: Task[Any, Any]) -> TaskRunError | None:
        """The error of a failed task of this run; None when it did not fail."""
        return self.task_run_errors.get(task.name)

    def link_child(self, workflow: str, key: str | None, input: bytes) -> RunTrigger:
        """The link of a child run to this task. Plait's own: ``workflow.run(...)`` calls it inside a task.

        Raises ``InvalidInputError`` for a key that stood for another input before.
        """
        if key is None:
            full = make_child_key(workflow, next(self._children.setdefault(workflow, count())))
        else:
            full = make_child_key(workflow, key)
            if self._child_inputs.setdefault(full, input) != input:
                raise InvalidInputError(
                    f"workflow {workflow!r}: child_key {key!r} stands for another input already in this attempt of "
                    f"task {self.task_name!r}: give each child a key of its own"
                )
        assignment = self._assignment
        return RunTrigger(TriggerKind.PARENT, assignment.run.id, assignment.task, assignment.attempt, full)

    # control

    @property
    def is_cancelled(self) -> bool:
        """Whether this attempt shall stop: it timed out, its run was cancelled or its worker stops. Long synchronous
        tasks ask now and then; asynchronous ones get ``CancelledError`` by themselves."""
        return self._cancelled

    def refresh_timeout(self, increment_by: Duration) -> None:
        """Let this attempt run longer by ``increment_by``, counted from its present deadline."""
        seconds = parse_duration(increment_by, where=f"task {self.task_name!r}: refresh_timeout(increment_by)")
        execution = self._assignment.execution
        if execution is not None:
            execution.deadline += seconds

    async def aio_refresh_timeout(self, increment_by: Duration) -> None:
        """``refresh_timeout``, awaitable; it never waits."""
        self.refresh_timeout(increment_by)

    def release_slot(self) -> None:
        """Give this attempt's slot back and go on without one: for a task that from now on only waits."""
        self._host.release_slot(self._assignment)

    async def aio_release_slot(self) -> None:
        """``release_slot``, awaitable; it never waits."""
        self.release_slot()

    def cancel(self) -> None:
        """End this task as CANCELLED; what depends on it is cancelled too. Asynchronous code gets ``CancelledError``,
        synchronous code should return: whatever it does afterwards is ignored."""
        self._host.cancel(self._assignment)

    async def aio_cancel(self) -> None:
        """``cancel``, awaitable; the ``CancelledError`` comes at the next ``await``."""
        self.cancel()

    def log(self, line: Any) -> None:
        """Write a line to the log of this attempt: the dashboard and ``plait.runs.list_logs`` show it.

        It is stored a moment later, and the task never waits for that. Bounds: 10,000 characters a line, 10,000 lines
        and 1 MiB an attempt. It also goes to the ``plait.task`` logger, with the ids of run and task as extra fields.
        """
        self._write_log(logging.INFO, _make_text(line))
        logger.info(
            "%s",
            line,
            extra={
                "run_id": self.workflow_run_id,
                "task_run_id": self.task_run_id,
                "workflow": self.workflow_name,
                "task": self.task_name,
                "attempt": self.attempt_number,
            },
        )

    async def aio_log(self, line: Any) -> None:
        """``log``, awaitable; it never waits."""
        self.log(line)

    def _capture(self, level: int, text: str) -> None:
        if self._host.capture_logs:
            self._write_log(level, text)

    def _write_log(self, level: int, text: str) -> None:
        if self._log is None and self._host.open_log is not None:
            self._log = self._host.open_log(self._assignment)
        if self._log is not None:
            self._log.write(level, text)

    def _get_result(self, task: Task[Any, Any]) -> Any:
        definition = self._assignment.run.version.definition
        index = definition.index_by_name.get(task.name)
        spec = definition.tasks[self._assignment.task]
        is_hook = spec.kind is not TaskKind.TASK
        if index is None or (index not in spec.parents and not (is_hook and index in self._assignment.run.results)):
            parents = ", ".join(repr(definition.tasks[parent].name) for parent in spec.parents) or "none"
            raise DefinitionError(
                f"workflow {definition.name!r}, task {spec.name!r}: {task.name!r} is not one of its parents "
                f"({parents}); declare it with parents=[...] to use its output"
            )
        return self._assignment.run.results[index]


def _make_text(line: Any) -> str:
    try:
        return str(line)
    except Exception as error:  # a log must not fail a task
        return f"<{type(line).__name__} whose text cannot be made: {type(error).__name__}>"
