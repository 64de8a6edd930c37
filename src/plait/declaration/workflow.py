"""Workflows as users declare them: a graph of tasks, or one task that stands alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, TypeVar, overload

from pydantic import TypeAdapter

from plait.declaration.base import BaseWorkflow, WorkflowKeywords
from plait.declaration.mockable import Mockable
from plait.declaration.options import TaskKeywords, TaskOptions, define_task, read_options, refuse_unknown
from plait.declaration.runnable import Runnable
from plait.declaration.signatures import name_function
from plait.declaration.task import Task, TaskDecorator
from plait.errors import DefinitionError
from plait.features.refs import TaskRunRef, WorkflowRunRef, collect_outputs, extract_output
from plait.graph.definition import TaskKind
from plait.graph.validation import check_name
from plait.types import EmptyModel
from plait.wording import shorten, suggest

if TYPE_CHECKING:
    from uuid import UUID

    from typing_extensions import Unpack

    from plait.declaration.context import Context
    from plait.engine.waiter import RunOutcome

__all__ = ["BaseWorkflow", "Standalone", "Workflow"]

TInput = TypeVar("TInput")
R = TypeVar("R")
T = TypeVar("T")


class Workflow(Runnable[TInput, dict[str, Any], WorkflowRunRef]):
    """A graph of tasks that is run as a whole. Its result is each task's output by the task's name.

    Usually made by ``plait.workflow(...)``; made directly, ``plait.include`` binds it later.
    ``input_validator`` is a pydantic model, a dataclass, a ``TypedDict``, ``dict`` or any type pydantic can
    validate; without it the input is an ``EmptyModel``, which keeps whatever fields it is given. Raises
    ``DefinitionError``.

    Attributes: ``name``, ``description``, ``tasks`` in the order of their declaration, ``task_by_name``, and what its
    options say: ``default_priority``, ``default_additional_metadata``, ``task_defaults``, ``on_events``, ``filters``,
    ``crons``, ``cron_input``.
    """

    @overload
    def __init__(
        self: Workflow[EmptyModel],
        name: str,
        *,
        input_validator: None = None,
        **options: Unpack[WorkflowKeywords],
    ) -> None: ...
    @overload
    def __init__(
        self,
        name: str,
        *,
        input_validator: type[TInput] | TypeAdapter[TInput],
        **options: Unpack[WorkflowKeywords],
    ) -> None: ...
    def __init__(self, name: str, *, input_validator: Any = None, **options: Any) -> None:
        known = ("input_validator", *WorkflowKeywords.__annotations__)
        refuse_unknown(options, known, f"workflow {shorten(name)}: there is no workflow option")
        super().__init__(name, input_validator=input_validator, **options)

    def task(
        self,
        name: str | None = None,
        *,
        parents: Sequence[Task[TInput, Any]] | None = None,
        **options: Unpack[TaskKeywords],
    ) -> TaskDecorator[TInput]:
        """Declare a task: decorates ``def`` or ``async def`` functions that take (input, ctx), under any
        names.

        ``name`` is the function's own unless given. ``parents`` must complete first. The options are those of
        ``TaskKeywords``. Raises ``DefinitionError``.
        """
        return self._decorator(TaskKind.TASK, name, options, parents)

    def on_failure_task(self, name: str | None = None, **options: Unpack[TaskKeywords]) -> TaskDecorator[TInput]:
        """Declare the task that runs once when the run has failed and all other tasks have ended. A workflow has at
        most one.
        """
        return self._decorator(TaskKind.ON_FAILURE, name, options)

    def on_success_task(self, name: str | None = None, **options: Unpack[TaskKeywords]) -> TaskDecorator[TInput]:
        """Declare the task that runs once when every leaf of the graph has completed. A workflow has at most one."""
        return self._decorator(TaskKind.ON_SUCCESS, name, options)

    def add_task(
        self, standalone: Standalone[TInput, R], *, parents: Sequence[Task[TInput, Any]] | None = None
    ) -> Task[TInput, R]:
        """Make the task of a standalone a task of this workflow too, with its own options.

        Returns the new task: give that one to ``parents=`` and ``ctx.task_output``.
        """
        where = f"workflow {self.name!r}"
        if not isinstance(standalone, Standalone):
            raise DefinitionError(
                f"{where}: add_task({shorten(standalone)}): give it what plait.task(...) returned; functions are added "
                "with @workflow.task()"
            )
        source: Task[TInput, R] = standalone.task
        return self._declare(source.fn, TaskKind.TASK, source.name, source._options, parents, {})

    def _make_ref(self, run_id: UUID) -> WorkflowRunRef:
        return WorkflowRunRef(self._require_access(), run_id, self.name)

    def _extract(self, outcome: RunOutcome) -> dict[str, Any]:
        return collect_outputs(outcome)

    def _decorator(
        self,
        kind: TaskKind,
        name: str | None,
        given: Mapping[str, Any],
        parents: Sequence[Task[TInput, Any]] | None = None,
    ) -> TaskDecorator[TInput]:
        if callable(name):
            method = "task" if kind is TaskKind.TASK else f"{kind.value}_task"
            raise DefinitionError(
                f"workflow {self.name!r}: write @workflow.{method}() with parentheses above {name_function(name)}"
            )
        options = read_options(given, f"workflow {self.name!r}" + (f", task {name!r}" if name else ""))
        return TaskDecorator(lambda fn, names: self._declare(fn, kind, name, options, parents, names))

    def _declare(
        self,
        fn: Callable[..., Any],
        kind: TaskKind,
        name: str | None,
        options: TaskOptions,
        parents: Sequence[Task[TInput, Any]] | None,
        local_names: Mapping[str, Any],
    ) -> Task[TInput, Any]:
        name = name_task(fn, name, f"workflow {self.name!r}")
        where = f"workflow {self.name!r}, task {name!r}"
        checked = self._check_parents(parents, where)
        task: Task[TInput, Any] = Task(
            fn,
            workflow=self,
            definition=define_task(name, kind, options, self.task_defaults, where, checked),
            options=options,
            parents=checked,
            local_names=local_names,
        )
        self._add(task)
        return task

    def _check_parents(self, parents: object, where: str) -> tuple[Task[TInput, Any], ...]:
        if parents is None:
            return ()
        if isinstance(parents, (Task, str)) or not isinstance(parents, Sequence):
            raise DefinitionError(f"{where}: parents is {shorten(parents)}: give a list of tasks")
        seen: set[str] = set()
        for parent in parents:
            if not isinstance(parent, Task):
                raise DefinitionError(f"{where}: parent {shorten(parent)} {self._explain_parent(parent)}")
            if parent.workflow is not self:
                raise DefinitionError(
                    f"{where}: parent {parent.name!r} belongs to workflow {parent.workflow.name!r}: a task follows "
                    "tasks of its own workflow only; start the other workflow from a task's body instead"
                )
            if parent.kind is not TaskKind.TASK:
                raise DefinitionError(
                    f"{where}: parent {parent.name!r} is the {parent.kind.value} task, which no task can follow"
                )
            if parent.name in seen:
                raise DefinitionError(f"{where}: parent {parent.name!r} is listed twice, remove one")
            seen.add(parent.name)
        return tuple(parents)

    def _explain_parent(self, parent: object) -> str:
        if isinstance(parent, str):
            return f"is a name: give the task itself{suggest(parent, self.task_by_name)}"
        if isinstance(parent, Standalone):
            return "is a workflow of its own: call workflow.add_task(...) and give the task it returns"
        if callable(parent):
            return "is a function: declare it with @workflow.task() first"
        return "is not a task: give what @workflow.task() returned"


class Standalone(Runnable[TInput, R, TaskRunRef[TInput, R]], Mockable[TInput, R], Generic[TInput, R]):
    """A workflow of one task. Its result is the task's output. Made by ``plait.task(...)``.

    Attributes: ``task``, and those of a workflow: ``name``, ``description``, ``tasks``, ``task_by_name``,
    ``default_priority``, ``default_additional_metadata``, ``task_defaults``, ``on_events``, ``filters``, ``crons``,
    ``cron_input``.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        *,
        name: str | None = None,
        options: TaskOptions,
        local_names: Mapping[str, Any] | None = None,
        **workflow_options: Any,
    ) -> None:
        name = name_task(fn, name, "plait.task")
        super().__init__(name, **workflow_options)
        definition = define_task(name, TaskKind.TASK, options, self.task_defaults, f"workflow {name!r}, task {name!r}")
        self.task: Task[TInput, R] = Task(
            fn, workflow=self, definition=definition, options=options, local_names=local_names
        )
        self._add(self.task)

    @property
    def fn(self) -> Callable[..., Any]:
        """The function as written, to be called directly in unit tests."""
        return self.task.fn

    def _get_task(self) -> Task[TInput, R]:
        return self.task

    def _make_ref(self, run_id: UUID) -> TaskRunRef[TInput, R]:
        return TaskRunRef(WorkflowRunRef(self._require_access(), run_id, self.name), self.task._code.decode_output)

    def _extract(self, outcome: RunOutcome) -> R:
        return extract_output(self.task._code.decode_output, outcome)


class StandaloneDecorator(Generic[TInput]):
    """What ``plait.task(...)`` returns: turns a function into a ``Standalone``."""

    def __init__(self, declare: Callable[[Callable[..., Any], FrameType], Standalone[TInput, Any]]) -> None:
        self._declare = declare

    @overload
    def __call__(
        self, fn: Callable[Concatenate[TInput, Context, ...], Coroutine[Any, Any, T]]
    ) -> Standalone[TInput, T]: ...
    @overload
    def __call__(self, fn: Callable[Concatenate[TInput, Context, ...], T]) -> Standalone[TInput, T]: ...
    def __call__(self, fn: Callable[..., Any]) -> Standalone[TInput, Any]:
        return self._declare(fn, sys._getframe(1))


def name_task(fn: object, name: str | None, where: str) -> str:
    """The name of a task: as given, else the function's. Raises ``DefinitionError``."""
    if isinstance(fn, Mockable):  # it can be called, but is no function
        raise DefinitionError(f"{where}: {shorten(fn)} is a task already: give its function, or use add_task")
    if name is None:
        if not callable(fn):
            raise DefinitionError(f"{where}: {shorten(fn)} is not callable: decorate a function (input, ctx)")
        name = getattr(fn, "__name__", None)
        if not isinstance(name, str):
            raise DefinitionError(f"{where}: {shorten(fn)} has no name of its own: pass name=")
        if name == "<lambda>":
            raise DefinitionError(f"{where}: a lambda has no name of its own: pass name=")
    check_name(name, f"{where}: task name")
    return name
