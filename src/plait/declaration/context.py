"""The second argument of every task: what the task can ask and do about its run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, TypeVar

from plait.declaration.parent import Parent
from plait.engine.current import CurrentAttempt
from plait.errors import DefinitionError, InvalidOutputError, TaskRunError
from plait.graph.attempt import Attempt, TaskResult
from plait.graph.definition import Status, TaskKind
from plait.graph.triggers import FILTER_PAYLOAD, read_metadata
from plait.logs import describe_attempt
from plait.types import Duration, parse_duration
from plait.values.encoding import decode_json
from plait.values.failures import read_task_error

R = TypeVar("R")

logger = logging.getLogger("plait.task")

_UNREAD = object()


class Context:
    """What a task knows of its run. One object per attempt; do not keep it after the task has returned."""

    def __init__(self, current: CurrentAttempt, decode_input: Callable[[bytes], Any]) -> None:
        self._current = current
        self._attempt = current.attempt
        self._decode_input = decode_input
        self._input: Any = _UNREAD

    # who am I

    @property
    def workflow_run_id(self) -> str:
        """The id of the run."""
        return str(self._attempt.run.id)

    @property
    def task_run_id(self) -> str:
        """The id of this task within the run: ``"<run id>:<task index>"``. The same for every attempt."""
        return f"{self._attempt.run.id}:{self._attempt.task}"

    @property
    def workflow_name(self) -> str:
        return self._attempt.run.version.definition.name

    @property
    def task_name(self) -> str:
        return self._attempt.name

    @property
    def worker_id(self) -> str:
        """The id of the worker process that runs this attempt."""
        return self._current.host.worker_id

    @property
    def retry_count(self) -> int:
        """How many retries came before this attempt: 0 in the first. Attempts lost with their worker do not count."""
        return self._attempt.retry

    @property
    def attempt_number(self) -> int:
        """1 for the first attempt; every attempt counts, those lost with their worker too."""
        return self._attempt.attempt

    @property
    def max_attempts(self) -> int:
        """How many attempts the task's own retries allow: ``retries + 1``."""
        return self._attempt.run.version.definition.tasks[self._attempt.task].retries + 1

    @property
    def priority(self) -> int:
        """The priority of the run, 1 to 3."""
        return self._attempt.run.priority

    @cached_property
    def additional_metadata(self) -> dict[str, Any]:
        """The metadata of the run; empty when it has none."""
        return read_metadata(self._attempt.run.metadata)

    @property
    def lifespan(self) -> Any:
        """What the worker's ``lifespan`` yielded; None without one."""
        return self._current.host.lifespan

    # data

    @property
    def input(self) -> Any:
        """The input of the run, validated: the task's first argument. Each attempt gets its own object."""
        if self._input is _UNREAD:
            stored = self._attempt.run.input
            assert stored is not None  # it was read before the code began
            self._input = self._decode_input(stored)
        return self._input

    def task_output(self, task: Parent[R]) -> R:
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
        return task._code.decode_output(result.output or b"null")

    async def aio_task_output(self, task: Parent[R]) -> R:
        """``task_output``, awaitable; it never waits."""
        return self.task_output(task)

    @cached_property
    def trigger_data(self) -> dict[str, Any]:
        """The payloads of the events that released this task, by event key (or ``readable_data_key``)."""
        return _collect_trigger_data(self._attempt)

    @property
    def filter_payload(self) -> dict[str, Any]:
        """The payload of the event filter that let this run start; empty without a filter."""
        found = self.additional_metadata.get(FILTER_PAYLOAD)
        return found if isinstance(found, dict) else {}

    def was_skipped(self, task: Parent[Any]) -> bool:
        """Whether a parent was skipped. Raises ``DefinitionError`` when ``task`` is not a parent."""
        return self._get_result(task).status is Status.SKIPPED

    @cached_property
    def task_run_errors(self) -> Mapping[str, TaskRunError]:
        """The errors of the failed tasks of this run by task name. Complete in an ``on_failure_task``; in other tasks
        only those of the parents.
        """
        definition = self._attempt.run.version.definition
        found = {}
        for index, result in sorted(self._attempt.run.results.items()):
            if result.status is Status.FAILED:
                name = definition.tasks[index].name
                error = read_task_error(result.error, name, f"{self._attempt.run.id}:{index}")
                if error is not None:
                    found[name] = error
        return found

    def get_task_run_error(self, task: Parent[Any]) -> TaskRunError | None:
        """The error of a failed task of this run; None when it did not fail."""
        return self.task_run_errors.get(task.name)

    # control

    @property
    def is_cancelled(self) -> bool:
        """Whether this attempt must stop: it timed out, its run was cancelled or its worker stops. Long synchronous
        tasks should check this now and then; asynchronous ones get ``CancelledError``.
        """
        return self._attempt.stopping

    def refresh_timeout(self, increment_by: Duration) -> None:
        """Let this attempt run longer: move its deadline by ``increment_by``."""
        seconds = parse_duration(increment_by, where=f"task {self.task_name!r}: refresh_timeout(increment_by)")
        self._attempt.deadline += seconds

    async def aio_refresh_timeout(self, increment_by: Duration) -> None:
        """``refresh_timeout``, awaitable; it never waits."""
        self.refresh_timeout(increment_by)

    def release_slot(self) -> None:
        """Give this attempt's slot back and go on without one: for a task that only waits from now on."""
        self._current.release_slot()

    async def aio_release_slot(self) -> None:
        """``release_slot``, awaitable; it never waits."""
        self.release_slot()

    def cancel(self) -> None:
        """End this task as CANCELLED; what depends on it is cancelled too. Asynchronous code gets ``CancelledError``,
        synchronous code should return: whatever it does afterwards is ignored."""
        self._current.cancel()

    async def aio_cancel(self) -> None:
        """``cancel``, awaitable; the ``CancelledError`` comes at the next ``await``."""
        self.cancel()

    def log(self, line: Any) -> None:
        """Write a line to the log of this attempt: the dashboard and ``plait.runs.list_logs`` show it.

        It is stored a moment later, and the task never waits for that. Bounds: 10,000 characters a line, 10,000 lines
        and 1 MiB an attempt. It also goes to the ``plait.task`` logger, with the ids of run and task as extra fields.
        """
        self._current.write_log(logging.INFO, _make_text(line))
        logger.info("%s", line, extra=describe_attempt(self._attempt))

    async def aio_log(self, line: Any) -> None:
        """``log``, awaitable; it never waits."""
        self.log(line)

    def _get_result(self, task: Parent[Any]) -> TaskResult:
        definition = self._attempt.run.version.definition
        index = definition.index_by_name.get(task.name)
        spec = definition.tasks[self._attempt.task]
        is_hook = spec.kind is not TaskKind.TASK
        if index is None or (index not in spec.parents and not (is_hook and index in self._attempt.run.results)):
            parents = ", ".join(repr(definition.tasks[parent].name) for parent in spec.parents) or "none"
            raise DefinitionError(
                f"workflow {definition.name!r}, task {spec.name!r}: {task.name!r} is not one of its parents "
                f"({parents}); declare it with parents=[...] to use its output"
            )
        return self._attempt.run.results[index]


def _make_text(line: Any) -> str:
    try:
        return str(line)
    except Exception as error:  # a log must not fail a task
        return f"<{type(line).__name__} whose text cannot be made: {type(error).__name__}>"


def _collect_trigger_data(attempt: Attempt) -> dict[str, Any]:
    """The payloads of the events that released a task, those of its ``wait_for``, by their data keys."""
    state = attempt.conditions
    if state is None:
        return {}
    spec = attempt.run.version.definition.tasks[attempt.task]
    conditions = spec.conditions[: sum(map(len, spec.wait_for))]
    return {
        conditions[number].data_key or conditions[number].event_key or "": decode_json(payload)
        for number, payload in sorted(state.payloads.items())
        if number < len(conditions)
    }
