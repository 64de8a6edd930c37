"""What a task takes and returns is stored as JSON of its exact type, and read back as that type."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from typing_extensions import TypedDict

from plait.errors import InvalidInputError, InvalidOutputError, InvalidValueError, PayloadTooLargeError
from plait.values.encoding import decode_json, decode_value, encode_value


class Colour(Enum):
    RED = "red"


class Item(BaseModel):
    price: float
    tags: list[str] = []
    note: str | None = None


class Aliased(BaseModel):
    kind: str = Field(alias="class")
    count: int = Field(default=0, validation_alias="n", serialization_alias="m")


@dataclass
class Point:
    x: int
    item: Item


class Row(TypedDict):
    a: int
    b: datetime


class Pair(NamedTuple):
    left: int
    right: str


def round_trip(value: Any, kind: Any) -> Any:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    return decode_value(encode_value(value, adapter, where="w"), adapter, where="w")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, None),
        (None, int | None),
        (5, int | None),
        (0, int),
        (10**100, int),
        (True, bool),
        ("grün\\u0000 null NaN Infinity", str),
        ("[" * 500, str),
        ("7" * 5000, str),
        (1e308, float),
        ([1, "a", None], list[int | str | None]),
        ({"a": {"b": [1]}}, dict),
        (Item(price=1.5), Item),
        ([Item(price=1.5, note="x")], list[Item]),
        (Point(1, Item(price=2)), Point),
        ({"a": 1, "b": datetime(2026, 1, 2, tzinfo=UTC)}, Row),
        (Pair(1, "r"), Pair),
        (datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC), datetime),
        (date(2026, 1, 2), date),
        (timedelta(seconds=1.5), timedelta),
        (UUID(int=7), UUID),
        (Decimal("1.10"), Decimal),
        (b"text", bytes),
        ({1, 2}, set[int]),
        ((1, "a"), tuple[int, str]),
        (Colour.RED, Colour),
        ("a", Literal["a", "b"]),
        ({1: "a"}, dict[int, str]),
        (Item(price=1), Item | Point),
        (Point(1, Item(price=2)), Item | Point),
        (5, int | str),
        ("5", int | str),
        (datetime(2026, 1, 2), datetime | str),
    ],
)
def test_a_value_comes_back_equal_and_of_the_same_type(value: Any, kind: Any) -> None:
    back = round_trip(value, kind)
    assert back == value
    assert type(back) is type(value)


def texts_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.items() for part in item for text in texts_in(part)]
    if isinstance(value, list):
        return [text for item in value for text in texts_in(item)]
    return [value] if isinstance(value, str) else []


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=30,
    )
)
def test_any_json_value_is_either_stored_exactly_or_refused_with_the_field(value: Any) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(Any)
    if "\x00" in "".join(texts_in(value)):
        with pytest.raises(InvalidValueError, match=r"^w: output.* NUL"):
            encode_value(value, adapter, where="w", root="output")
    else:
        assert decode_json(encode_value(value, adapter, where="w", root="output")) == value


def test_fields_with_aliases_come_back() -> None:
    value = Aliased.model_validate({"class": "k", "n": 3})
    assert round_trip(value, Aliased) == value


def test_stored_fields_have_their_names_and_aliases_are_read_too() -> None:
    adapter = TypeAdapter(Aliased)
    assert encode_value({"class": "k", "n": 3}, adapter, where="w") == b'{"kind":"k","count":3}'
    assert decode_value(b'{"class":"k","n":3}', adapter, where="w").count == 3


def test_a_dict_that_validates_is_stored_as_the_model_would_be() -> None:
    assert encode_value({"price": "2"}, TypeAdapter(Item), where="w") == b'{"price":2.0,"tags":[],"note":null}'


def test_extra_fields_are_kept_where_the_model_keeps_them() -> None:
    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")

    assert encode_value({"a": 1, "b": None}, TypeAdapter(Open), where="w") == b'{"a":1,"b":null}'


def test_an_integer_beyond_64_bits_is_exact() -> None:
    assert decode_json(b'{"n":123456789012345678901234567890}') == {"n": 123456789012345678901234567890}


@pytest.mark.parametrize("text", [b"NaN", b"[Infinity]", b"{", b"", b"\xff", b"[" * 1000 + b"]" * 1000, b"9" * 5000])
def test_bytes_that_are_not_json_are_refused(text: bytes) -> None:
    with pytest.raises(InvalidValueError, match="not valid JSON"):
        decode_json(text)


def test_a_value_that_does_not_fit_names_every_field() -> None:
    with pytest.raises(InvalidInputError) as caught:
        encode_value({"tags": [1, "b"]}, TypeAdapter(Item), where="workflow 'W'", root="input", error=InvalidInputError)
    assert str(caught.value) == (
        "workflow 'W': input.price is missing; input.tags[0]: Input should be a valid string (got 1)"
    )


def test_many_mismatches_are_counted_not_listed() -> None:
    with pytest.raises(InvalidValueError, match=r"and 95 more$"):
        encode_value(["x"] * 100, TypeAdapter(list[int]), where="w")


def test_stored_bytes_that_no_longer_fit_name_the_field() -> None:
    with pytest.raises(InvalidOutputError, match=r"task 't': output\.price: Input should be a valid number"):
        decode_value(b'{"price":"x"}', TypeAdapter(Item), where="task 't'", root="output", error=InvalidOutputError)


def test_an_instance_whose_field_was_set_to_a_wrong_type_is_refused() -> None:
    item = Item(price=1)
    item.tags = "oops"  # type: ignore[assignment]
    with pytest.raises(InvalidValueError, match=r"w: output\.tags: Input should be a valid list \(got 'oops'\)"):
        encode_value(item, TypeAdapter(Item), where="w", root="output")


def test_a_harmless_difference_between_instance_and_type_is_stored() -> None:
    assert encode_value(Item.model_construct(price=1), TypeAdapter(Item), where="w").startswith(b'{"price":1')


def test_a_payload_at_the_limit_is_stored_and_one_byte_more_is_refused() -> None:
    adapter = TypeAdapter(str)
    assert len(encode_value("x" * 98, adapter, where="w", limit=100)) == 100
    with pytest.raises(PayloadTooLargeError, match=r"w: input is 101 bytes of JSON, the limit is 100: store large"):
        encode_value("x" * 99, adapter, where="w", root="input", limit=100)


def test_one_mebibyte_is_the_limit_unless_given() -> None:
    with pytest.raises(PayloadTooLargeError, match="the limit is 1,048,576"):
        encode_value("x" * 1024 * 1024, TypeAdapter(str), where="w")


def test_a_float_that_json_can_hold_is_never_suspected() -> None:
    assert math.isclose(round_trip({"a": None, "b": [None, 1.5]}, Any)["b"][1], 1.5)
