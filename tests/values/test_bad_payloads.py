"""A value that JSON cannot hold is refused with the path of the field, whatever it is; the process survives
it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Optional

import pytest
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    TypeAdapter,
    computed_field,
    field_serializer,
)

from plait.errors import InvalidOutputError, InvalidValueError
from plait.values.encoding import encode_value

ANY: TypeAdapter[Any] = TypeAdapter(Any)


class Price(BaseModel):
    amount: float
    note: str | None = None


class Order(BaseModel):
    items: list[Price]


class Node(BaseModel):
    child: Optional[Node] = None  # noqa: UP045


@dataclass
class Holder:
    content: Any


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    __str__ = __repr__

    def __reduce__(self) -> Any:
        raise RuntimeError("no reduce")


class HostileDict(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("no items")


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def cyclic_list() -> Any:
    value: list[Any] = [1]
    value.append({"again": value})
    return value


def refused(value: Any, adapter: TypeAdapter[Any] = ANY) -> str:
    with pytest.raises(InvalidOutputError) as caught:
        encode_value(value, adapter, where="task 't'", root="output", error=InvalidOutputError)
    text = str(caught.value)
    assert text.startswith("task 't': output")
    return text.removeprefix("task 't': ")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "output is NaN, which JSON cannot hold: use None, or a string"),
        ({"a": [1, {"b c": float("inf")}]}, "output.a[1]['b c'] is Infinity"),
        ([-float("inf")], "output[0] is -Infinity"),
        ({"a": None, "b": {"c": float("nan")}}, "output.b.c is NaN"),
        ({float("nan"): 1}, "output has a key that is NaN"),
        ("a\x00b", "output holds a NUL character (U+0000)"),
        ({"x": {"k\x00": 1}}, "output.x has a key that holds a NUL character"),
        (["ok", "\ud800"], "output[1] holds the lone surrogate U+D800"),
        ({"\udfff": 1}, "output has a key that holds the lone surrogate U+DFFF"),
        ({"n": 10**4300}, "output.n is an integer of more than 4300 digits"),
        ([-(10**5000)], "output[0] is an integer of more than 4300 digits"),
        ({"raw": b"\xff\xfe"}, "output.raw is bytes that are not valid UTF-8: encode binary data as base64"),
        ({"o": object()}, "output.o is object, which cannot be stored as JSON"),
        ([Hostile()], "output[0] is Hostile, which cannot be stored as JSON"),
        ({"lock": threading.Lock()}, "output.lock is lock, which cannot be stored"),
        (nested(1000), "is nested more than 200 levels deep: flatten it"),
        (nested(201), "is nested more than 200 levels deep"),
        (nested(100_000), "is nested more than 200 levels deep"),
        (cyclic_list(), "contains itself, and JSON cannot hold a cycle"),
        (Holder(Holder(float("nan"))), "output.content.content is NaN"),
        ({"s": SecretStr("x")}, "output.s is a secret, which JSON would mask"),
        ({"p": Price(amount=float("nan"))}, "output.p.amount is NaN"),
        ((1, {2.5: float("nan")}), "output[1]['2.5'] is NaN"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else type(value).__name__,
)
def test_it_names_the_field_of_an_untyped_value(value: Any, message: str) -> None:
    assert message in refused(value)


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (
            Order(items=[Price(amount=1), Price(amount=float("inf"))]),
            Order,
            "output.items[1].amount is Infinity",
        ),
        (Order(items=[Price(amount=1, note="a\x00")]), Order, "output.items[0].note holds a NUL"),
        ({"k": float("nan")}, dict[str, float], "output.k is NaN"),
        (b"\xff", bytes, "output is bytes that are not valid UTF-8"),
        (Decimal("NaN"), Decimal, "output: Input should be a finite number"),
        ({1}, list[str], "output[0]: Input should be a valid string"),
        (Hostile(), Order, "output: Input should be a valid dictionary or instance of Order (got <Hostile"),
        (10**5000, str, "output: Input should be a valid string (got <int whose repr fails>)"),
        ("1e400", float, "output is Infinity"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else str(value)[:20] if isinstance(value, type) else "v",
)
def test_it_names_the_field_of_a_typed_value(value: Any, kind: Any, message: str) -> None:
    assert message in refused(value, TypeAdapter(kind))


def test_a_model_that_contains_itself_is_refused() -> None:
    node = Node()
    node.child = node
    assert "cycle" in refused(node, TypeAdapter(Node))


def test_a_model_nested_a_thousand_deep_is_refused() -> None:
    node = Node()
    for _ in range(1000):
        node = Node.model_construct(child=node)
    assert "nested" in refused(node, TypeAdapter(Node))


def test_a_mapping_that_raises_is_refused() -> None:
    assert "output" in refused({"a": HostileDict(a=object())})


def test_an_error_in_a_serializer_of_the_users_own_is_refused_with_its_message() -> None:
    class Odd(BaseModel):
        x: int = 1

        @computed_field  # type: ignore[prop-decorator]
        @property
        def y(self) -> int:
            raise LookupError("no y today")

    assert "output" in refused(Odd(), TypeAdapter(Odd))
    assert "no y today" in refused(Odd(), TypeAdapter(Odd))


def test_a_nan_that_a_serializer_turns_into_none_is_the_users_own_business() -> None:
    class Gap(BaseModel):
        x: float

        @field_serializer("x")
        def write(self, value: float) -> float | None:
            return None if value != value else value

    assert encode_value(Gap(x=float("nan")), TypeAdapter(Gap), where="w") == b'{"x":null}'


def test_a_field_that_is_not_stored_may_hold_anything() -> None:
    class Cached(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        x: int | None = None
        lock: Any = Field(default=None, exclude=True)

    assert encode_value(Cached(lock=object()), TypeAdapter(Cached), where="w") == b'{"x":null}'


def test_a_secret_that_its_serializer_reveals_is_stored() -> None:
    Revealed = Annotated[SecretStr, PlainSerializer(lambda secret: secret.get_secret_value())]
    assert encode_value(SecretStr("abc"), TypeAdapter(Revealed), where="w") == b'"abc"'


def test_a_coroutine_gets_the_advice_to_await_it() -> None:
    async def work() -> None: ...

    coroutine = work()
    try:
        assert "await it, or declare the task with async def" in refused({"x": coroutine})
    finally:
        coroutine.close()


@pytest.mark.parametrize("make", [lambda: nested(200), lambda: 10**4300 - 1, lambda: "x\\u0000", lambda: "[" * 999])
def test_what_stands_just_inside_the_limits_is_stored(make: Callable[[], Any]) -> None:
    assert encode_value(make(), ANY, where="w")


def test_a_long_path_keeps_its_ends() -> None:
    value: Any = float("nan")
    for step in range(12):
        value = {f"s{step}": value}
    assert refused(value).startswith("output.s11.s10.s9.s8.s7.s6 … .s1.s0 is NaN")


def test_of_several_bad_fields_the_first_is_named() -> None:
    assert refused({"a": 1, "b": [float("nan")], "c": float("inf")}).startswith("output.b[0] is NaN")


def test_a_refusal_is_an_invalid_value_unless_told_otherwise() -> None:
    with pytest.raises(InvalidValueError, match="w: value is NaN"):
        encode_value(float("nan"), ANY, where="w")


@pytest.mark.parametrize("annotation", [dict[str, Any], dict[str, dict[str, int]], Any])
def test_a_lone_surrogate_in_a_key_is_refused_whatever_the_declared_type(annotation: Any) -> None:
    with pytest.raises(InvalidValueError, match="a key that holds the lone surrogate U\\+D800"):
        encode_value({"a\ud800": {"b": 1}}, TypeAdapter(annotation), where="w")
    assert encode_value({"a\ufffd": {"b": 1}}, TypeAdapter(annotation), where="w")
