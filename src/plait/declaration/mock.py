"""One task's body without a database: a real context whose facts are given, and what production checks around it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final, Generic, Protocol, TypeVar
from uuid import UUID

from plait.declaration.context import Context
from plait.declaration.parent import Parent
from plait.declaration.replacing import replace_dependencies
from plait.engine.current import CurrentAttempt, Host
from plait.engine.requests import RunRequest
from plait.errors import DefinitionError, InvalidInputError, RunCancelledError
from plait.features.run_reader import parse_run_id
from plait.graph.attempt import Attempt, RunState, StoredVersion, TaskResult
from plait.graph.definition import Status, TaskKind
from plait.types import UNSET
from plait.values.encoding import DEFAULT_PAYLOAD_LIMIT
from plait.values.failures import describe_exception
from plait.wording import shorten, suggest

R = TypeVar("R")


class Body(Parent[R], Protocol[R]):
    """A task whose body is to run by itself."""

    @property
    def kind(self) -> TaskKind: ...

    @property
    def parents(self) -> Sequence[Body[Any]]: ...

    @property
    def workflow(self) -> Any: ...  # a ``Runnable``, which is on top of this


class HasBody(Protocol[R]):
    """A task, or a workflow of one task."""

    def _get_task(self) -> Body[R]: ...


class Skipped(Enum):
    """The type of ``SKIPPED``."""

    SKIPPED = "skipped"

    def __repr__(self) -> str:
        return "SKIPPED"


SKIPPED: Final = Skipped.SKIPPED
"""In place of a parent's output: the parent was skipped."""


class MockContext(Context):
    """The context of a task whose body runs by itself. ``slot_released`` tells whether it called ``release_slot``."""

    def __init__(self, attempt: Attempt, decode_input: Any, lifespan: Any, trigger_data: Mapping[str, Any]) -> None:
        host = Host("mock-worker", 0.0, lifespan, self._note_release, self._note_child, self._stop)
        super().__init__(CurrentAttempt(attempt, host), decode_input)
        self.__dict__["trigger_data"] = dict(trigger_data)
        self.slot_released = False
        self._body: asyncio.Task[Any] | None = None

    def _note_release(self, _: Attempt) -> None:
        self.slot_released = True

    def _note_child(self, _: Attempt) -> None:
        pass

    def _stop(self, _: Attempt) -> None:
        self._attempt.stopping = True
        if self._body is not None:
            self._body.cancel()


class _GivenResults(dict[int, TaskResult]):
    """The outcomes a test gives. Asked for another one it says how to give it."""

    def __init__(self, task: Body[Any]) -> None:
        super().__init__()
        self._task = task

    def __contains__(self, index: object) -> bool:
        return True

    def __missing__(self, index: int) -> TaskResult:
        name = self._task.workflow.definition.tasks[index].name
        raise DefinitionError(
            f"{_locate(self._task)}: the test gives no output of {name!r}: pass parent_outputs={{{name!r}: ...}}, or "
            "plait.testing.SKIPPED for its output"
        )


def make_context(
    task: HasBody[Any],
    input: Any = UNSET,
    additional_metadata: Mapping[str, Any] | None = None,
    parent_outputs: Mapping[str | Parent[Any], Any] | None = None,
    retry_count: int = 0,
    lifespan: Any = None,
    *,
    trigger_data: Mapping[str, Any] | None = None,
    errors: Mapping[str | Parent[Any], BaseException] | None = None,
    priority: int | None = None,
    workflow_run_id: str | UUID | None = None,
) -> MockContext:
    """A context for calling a task's function yourself: ``task(input, make_context(task, input))``.

    The arguments are those of ``task.mock_run``, and are checked in the same way. ``ctx.input`` is the validated input.
    """
    body = task._get_task()
    if not isinstance(retry_count, int) or retry_count < 0:
        raise InvalidInputError(f"{_locate(body)}: retry_count={retry_count!r} must be 0 or more")
    request: RunRequest = body.workflow._make_request(
        UNSET if input is None else input, None, bulk=True, additional_metadata=additional_metadata, priority=priority
    )
    if workflow_run_id is not None:
        request = replace(request, run_id=parse_run_id(str(workflow_run_id)))
    run = _build_run(body, request, _build_results(body, parent_outputs or {}, errors or {}))
    attempt = Attempt(run, _find_index(body), retry_count + 1, retry_count, 0)
    ctx = MockContext(attempt, body._code.decode_input, lifespan, trigger_data or {})
    ctx.input  # noqa: B018 - an input that cannot be read back is refused here
    return ctx


@dataclass(frozen=True, slots=True)
class MockRun(Generic[R]):
    """A body that is ready to run once, with a context and values in place of some of its dependencies."""

    task: Body[R]
    ctx: MockContext
    dependencies: Mapping[str | Callable[..., Any], Any]

    def run(self) -> R:
        """Run the body and return its output as ``ctx.task_output`` would. See ``Task.mock_run``."""
        if not self.task._code.is_async:
            return self._run_sync()
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self.aio_run())
        raise RuntimeError(
            f"{_locate(self.task)} is async def and an event loop runs here: use `await task.aio_mock_run(...)`"
        )

    async def aio_run(self) -> R:
        """``run`` in the running loop."""
        if not self.task._code.is_async:
            return await asyncio.to_thread(self._run_sync)
        code = replace_dependencies(self.task._code, self.dependencies)
        self.ctx._body = asyncio.ensure_future(code.aio_call(self.ctx.input, self.ctx))
        try:
            return _take_output(self.task, self.ctx, await self.ctx._body)
        except asyncio.CancelledError:
            _refuse_if_cancelled(self.task, self.ctx)
            raise

    def _run_sync(self) -> R:
        code = replace_dependencies(self.task._code, self.dependencies)
        return _take_output(self.task, self.ctx, code.call(self.ctx.input, self.ctx))


def _take_output(task: Body[R], ctx: MockContext, value: Any) -> R:
    _refuse_if_cancelled(task, ctx)
    access = task.workflow._access
    limit = DEFAULT_PAYLOAD_LIMIT if access is None else access.payload_limit
    return task._code.decode_output(task._code.encode_output(value, limit=limit))


def _refuse_if_cancelled(task: Body[Any], ctx: MockContext) -> None:
    if ctx.is_cancelled:
        raise RunCancelledError(ctx.workflow_run_id, f"task {task.name!r} called ctx.cancel()")


def _build_run(task: Body[Any], request: RunRequest, results: _GivenResults) -> RunState:
    definition = task.workflow.definition
    return RunState(
        id=request.run_id,
        version=StoredVersion(0, definition, tuple(range(len(definition.tasks)))),
        input=request.input,
        metadata=request.metadata,
        priority=request.priority,
        worst=Status.FAILED if task.kind is TaskKind.ON_FAILURE else Status.COMPLETED,
        ended=False,
        results=results,
    )


def _build_results(
    task: Body[Any],
    outputs: Mapping[str | Parent[Any], Any],
    errors: Mapping[str | Parent[Any], BaseException],
) -> _GivenResults:
    results = _GivenResults(task)
    for key, value in outputs.items():
        parent = _find_parent(task, key, "parent_outputs")
        results[_find_index(parent)] = (
            TaskResult(Status.SKIPPED, reason="the test says so")
            if value is SKIPPED
            else TaskResult(Status.COMPLETED, parent._code.encode_output(value))
        )
    if errors and task.kind is not TaskKind.ON_FAILURE:
        raise DefinitionError(
            f"{_locate(task)}: errors= is for on_failure tasks; what follows a failed task is cancelled"
        )
    for key, error in errors.items():
        failed = _find_parent(task, key, "errors")
        results[_find_index(failed)] = TaskResult(Status.FAILED, error=describe_exception(error))
    skipped = {index for index, result in results.items() if result.status is Status.SKIPPED}
    if task.parents and skipped.issuperset(map(_find_index, task.parents)):
        raise DefinitionError(f"{_locate(task)}: it does not run when all its parents were skipped: it is skipped too")
    return results


def _find_parent(task: Body[Any], key: object, where: str) -> Body[Any]:
    """The task that a key of ``parent_outputs`` or ``errors`` means; for a hook any task of its workflow."""
    known = {parent.name: parent for parent in task.parents}
    if task.kind is not TaskKind.TASK:
        known = {other.name: other for other in task.workflow.tasks if other.kind is TaskKind.TASK}
    name = key if isinstance(key, str) else getattr(key, "name", None)
    found = known.get(name) if isinstance(name, str) else None
    if found is None or not (isinstance(key, str) or key is found):
        names = ", ".join(map(repr, known)) or "none"
        hint = suggest(key, known) if isinstance(key, str) else ""
        raise DefinitionError(
            f"{_locate(task)}: {where} has {shorten(key)}, which is not one of its parents ({names}){hint}"
        )
    return found


def _find_index(task: Body[Any]) -> int:
    return int(task.workflow.definition.index_by_name[task.name])


def _locate(task: Body[Any]) -> str:
    return f"workflow {task.workflow.name!r}, task {task.name!r}"
