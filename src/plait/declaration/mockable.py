"""Running the body of one task without a database: the methods of ``Task`` and ``Standalone`` for unit tests.

What they do is in ``mock.py``, which is imported when they are called.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from plait.types import UNSET, Unset

if TYPE_CHECKING:
    from uuid import UUID

    from plait.declaration.task import Task

TInput = TypeVar("TInput")
R = TypeVar("R")


class Mockable(ABC, Generic[TInput, R]):
    """Gives ``mock_run`` to what has a body. ``_get_task`` says whose."""

    @abstractmethod
    def _get_task(self) -> Task[TInput, R]: ...

    def __call__(self, input: TInput, ctx: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function as it is written, checking nothing; ``plait.testing.make_context`` makes a ``ctx``."""
        return self._get_task().fn(input, ctx, *args, **kwargs)

    def mock_run(
        self,
        input: TInput | Unset | None = UNSET,
        additional_metadata: Mapping[str, Any] | None = None,
        parent_outputs: Mapping[str | Task[Any, Any], Any] | None = None,
        retry_count: int = 0,
        lifespan: Any = None,
        dependencies: Mapping[str | Callable[..., Any], Any] | None = None,
        *,
        trigger_data: Mapping[str, Any] | None = None,
        errors: Mapping[str | Task[Any, Any], BaseException] | None = None,
        priority: int | None = None,
        workflow_run_id: str | UUID | None = None,
    ) -> R:
        """Run the body once, here and now, with a real context and without a database, and return its output.

        Input, metadata, the parents' outputs and the output are validated and encoded as in production. Retries,
        timeouts and conditions are not applied. An ``async def`` body runs in an event loop of its own.

        Args:
            input: as for ``run``; None, too, leaves it out.
            parent_outputs: by task or name what ``ctx.task_output`` returns; ``plait.testing.SKIPPED`` for a parent
                that was skipped. The context refuses to tell of a parent that is not given.
            retry_count: how many attempts are said to have failed before this one.
            lifespan: what ``ctx.lifespan`` is.
            dependencies: values in place of those of ``Depends``, by the name of the task's parameter or by the
                function (also one that another depends on). What they replace is not called.
            trigger_data: what ``ctx.trigger_data`` is.
            errors: of an ``on_failure_task``: what failed, by task or name.

        Raises what the body raises; ``InvalidInputError``, ``InvalidOutputError``; ``DefinitionError`` for what could
        not happen in production, such as an output of a task that is no parent; ``RunCancelledError`` when the body
        called ``ctx.cancel()``; ``RuntimeError`` for an ``async def`` body inside a running event loop.
        """
        from plait.declaration import mock  # noqa: PLC0415 - only tests need it

        ctx = mock.make_context(
            self._get_task(), input, additional_metadata, parent_outputs, retry_count, lifespan,
            trigger_data=trigger_data, errors=errors, priority=priority, workflow_run_id=workflow_run_id,
        )  # fmt: skip
        return mock.run(self._get_task(), ctx, dependencies or {})

    async def aio_mock_run(
        self,
        input: TInput | Unset | None = UNSET,
        additional_metadata: Mapping[str, Any] | None = None,
        parent_outputs: Mapping[str | Task[Any, Any], Any] | None = None,
        retry_count: int = 0,
        lifespan: Any = None,
        dependencies: Mapping[str | Callable[..., Any], Any] | None = None,
        *,
        trigger_data: Mapping[str, Any] | None = None,
        errors: Mapping[str | Task[Any, Any], BaseException] | None = None,
        priority: int | None = None,
        workflow_run_id: str | UUID | None = None,
    ) -> R:
        """``mock_run`` in the running loop; a plain ``def`` body runs in a thread."""
        from plait.declaration import mock  # noqa: PLC0415 - only tests need it

        ctx = mock.make_context(
            self._get_task(), input, additional_metadata, parent_outputs, retry_count, lifespan,
            trigger_data=trigger_data, errors=errors, priority=priority, workflow_run_id=workflow_run_id,
        )  # fmt: skip
        return await mock.aio_run(self._get_task(), ctx, dependencies or {})
