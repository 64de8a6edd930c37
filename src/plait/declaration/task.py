"""One task of a workflow: the function, its options, and what its annotations say."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, TypeVar, cast, overload

from pydantic import TypeAdapter

from plait.declaration.dependencies import (
    DependencyPlan,
    Depends,
    aio_call_with_dependencies,
    call_with_dependencies,
    find_dependencies,
    plan_dependencies,
)
from plait.declaration.mockable import Mockable
from plait.declaration.options import TaskOptions
from plait.declaration.signatures import (
    UnresolvedAnnotationError,
    build_adapter,
    is_async_function,
    is_async_generator_function,
    is_generator_function,
    name_function,
    read_signature,
    resolve_annotation,
)
from plait.errors import DefinitionError, InvalidOutputError
from plait.graph.definition import TaskDefinition, TaskKind
from plait.graph.validation import DraftTask
from plait.types import UNSET
from plait.values.encoding import DEFAULT_PAYLOAD_LIMIT, decode_value, encode_value
from plait.wording import shorten

if TYPE_CHECKING:
    from plait.declaration.context import Context
    from plait.declaration.workflow import BaseWorkflow

TInput = TypeVar("TInput")
R = TypeVar("R")
T = TypeVar("T")

_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)


class Task(Mockable[TInput, R], Generic[TInput, R]):
    """A declared task. Made by ``@workflow.task()``; give it to ``parents=`` and ``ctx.task_output()``.

    Attributes: ``name``; ``fn``, the function as written; ``workflow``; ``parents``; ``kind``; ``is_async``;
    ``definition``, its checked options.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        *,
        workflow: BaseWorkflow[TInput],
        definition: TaskDefinition,
        options: TaskOptions,
        parents: tuple[Task[Any, Any], ...] = (),
        local_names: Mapping[str, Any] | None = None,
    ) -> None:
        self.fn = fn
        self.workflow = workflow
        self.definition = definition
        self.options = options
        self.parents = parents
        self.name = definition.name
        self.kind: TaskKind = definition.kind
        self._where = f"workflow {workflow.name!r}, task {self.name!r}"
        _check_body(fn, self._where)
        self.is_async = is_async_function(fn)
        self._plan: DependencyPlan | None = None
        self._dependencies: dict[str, Depends] | None = None
        self._return_type: Any = UNSET
        self._output_adapter: TypeAdapter[Any] | None = None
        self._is_prepared = False
        with suppress(UnresolvedAnnotationError):  # a name defined further down: looked up again at first use
            self.prepare(local_names)

    def __repr__(self) -> str:
        return f"<Task {self.name!r} of workflow {self.workflow.name!r}>"

    def _get_task(self) -> Task[TInput, R]:
        return self

    @property
    def output_adapter(self) -> TypeAdapter[Any]:
        """Validates and serialises the exact return annotation; anything when there is none."""
        if not self._is_prepared:
            self.prepare()
        assert self._output_adapter is not None
        return self._output_adapter

    @property
    def dependencies(self) -> dict[str, Depends]:
        """The parameters after (input, ctx) that are injected."""
        if not self._is_prepared:
            self.prepare()
        return self._dependencies or {}

    def prepare(self, local_names: Mapping[str, Any] | None = None) -> None:
        """Evaluate the annotations and check what follows from them. Raises ``DefinitionError``."""
        if self._is_prepared:
            return
        # Whatever is resolved is kept: local names are known only the first time, at the declaration.
        if self._dependencies is None:
            self._plan = self._plan_dependencies(local_names)
            self._dependencies = find_dependencies(self.fn, self._where, local_names)
        self._output_adapter = self._build_output_adapter(local_names)
        self._is_prepared = True

    def draft(self) -> DraftTask:
        """What ``build_definition`` needs to know."""
        return DraftTask(self.definition, tuple(parent.name for parent in self.parents))

    def call(self, input: TInput, ctx: Context) -> R:
        """Run the body of a plain ``def`` task once, its dependencies opened before and closed after."""
        if not self._is_prepared:
            self.prepare()
        if self._plan is None:
            result = self.fn(input, ctx)
        else:
            result = call_with_dependencies(self._plan, self.fn, input, ctx)
        if type(result) is CoroutineType:
            result.close()
            raise InvalidOutputError(
                f"{self._where}: {name_function(self.fn)} returned a coroutine, though it is not an async "
                f"def: "
                f"declare the task with async def, and await inside"
            )
        return result  # type: ignore[no-any-return]

    async def aio_call(self, input: TInput, ctx: Context) -> R:
        """Run the body of an ``async def`` task once, its dependencies opened before and closed after."""
        if not self._is_prepared:
            self.prepare()
        if self._plan is None:
            return await self.fn(input, ctx)  # type: ignore[no-any-return]
        return cast(R, await aio_call_with_dependencies(self._plan, self.fn, input, ctx))

    def encode_output(self, value: Any, *, limit: int = DEFAULT_PAYLOAD_LIMIT) -> bytes:
        """Validate what the body returned by the return annotation, as JSON.

        Raises ``InvalidOutputError`` naming the field, or ``PayloadTooLargeError`` above ``limit`` bytes.
        """
        return encode_value(
            value,
            self.output_adapter,
            where=self._where,
            root="output",
            limit=limit,
            error=InvalidOutputError,
        )

    def decode_output(self, data: bytes) -> R:
        """The inverse of ``encode_output``, with the same type as the annotation."""
        return decode_value(  # type: ignore[no-any-return]
            data, self.output_adapter, where=self._where, root="output", error=InvalidOutputError
        )

    def _plan_dependencies(self, local_names: Mapping[str, Any] | None) -> DependencyPlan | None:
        plan = plan_dependencies(self.fn, self._where, local_names)
        if plan is not None and plan.async_names and not self.is_async:
            raise DefinitionError(
                f"{self._where}: {name_function(self.fn)} is a plain def, its dependency "
                f"{plan.async_names[0]} is async: make the task async def"
            )
        return plan

    def _build_output_adapter(self, local_names: Mapping[str, Any] | None) -> TypeAdapter[Any]:
        what = f"{self._where}: the return annotation"
        if self._return_type is UNSET:
            annotation = read_signature(self.fn, self._where).return_annotation
            if annotation is inspect.Signature.empty:
                return _ANYTHING
            self._return_type = resolve_annotation(self.fn, annotation, what, local_names)
        return build_adapter(self._return_type, what)


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


def _check_body(fn: object, where: str) -> None:
    if not callable(fn):
        raise DefinitionError(f"{where}: {shorten(fn)} is not callable: decorate a function (input, ctx)")
    if is_generator_function(fn) or is_async_generator_function(fn):
        raise DefinitionError(
            f"{where}: {name_function(fn)} is a generator, whose values nobody would read: return a list "
            f"instead of "
            f"using yield"
        )
