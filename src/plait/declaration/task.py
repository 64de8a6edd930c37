"""One task of a workflow, as it is declared."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Concatenate, Generic, Protocol, TypeVar, overload

from plait.declaration.code import TaskCode
from plait.declaration.context import Context
from plait.declaration.inputs import InputType
from plait.declaration.mockable import Mockable
from plait.declaration.options import TaskOptions
from plait.graph.definition import TaskDefinition, TaskKind, WorkflowDefinition
from plait.graph.validation import DraftTask

TInput = TypeVar("TInput")
R = TypeVar("R")
T = TypeVar("T")


class Owner(Protocol):
    """The workflow of a task, as far as a task knows it."""

    name: str

    @property
    def definition(self) -> WorkflowDefinition: ...

    @property
    def _input(self) -> InputType[Any]: ...


class Task(Mockable[TInput, R], Generic[TInput, R]):
    """A declared task. Made by ``@workflow.task()``; give it to ``parents=`` and ``ctx.task_output()``.

    Attributes: ``name``; ``fn``, the function as written; ``workflow``; ``parents``; ``kind``; ``is_async``;
    ``definition``, its checked options.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        *,
        workflow: Owner,
        definition: TaskDefinition,
        options: TaskOptions,
        parents: tuple[Task[Any, Any], ...] = (),
        local_names: Mapping[str, Any] | None = None,
    ) -> None:
        self.fn = fn
        self.workflow: Any = workflow
        self.definition = definition
        self.parents = parents
        self.name = definition.name
        self.kind: TaskKind = definition.kind
        self._options = options
        self._code: TaskCode[R] = TaskCode(
            fn,
            where=f"workflow {workflow.name!r}, task {self.name!r}",
            decode_input=workflow._input.decode,
            local_names=local_names,
        )
        self.is_async = self._code.is_async

    def __repr__(self) -> str:
        return f"<Task {self.name!r} of workflow {self.workflow.name!r}>"

    def _get_task(self) -> Task[TInput, R]:
        return self

    def _draft(self) -> DraftTask:
        """What ``build_definition`` needs to know."""
        return DraftTask(self.definition, tuple(parent.name for parent in self.parents))


class TaskDecorator(Generic[TInput]):
    """What ``workflow.task(...)`` returns: turns a function into a ``Task``."""

    def __init__(self, declare: Callable[[Callable[..., Any], Mapping[str, Any]], Task[TInput, Any]]) -> None:
        self._declare = declare

    @overload
    def __call__(self, fn: Callable[Concatenate[TInput, Context, ...], Coroutine[Any, Any, T]]) -> Task[TInput, T]: ...
    @overload
    def __call__(self, fn: Callable[Concatenate[TInput, Context, ...], T]) -> Task[TInput, T]: ...
    def __call__(self, fn: Callable[..., Any]) -> Task[TInput, Any]:
        return self._declare(fn, sys._getframe(1).f_locals)  # types may be local to where the task is


def get_code(task: Task[Any, R]) -> TaskCode[R]:
    """What a worker calls of a task."""
    return task._code
