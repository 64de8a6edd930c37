"""References to runs: what a trigger returns, to wait for the result or ask for the status, from any kind of code."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from plait.engine.access import Access
from plait.engine.current import refuse_to_block
from plait.errors import FailedTaskRunExceptionGroup, RunCancelledError
from plait.features.run_reader import CANCELLED, cancel_run, read_run, read_status
from plait.graph.definition import Status, TaskKind
from plait.types import WorkflowRunStatus
from plait.values.encoding import decode_json

if TYPE_CHECKING:
    from plait.engine.waiter import RunOutcome, TaskOutcome
    from plait.features.watch import RunWatch

TInput = TypeVar("TInput")
R = TypeVar("R")


class WorkflowRunRef:
    """A run of a workflow. Every method works from sync and async code alike, also inside a running loop.

    Attribute: ``workflow_name``, empty for a run that is known by its id alone.
    """

    def __init__(self, access: Access, run_id: UUID, workflow_name: str) -> None:
        self._access = access
        self._run_id = run_id
        self.workflow_name = workflow_name

    @property
    def workflow_run_id(self) -> str:
        """The id of the run, a UUIDv7 in its usual spelling."""
        return str(self._run_id)

    def __str__(self) -> str:
        return self.workflow_run_id

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.workflow_name} {self.workflow_run_id}>"

    def result(self, timeout: float | None = None) -> dict[str, Any]:
        """Block until the run ended and return each task's output by its name, as plain JSON values.

        A skipped task shows ``{"skipped": True}``. Raises ``FailedTaskRunExceptionGroup`` when the run failed,
        ``RunCancelledError`` when it was cancelled, ``ResultTimeoutError`` after ``timeout`` seconds.
        """
        self._refuse_to_block("result()", "aio_result()")
        return collect_outputs(self._access.portal.call(self._wait(timeout)))

    async def aio_result(self, timeout: float | None = None) -> dict[str, Any]:
        """``result`` without blocking the loop."""
        return collect_outputs(await self._access.portal.acall(self._wait(timeout)))

    def status(self) -> WorkflowRunStatus:
        """Where the run stands now. Raises ``NotFoundError``."""
        return self._access.portal.call(read_status(self._access, self.workflow_run_id))

    async def aio_status(self) -> WorkflowRunStatus:
        """``status`` without blocking the loop."""
        return await self._access.portal.acall(read_status(self._access, self.workflow_run_id))

    def cancel(self) -> bool:
        """Cancel the run with its child runs; see ``plait.runs.cancel``. Returns whether this ended it."""
        return self._access.portal.call(self._cancel())

    async def aio_cancel(self) -> bool:
        """``cancel`` without blocking the loop."""
        return await self._access.portal.acall(self._cancel())

    def watch(self, timeout: float | None = None) -> None:
        """Show the run until it has ended: in a notebook its graph, always up to date, elsewhere a line whenever a
        task has another status. Blocks meanwhile.

        A run that fails or is cancelled raises no error here. Raises ``ResultTimeoutError`` after ``timeout`` seconds,
        and ``NotFoundError``.
        """
        self._refuse_to_block("watch()", "aio_watch()")
        self._open_watch(timeout).run()

    async def aio_watch(self, timeout: float | None = None) -> None:
        """``watch`` without blocking the loop."""
        await self._open_watch(timeout).aio_run()

    def _repr_html_(self) -> str:
        """The run as it is now, for notebooks."""
        from plait.features.watch import show_reference  # noqa: PLC0415 - only for those who look

        return show_reference(self._access, self._run_id, repr(self))

    def _open_watch(self, timeout: float | None) -> RunWatch:
        from plait.features.watch import RunWatch  # noqa: PLC0415 - only for those who look

        return RunWatch(self._access, self._run_id, timeout)

    def _refuse_to_block(self, call: str, instead: str) -> None:
        declared = self._access.declared.get(self.workflow_name)
        refuse_to_block(declared is not None and declared.has_async_tasks(), call, instead)

    async def _cancel(self) -> bool:
        return await cancel_run(self._access, self.workflow_run_id, CANCELLED)

    async def _wait(self, timeout: float | None) -> RunOutcome:
        if not self.workflow_name:  # by its id alone: it may be that of no run at all
            await read_run(self._access, self.workflow_run_id)
        return (await self._access.wait_runs([self._run_id], timeout))[0]


class TaskRunRef(Generic[TInput, R]):
    """A run of a standalone task: the same, with the task's own output as the result."""

    def __init__(self, ref: WorkflowRunRef, decode_output: Callable[[bytes], R]) -> None:
        self._ref = ref
        self._decode_output = decode_output

    @property
    def workflow_run_id(self) -> str:
        """The id of the run."""
        return self._ref.workflow_run_id

    def __str__(self) -> str:
        return self.workflow_run_id

    def __repr__(self) -> str:
        return f"<TaskRunRef {self._ref.workflow_name} {self.workflow_run_id}>"

    def result(self, timeout: float | None = None) -> R:
        """Block until the task ended and return its output. Raises as ``WorkflowRunRef.result`` does."""
        self._ref._refuse_to_block("result()", "aio_result()")
        return extract_output(self._decode_output, self._ref._access.portal.call(self._ref._wait(timeout)))

    async def aio_result(self, timeout: float | None = None) -> R:
        """``result`` without blocking the loop."""
        return extract_output(self._decode_output, await self._ref._access.portal.acall(self._ref._wait(timeout)))

    def status(self) -> WorkflowRunStatus:
        """Where the run stands now."""
        return self._ref.status()

    async def aio_status(self) -> WorkflowRunStatus:
        """``status`` without blocking the loop."""
        return await self._ref.aio_status()

    def cancel(self) -> bool:
        """Cancel the run with its child runs. Returns whether this ended it."""
        return self._ref.cancel()

    async def aio_cancel(self) -> bool:
        """``cancel`` without blocking the loop."""
        return await self._ref.aio_cancel()

    def watch(self, timeout: float | None = None) -> None:
        """Show the run until it has ended; see ``WorkflowRunRef.watch``."""
        self._ref.watch(timeout)

    async def aio_watch(self, timeout: float | None = None) -> None:
        """``watch`` without blocking the loop."""
        await self._ref.aio_watch(timeout)

    def _repr_html_(self) -> str:
        """The run as it is now, for notebooks."""
        return self._ref._repr_html_()


def collect_outputs(outcome: RunOutcome) -> dict[str, Any]:
    """Each task's output by name. Raises for a run that failed or was cancelled. Idle hooks are left out."""
    raise_for_outcome(outcome)
    return {task.name: _read_output(task) for task in outcome.tasks if not _is_idle_hook(task)}


def extract_output(decode_output: Callable[[bytes], R], outcome: RunOutcome) -> R:
    """The one output of a standalone task, validated by its return annotation."""
    raise_for_outcome(outcome)
    task = next(task for task in outcome.tasks if task.kind is TaskKind.TASK)
    return decode_output(task.output or b"null")


def raise_for_outcome(outcome: RunOutcome) -> None:
    """Raise what ``result()`` promises for a run that did not complete."""
    if outcome.status is Status.FAILED:
        errors = [task.error for task in outcome.tasks if task.status is Status.FAILED and task.error is not None]
        what = "1 task" if len(errors) == 1 else f"{len(errors)} tasks"
        raise FailedTaskRunExceptionGroup(
            f"run {outcome.run_id} of workflow {outcome.workflow_name!r} failed in {what}:", errors
        )
    if outcome.status is Status.CANCELLED:
        reasons = [task.reason for task in outcome.tasks if task.status is Status.CANCELLED and task.reason]
        raise RunCancelledError(str(outcome.run_id), reasons[0] if reasons else "")


def _read_output(task: TaskOutcome) -> Any:
    if task.status is Status.SKIPPED:
        return {"skipped": True}
    return decode_json(task.output or b"null")


def _is_idle_hook(task: TaskOutcome) -> bool:
    return task.kind is not TaskKind.TASK and task.status is Status.SKIPPED
