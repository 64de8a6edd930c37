"""The return annotation of a task says what its output is, wherever the type is defined."""

from __future__ import annotations

import functools
import sys
import typing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Optional
from uuid import UUID

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from plait.declaration.declarations import Declarations
from plait.declaration.dependencies import Depends
from plait.declaration.task import Task, get_code
from plait.errors import DefinitionError, InvalidOutputError

if TYPE_CHECKING:
    from plait.declaration.context import Context

    class OnlyForCheckers: ...


class Text(BaseModel):
    body: str


class Row(TypedDict):
    at: datetime


class Pair(NamedTuple):
    id: UUID
    price: Decimal


@dataclass
class Point:
    x: int


def a_model(input: Any, ctx: Context) -> Text: ...  # type: ignore[empty-body]
def a_union(input: Any, ctx: Context) -> Text | Point | None: ...
def an_optional(input: Any, ctx: Context) -> Optional[Point]: ...  # noqa: UP045
def a_typed_dict(input: Any, ctx: Context) -> Row: ...  # type: ignore[empty-body]
def a_named_tuple(input: Any, ctx: Context) -> Pair: ...  # type: ignore[empty-body]
def nothing(input: Any, ctx: Context) -> None: ...
def unannotated(input, ctx): ...  # type: ignore[no-untyped-def]
async def aio(input: Any, ctx: Context) -> list[Text]: ...  # type: ignore[empty-body]
def some_bytes(input: Any, ctx: Context) -> bytes: ...  # type: ignore[empty-body]
def for_checkers(input: Any, ctx: Context) -> OnlyForCheckers: ...  # type: ignore[empty-body]
def later(input: Any, ctx: Context) -> Later: ...  # type: ignore[name-defined]  # noqa: F821
def a_lock(input: Any, ctx: Context) -> ModuleType: ...  # type: ignore[empty-body]
def nonsense(input: Any, ctx: Context) -> 5: ...  # type: ignore[valid-type]


class Service:
    def method(self, input: Any, ctx: Context) -> Text: ...  # type: ignore[empty-body]


def declare(fn: Any, name: str | None = None) -> Task[Any, Any]:
    return Declarations().workflow(name="W").task(name)(fn)


@pytest.mark.parametrize(
    ("fn", "value"),
    [
        (a_model, Text(body="x")),
        (a_union, Point(1)),
        (a_union, None),
        (an_optional, None),
        (a_typed_dict, {"at": datetime(2026, 1, 2)}),
        (a_named_tuple, Pair(UUID(int=1), Decimal("1.0"))),
        (nothing, None),
        (unannotated, {"any": ["thing", 1, None]}),
        (aio, [Text(body="x")]),
        (some_bytes, b"text"),
        (Service().method, Text(body="x")),
        (functools.partial(a_model), Text(body="x")),
    ],
)
def test_an_output_comes_back_as_its_annotation_says(fn: Any, value: Any) -> None:
    task = declare(fn, "t")
    back = get_code(task).decode_output(get_code(task).encode_output(value))
    assert back == value
    assert type(back) is type(value)


def test_a_type_local_to_a_function_is_found() -> None:
    class Inner(BaseModel):
        x: int

    workflow = Declarations().workflow(name="W")

    @workflow.task()
    def work(input: Any, ctx: Context) -> Inner: ...  # type: ignore[empty-body]

    @Declarations().task()
    async def alone(input: Any, ctx: Context) -> list[Inner]: ...  # type: ignore[empty-body]

    assert get_code(work).decode_output(b'{"x":1}') == Inner(x=1)
    assert get_code(alone.task).decode_output(b'[{"x":1}]') == [Inner(x=1)]


def test_a_type_defined_further_down_is_found_at_the_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    task = declare(later)
    with pytest.raises(DefinitionError, match="name 'Later' is not defined"):
        _ = get_code(task).output_adapter
    monkeypatch.setattr(sys.modules[__name__], "Later", Text, raising=False)
    assert get_code(task).decode_output(b'{"body":"x"}') == Text(body="x")


def test_a_model_with_fields_of_types_defined_further_down_is_found_too() -> None:
    scope: dict[str, Any] = {"declare": declare}
    source = (
        "from __future__ import annotations\n"
        "from pydantic import BaseModel\n"
        "class Outer(BaseModel):\n"
        "    inner: Inner\n"
        "def work(input, ctx) -> Outer: ...\n"
        "task = declare(work)\n"
        "class Inner(BaseModel):\n"
        "    x: int\n"
    )
    module = ModuleType("flows_with_forward_references")
    module.__dict__.update(scope)
    sys.modules[module.__name__] = module
    try:
        exec(source, module.__dict__)
        assert get_code(module.task).decode_output(b'{"inner":{"x":1}}').inner.x == 1
    finally:
        del sys.modules[module.__name__]


def test_a_local_dependency_is_kept_while_the_return_type_is_not_defined_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def one(input: Any, ctx: Context) -> int:
        return 1

    @Declarations().workflow(name="W").task()
    def work(input: Any, ctx: Context, x: Annotated[int, Depends(one)]) -> Later: ...  # type: ignore  # noqa: F821

    monkeypatch.setattr(sys.modules[__name__], "Later", Text, raising=False)
    assert list(get_code(work).dependencies) == ["x"]


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (
            for_checkers,
            r"the return annotation 'OnlyForCheckers' cannot be resolved: name .*not only under TYPE_CHE",
        ),
        (a_lock, r"the return annotation module cannot be stored as JSON: use a pydantic model, a dataclass"),
        (nonsense, r"the return annotation 5 cannot be stored as JSON"),
    ],
)
def test_a_type_that_cannot_be_used_is_refused_before_any_run(fn: Any, message: str) -> None:
    workflow = Declarations().workflow(name="W")
    with pytest.raises(DefinitionError, match=rf"workflow 'W', task 't': {message}"):  # noqa: PT012
        workflow.task("t")(fn)
        _ = workflow.definition


def test_a_model_with_a_field_of_a_type_that_is_never_defined_is_refused_before_any_run() -> None:
    class Broken(BaseModel):
        inner: Missing  # type: ignore[name-defined]  # noqa: F821

    workflow = Declarations().workflow(name="W")

    @workflow.task("t")
    def work(input: Any, ctx: Context) -> Broken: ...  # type: ignore[empty-body]

    with pytest.raises(DefinitionError, match=r"task 't': .*Broken refers to 'Missing', which is not defined"):
        _ = workflow.definition


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="pydantic takes typing.TypedDict from Python 3.12 on")
def test_the_typed_dict_of_typing_is_refused_with_the_fix() -> None:
    class Old(typing.TypedDict):
        x: int

    workflow = Declarations().workflow(name="W")
    with pytest.raises(DefinitionError, match=r"task 't': .*Old cannot be used: import TypedDict from typing_ext"):

        @workflow.task("t")
        def work(input: Any, ctx: Context) -> Old: ...  # type: ignore[empty-body]

    with pytest.raises(DefinitionError, match=r"workflow 'V': input_validator .*Old cannot be used: import Typed"):
        Declarations().workflow(name="V", input_validator=Old)


def test_an_output_that_does_not_fit_names_task_and_field() -> None:
    with pytest.raises(InvalidOutputError, match=r"^workflow 'W', task 'a_model': output.body: Input should be"):
        get_code(declare(a_model)).encode_output({"body": 1})


def test_bytes_that_are_not_text_are_refused_with_the_way_out() -> None:
    with pytest.raises(InvalidOutputError, match="output is bytes that are not valid UTF-8: encode binary"):
        get_code(declare(some_bytes)).encode_output(b"\xff")


@pytest.mark.parametrize("validator", [ModuleType, 5])
def test_an_input_type_that_cannot_be_stored_is_refused(plait: Declarations, validator: Any) -> None:
    with pytest.raises(DefinitionError, match="workflow 'W': input_validator"):
        plait.workflow(name="W", input_validator=validator)


def test_a_plain_def_that_returns_a_coroutine_is_told_to_be_async() -> None:
    async def inner() -> int:
        return 1

    task = declare(lambda input, ctx: inner(), "t")
    with pytest.raises(InvalidOutputError, match="returned a coroutine, though it is not an async def"):
        get_code(task).call(None, None)  # type: ignore[arg-type]
