"""Values injected into task functions: ``Annotated[T, Depends(fn)]``."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from types import TracebackType
from typing import Annotated, Any, get_args, get_origin

from plait.declaration.signatures import (
    Function,
    check_arity,
    is_async_function,
    is_async_generator_function,
    is_generator_function,
    name_function,
    read_signature,
    resolve_annotation,
)
from plait.errors import DefinitionError
from plait.wording import shorten


class Depends:
    """Marks a parameter of a task whose value is made by ``fn(input, ctx)`` for every attempt.

    ``fn`` is a function, a generator that yields once, or returns a context manager; each of them sync or
    async, with parameters of the same kind after the first two. It is called once per attempt, however many
    parameters ask for it. Generators and context managers are closed after the task's body, last opened
    first, and see its exception; they cannot swallow it. In an async task, sync functions run in a thread.
    A sync task takes no async ones.
    """

    __slots__ = ("fn",)

    def __init__(self, fn: Callable[..., Any]) -> None:
        if not callable(fn):
            raise DefinitionError(f"Depends({shorten(fn)}): give it a function (input, ctx)")
        self.fn = fn

    def __repr__(self) -> str:
        return f"Depends({name_function(self.fn)})"


@dataclass(frozen=True, slots=True)
class _Step:
    fn: Function  # generators already wrapped into context managers
    arguments: tuple[tuple[str, int], ...]
    is_coroutine: bool
    is_blocking: bool


@dataclass(frozen=True, slots=True)
class DependencyPlan:
    """What to call in which order, and which parameter of the task gets which result."""

    steps: tuple[_Step, ...]
    parameters: tuple[tuple[str, int], ...]
    async_names: tuple[str, ...]


def find_dependencies(fn: Function, where: str, local_names: Mapping[str, Any] | None = None) -> dict[str, Depends]:
    """The parameters of ``fn`` after (input, ctx) that are annotated with ``Depends``.

    Raises ``UnresolvedAnnotationError`` when an annotation cannot be evaluated yet, ``DefinitionError`` for
    a misplaced ``Depends``.
    """
    found: dict[str, Depends] = {}
    for place, parameter in enumerate(read_signature(fn, where).parameters.values()):
        if isinstance(parameter.default, Depends):
            raise DefinitionError(
                f"{where}: parameter {parameter.name!r} has {parameter.default!r} as its default: write "
                f"{parameter.name}: Annotated[T, {parameter.default!r}]"
            )
        is_positional = parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        if parameter.annotation is parameter.empty or (is_positional and place < 2):
            continue
        annotation = resolve_annotation(
            fn, parameter.annotation, f"{where}: the annotation of parameter {parameter.name!r}", local_names
        )
        while hasattr(annotation, "__value__"):  # a `type` alias
            annotation = annotation.__value__
        if get_origin(annotation) is Annotated:
            marks = [mark for mark in get_args(annotation)[1:] if isinstance(mark, Depends)]
            if marks:
                found[parameter.name] = marks[-1]
    return found


def plan_dependencies(fn: Function, where: str, local_names: Mapping[str, Any] | None = None) -> DependencyPlan | None:
    """Check ``fn`` and everything it depends on; ``None`` when it depends on nothing.

    Raises ``UnresolvedAnnotationError`` when an annotation cannot be evaluated yet, ``DefinitionError`` for
    anything that can never work.
    """
    planner = _Planner(where, local_names)
    parameters = planner.add_parameters(fn, ())
    if not parameters:
        return None
    return DependencyPlan(tuple(planner.steps), parameters, tuple(planner.async_names))


class _Planner:
    def __init__(self, where: str, local_names: Mapping[str, Any] | None) -> None:
        self.steps: list[_Step] = []
        self.async_names: list[str] = []
        self._where = where
        self._local_names = local_names
        self._index_by_function: dict[int, int] = {}

    def add_parameters(self, fn: Function, path: tuple[Function, ...]) -> tuple[tuple[str, int], ...]:
        where = self._where if not path else f"{self._where}, dependency {name_function(fn)}"
        found = find_dependencies(fn, where, self._local_names)
        check_arity(fn, found, where)
        return tuple((name, self._add(depends.fn, (*path, fn))) for name, depends in found.items())

    def _add(self, fn: Function, path: tuple[Function, ...]) -> int:
        if any(fn is earlier for earlier in path):
            names = " → ".join(name_function(step) for step in (*path[1:], fn))
            raise DefinitionError(f"{self._where}: its dependencies go in a circle: {names}")
        if id(fn) not in self._index_by_function:
            arguments = self.add_parameters(fn, path)
            self.steps.append(self._make_step(fn, arguments))
            self._index_by_function[id(fn)] = len(self.steps) - 1
        return self._index_by_function[id(fn)]

    def _make_step(self, fn: Function, arguments: tuple[tuple[str, int], ...]) -> _Step:
        if is_async_generator_function(fn):
            self.async_names.append(name_function(fn))
            return _Step(asynccontextmanager(fn), arguments, is_coroutine=False, is_blocking=False)
        if is_generator_function(fn):
            return _Step(contextmanager(fn), arguments, is_coroutine=False, is_blocking=False)
        is_async = is_async_function(fn)
        if is_async:
            self.async_names.append(name_function(fn))
        # a function made by @contextmanager or its async twin only builds an object: that needs no thread
        inner = inspect.unwrap(fn)
        is_wrapper = is_async_generator_function(inner) or is_generator_function(inner)
        return _Step(fn, arguments, is_coroutine=is_async, is_blocking=not is_async and not is_wrapper)


def call_with_dependencies(plan: DependencyPlan, fn: Function, input: Any, ctx: Any) -> Any:
    """Open the dependencies, call ``fn``, close them again."""
    failure: BaseException
    with ExitStack() as stack:
        try:
            values: list[Any] = []
            for step in plan.steps:
                values.append(_open_step(stack, step, values, input, ctx))
            return fn(input, ctx, **{name: values[index] for name, index in plan.parameters})
        except BaseException as error:
            failure = error
            raise
    raise failure  # reached only when a dependency swallowed it


async def aio_call_with_dependencies(plan: DependencyPlan, fn: Function, input: Any, ctx: Any) -> Any:
    """``call_with_dependencies`` for an async ``fn``; blocking dependencies run in threads."""
    failure: BaseException
    async with AsyncExitStack() as stack:
        try:
            values: list[Any] = []
            for step in plan.steps:
                values.append(await _aio_open_step(stack, step, values, input, ctx))
            return await fn(input, ctx, **{name: values[index] for name, index in plan.parameters})
        except BaseException as error:
            failure = error
            raise
    raise failure  # reached only when a dependency swallowed it


def _open_step(stack: ExitStack, step: _Step, values: Sequence[Any], input: Any, ctx: Any) -> Any:
    value = step.fn(input, ctx, **{name: values[index] for name, index in step.arguments})
    if isinstance(value, AbstractContextManager):
        return stack.enter_context(value)
    if isinstance(value, AbstractAsyncContextManager):
        raise TypeError(
            f"dependency {name_function(step.fn)} returned an async context manager, which only an async def "
            f"task can use"
        )
    return value


async def _aio_open_step(stack: AsyncExitStack, step: _Step, values: Sequence[Any], input: Any, ctx: Any) -> Any:
    arguments = {name: values[index] for name, index in step.arguments}
    if step.is_blocking:
        value = await asyncio.to_thread(step.fn, input, ctx, **arguments)
    else:
        value = step.fn(input, ctx, **arguments)
        if step.is_coroutine:
            value = await value
    if isinstance(value, AbstractAsyncContextManager):
        return await stack.enter_async_context(value)
    if isinstance(value, AbstractContextManager):
        return await stack.enter_async_context(_Threaded(value))
    return value


class _Threaded(AbstractAsyncContextManager[Any]):
    """A sync context manager entered and left in threads.

    A thread cannot be cancelled. So a cancellation waits for it, and what was opened meanwhile is closed.
    """

    def __init__(self, manager: AbstractContextManager[Any]) -> None:
        self._manager = manager

    async def __aenter__(self) -> Any:
        entering = asyncio.ensure_future(asyncio.to_thread(self._manager.__enter__))
        try:
            return await asyncio.shield(entering)
        except asyncio.CancelledError as error:
            await asyncio.wait([entering])
            if entering.exception() is None:
                await self.__aexit__(type(error), error, error.__traceback__)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        leaving = asyncio.ensure_future(asyncio.to_thread(self._manager.__exit__, kind, error, trace))
        try:
            return await asyncio.shield(leaving)
        except asyncio.CancelledError:
            await asyncio.wait([leaving])
            raise
