"""Looking at the functions that users declare: their kind, their signature, their annotations."""

from __future__ import annotations

import functools
import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import PydanticUserError, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation

from plait.errors import DefinitionError
from plait.wording import shorten

Function = Callable[..., Any]


class UnresolvedAnnotationError(DefinitionError):
    """An annotation names something that does not exist, or not yet."""


_CODE_SUGGESTIONS = {
    "typed-dict-version": "import TypedDict from typing_extensions, which pydantic needs below Python 3.12",
}


def name_function(fn: object) -> str:
    """A name for messages, for any callable."""
    name = getattr(fn, "__qualname__", None) or getattr(_innermost(fn), "__qualname__", None)
    return str(name) if name else shorten(fn)


def is_async_function(fn: Function) -> bool:
    """Whether calling ``fn`` gives a coroutine; also for partials and objects with ``__call__``."""
    return _has_kind(fn, inspect.iscoroutinefunction)


def is_generator_function(fn: Function) -> bool:
    """Whether ``fn`` is a plain function with ``yield``."""
    return _has_kind(fn, inspect.isgeneratorfunction)


def is_async_generator_function(fn: Function) -> bool:
    """Whether ``fn`` is an ``async def`` with ``yield``."""
    return _has_kind(fn, inspect.isasyncgenfunction)


def read_signature(fn: Function, where: str) -> inspect.Signature:
    """The signature, annotations unevaluated where they cannot be evaluated yet."""
    try:
        if sys.version_info >= (3, 14):
            from annotationlib import Format  # noqa: PLC0415 - exists from Python 3.14 on

            return inspect.signature(fn, annotation_format=Format.FORWARDREF)
        return inspect.signature(fn)
    except (TypeError, ValueError) as failure:
        raise DefinitionError(
            f"{where}: the signature of {name_function(fn)} cannot be read: wrap it in a function (input, ctx)"
        ) from failure


def check_arity(fn: Function, injected: typing.Iterable[str], where: str) -> None:
    """Raise ``DefinitionError`` unless ``fn(input, ctx, **injected)`` is a possible call."""
    signature = read_signature(fn, where)
    try:
        signature.bind(None, None, **dict.fromkeys(injected))
    except TypeError as failure:
        raise DefinitionError(
            f"{where}: {name_function(fn)}{_without_annotations(signature)} cannot be called with (input, ctx): "
            f"{failure}. Take exactly two positional parameters; further ones need a default or Annotated[T, "
            "Depends(fn)]"
        ) from None


def resolve_annotation(fn: Function, annotation: Any, where: str, local_names: Mapping[str, Any] | None = None) -> Any:
    """Evaluate an annotation of ``fn``, strings and nested strings included.

    ``local_names`` are looked up before the globals of the module of ``fn``. Raises
    ``UnresolvedAnnotationError`` for an unknown name, ``DefinitionError`` for anything else.
    """
    inner = _innermost(fn)

    def probe() -> None: ...

    probe.__annotations__ = {"annotation": annotation}
    names = {**_closure_of(inner), **(local_names or {})}
    try:
        hints = typing.get_type_hints(probe, getattr(inner, "__globals__", {}), names, include_extras=True)
    except (NameError, AttributeError) as failure:
        raise UnresolvedAnnotationError(
            f"{where} {shorten(annotation)} cannot be resolved: {failure}. Define or import it (not only under "
            "TYPE_CHECKING) at the top of the module, or before the task is declared"
        ) from failure
    except Exception as failure:
        raise DefinitionError(f"{where} {shorten(annotation)} is not a type: {failure}") from failure
    return hints["annotation"]


def build_adapter(annotation: Any, where: str) -> TypeAdapter[Any]:
    """The ``TypeAdapter`` of a declared type. ``where`` opens the message of the ``DefinitionError``."""
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        if not adapter.pydantic_complete:
            adapter.rebuild(raise_errors=True)
    except PydanticUndefinedAnnotation as failure:
        raise UnresolvedAnnotationError(
            f"{where} {_show_type(annotation)} refers to {failure.name!r}, which is not defined"
        ) from failure
    except PydanticSchemaGenerationError as failure:
        raise DefinitionError(
            f"{where} {_show_type(annotation)} cannot be stored as JSON: use a pydantic model, a dataclass, a "
            "TypedDict or plain types"
        ) from failure
    except PydanticUserError as failure:
        reason = _CODE_SUGGESTIONS.get(failure.code or "") or failure.message.splitlines()[0]
        raise DefinitionError(f"{where} {_show_type(annotation)} cannot be used: {reason}") from failure
    except (TypeError, RecursionError) as failure:
        raise DefinitionError(f"{where} {_show_type(annotation)} is not a type: {failure}") from failure
    return adapter


def _show_type(annotation: Any) -> str:
    return annotation.__qualname__ if isinstance(annotation, type) else shorten(annotation)


def _has_kind(fn: Function, test: Callable[[Any], bool]) -> bool:
    while isinstance(fn, functools.partial):
        fn = fn.func
    return test(fn) or (not inspect.isroutine(fn) and test(getattr(fn, "__call__", None)))  # noqa: B004


def _innermost(fn: Any) -> Any:
    """The function whose globals give meaning to the annotations."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    if not inspect.isroutine(fn) and not inspect.isclass(fn) and hasattr(fn, "__call__"):  # noqa: B004
        fn = fn.__call__
    return inspect.unwrap(getattr(fn, "__func__", fn))


def _closure_of(fn: Any) -> dict[str, Any]:
    code, cells = getattr(fn, "__code__", None), getattr(fn, "__closure__", None) or ()
    found: dict[str, Any] = {}
    for name, cell in zip(code.co_freevars if code else (), cells, strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # assigned later
            continue
    return found


def _without_annotations(signature: inspect.Signature) -> str:
    parameters = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    return shorten(_Text(signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)), 80)


class _Text:
    """Shows as ``str(value)``."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __repr__(self) -> str:
        return str(self._value)
