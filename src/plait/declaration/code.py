"""The code of a task: its function, what its annotations say, and how values get in and out of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import CoroutineType
from typing import Any, Generic, TypeVar, cast

from pydantic import TypeAdapter

from plait.declaration.dependencies import (
    DependencyPlan,
    Depends,
    aio_call_with_dependencies,
    call_with_dependencies,
    find_dependencies,
    plan_dependencies,
)
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
from plait.types import UNSET
from plait.values.encoding import DEFAULT_PAYLOAD_LIMIT, decode_value, encode_value
from plait.wording import shorten

R = TypeVar("R")

_ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)


class TaskCode(Generic[R]):
    """What a worker calls. Attributes: ``fn``, the function as written; ``is_async``; ``decode_input``, which makes
    the first argument of the stored input; ``where``, with which messages begin."""

    def __init__(
        self,
        fn: Callable[..., Any],
        *,
        where: str,
        decode_input: Callable[[bytes], Any],
        local_names: Mapping[str, Any] | None = None,
    ) -> None:
        _check_body(fn, where)
        self.fn = fn
        self.decode_input = decode_input
        self.is_async = is_async_function(fn)
        self.plan: DependencyPlan | None = None
        self.where = where
        self._dependencies: dict[str, Depends] | None = None
        self._return_type: Any = UNSET
        self._output_adapter: TypeAdapter[Any] | None = None
        self._is_prepared = False
        with suppress(UnresolvedAnnotationError):  # a name defined further down: looked up again at first use
            self.prepare(local_names)

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
            self.plan = self._plan_dependencies(local_names)
            self._dependencies = find_dependencies(self.fn, self.where, local_names)
        self._output_adapter = self._build_output_adapter(local_names)
        self._is_prepared = True

    def call(self, input: Any, ctx: Any) -> R:
        """Run the body of a plain ``def`` task once, its dependencies opened before and closed after."""
        if not self._is_prepared:
            self.prepare()
        if self.plan is None:
            result = self.fn(input, ctx)
        else:
            result = call_with_dependencies(self.plan, self.fn, input, ctx)
        if type(result) is CoroutineType:
            result.close()
            raise InvalidOutputError(
                f"{self.where}: {name_function(self.fn)} returned a coroutine, though it is not an async def: "
                f"declare the task with async def, and await inside"
            )
        return result  # type: ignore[no-any-return]

    async def aio_call(self, input: Any, ctx: Any) -> R:
        """Run the body of an ``async def`` task once, its dependencies opened before and closed after."""
        if not self._is_prepared:
            self.prepare()
        if self.plan is None:
            return await self.fn(input, ctx)  # type: ignore[no-any-return]
        return cast(R, await aio_call_with_dependencies(self.plan, self.fn, input, ctx))

    def encode_output(self, value: Any, *, limit: int = DEFAULT_PAYLOAD_LIMIT) -> bytes:
        """Validate what the body returned by the return annotation, as JSON.

        Raises ``InvalidOutputError`` naming the field, or ``PayloadTooLargeError`` above ``limit`` bytes.
        """
        return encode_value(
            value, self.output_adapter, where=self.where, root="output", limit=limit, error=InvalidOutputError
        )

    def decode_output(self, data: bytes) -> R:
        """The inverse of ``encode_output``, with the same type as the annotation."""
        return decode_value(  # type: ignore[no-any-return]
            data, self.output_adapter, where=self.where, root="output", error=InvalidOutputError
        )

    def _plan_dependencies(self, local_names: Mapping[str, Any] | None) -> DependencyPlan | None:
        plan = plan_dependencies(self.fn, self.where, local_names)
        if plan is not None and plan.async_names and not self.is_async:
            raise DefinitionError(
                f"{self.where}: {name_function(self.fn)} is a plain def, its dependency "
                f"{plan.async_names[0]} is async: make the task async def"
            )
        return plan

    def _build_output_adapter(self, local_names: Mapping[str, Any] | None) -> TypeAdapter[Any]:
        what = f"{self.where}: the return annotation"
        if self._return_type is UNSET:
            annotation = read_signature(self.fn, self.where).return_annotation
            if annotation is inspect.Signature.empty:
                return _ANYTHING
            self._return_type = resolve_annotation(self.fn, annotation, what, local_names)
        return build_adapter(self._return_type, what)


def _check_body(fn: object, where: str) -> None:
    if not callable(fn):
        raise DefinitionError(f"{where}: {shorten(fn)} is not callable: decorate a function (input, ctx)")
    if is_generator_function(fn) or is_async_generator_function(fn):
        raise DefinitionError(
            f"{where}: {name_function(fn)} is a generator, whose values nobody would read: return a list instead of "
            f"using yield"
        )
