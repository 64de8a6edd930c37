"""Running the body of one task without a database: the methods of ``Task`` and ``Standalone`` for unit tests.

What they do is in ``mock.py``, which is imported when they are called.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

from plait.declaration.parent import Parent
from plait.types import UNSET, Unset

if TYPE_CHECKING:
    from uuid import UUID

    from plait.declaration.mock import Body, MockRun

P = ParamSpec("P")
TInput = TypeVar("TInput")
R = TypeVar("R")
Self = TypeVar("Self", bound="Mockable[Any, Any]")


def _blocking(prepare: Callable[Concatenate[Self, P], MockRun[R]]) -> Callable[Concatenate[Self, P], R]:
    """A method with the arguments of ``prepare`` that runs what it prepared."""

    @wraps(prepare)
    def mock_run(self: Self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return prepare(self, *args, **kwargs).run()

    _describe(mock_run, "mock_run", prepare)
    return mock_run


def _awaitable(
    prepare: Callable[Concatenate[Self, P], MockRun[R]],
) -> Callable[Concatenate[Self, P], Coroutine[Any, Any, R]]:
    """``_blocking`` in the running loop."""

    @wraps(prepare)
    async def aio_mock_run(self: Self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await prepare(self, *args, **kwargs).aio_run()

    _describe(aio_mock_run, "aio_mock_run", prepare)
    return aio_mock_run


def _describe(method: Any, name: str, prepare: Callable[..., Any]) -> None:
    method.__name__, method.__qualname__ = name, f"Mockable.{name}"
    method.__signature__ = inspect.signature(prepare).replace(return_annotation="R")


class Mockable(ABC, Generic[TInput, R]):
    """Gives ``mock_run`` to what has a body. ``_get_task`` says whose."""

    @abstractmethod
    def _get_task(self) -> Body[R]: ...

    def __call__(self, input: TInput, ctx: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function as it is written, checking nothing; ``plait.testing.make_context`` makes a ``ctx``."""
        return self._get_task()._code.fn(input, ctx, *args, **kwargs)

    def _prepare_mock(
        self,
        input: TInput | Unset | None = UNSET,
        additional_metadata: Mapping[str, Any] | None = None,
        parent_outputs: Mapping[str | Parent[Any], Any] | None = None,
        retry_count: int = 0,
        lifespan: Any = None,
        dependencies: Mapping[str | Callable[..., Any], Any] | None = None,
        *,
        trigger_data: Mapping[str, Any] | None = None,
        errors: Mapping[str | Parent[Any], BaseException] | None = None,
        priority: int | None = None,
        workflow_run_id: str | UUID | None = None,
    ) -> MockRun[R]:
        """Run the body once, here and now, with a real context and without a database, and return its output.

        Input, metadata, the parents' outputs and the output are validated and encoded as in production. Retries,
        timeouts and conditions are not applied. An ``async def`` body runs in an event loop of its own.

        Args:
            input: as for ``run``; None, too, leaves it out.
            parent_outputs: by task or name what ``ctx.task_output`` returns; ``plait.testing.SKIPPED`` for a parent
                that was skipped. Asking the context for a parent that is not given raises an error.
            retry_count: how many failed attempts to assume before this one.
            lifespan: what ``ctx.lifespan`` is.
            dependencies: values in place of those of ``Depends``, by the name of the task's parameter or by the
                function (also one that another depends on). What they replace is not called.
            trigger_data: what ``ctx.trigger_data`` is.
            errors: of an ``on_failure_task``: what failed, by task or name.

        Raises what the body raises; ``InvalidInputError``, ``InvalidOutputError``; ``DefinitionError`` for what could
        not happen in production, such as an output of a task that is not a parent; ``RunCancelledError`` when the body
        called ``ctx.cancel()``; ``RuntimeError`` for an ``async def`` body inside a running event loop, where you write
        ``await task.aio_mock_run(...)`` instead; it runs a plain ``def`` body in a thread.
        """
        from plait.declaration import mock  # noqa: PLC0415 - only tests need it

        ctx = mock.make_context(
            self, input, additional_metadata, parent_outputs, retry_count, lifespan,
            trigger_data=trigger_data, errors=errors, priority=priority, workflow_run_id=workflow_run_id,
        )  # fmt: skip
        return mock.MockRun(self._get_task(), ctx, dependencies or {})

    mock_run = _blocking(_prepare_mock)
    aio_mock_run = _awaitable(_prepare_mock)
