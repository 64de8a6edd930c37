"""Metadata is a JSON object with string keys, small enough for an index."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from plait.errors import InvalidInputError, PayloadTooLargeError
from plait.values.encoding import METADATA_LIMIT, encode_metadata


def test_it_is_the_text_of_an_object() -> None:
    assert encode_metadata({"a": 1, "b": ["x", None]}, where="w") == '{"a":1,"b":["x",null]}'


def test_values_that_json_has_no_type_for_become_text() -> None:
    assert encode_metadata({"at": datetime(2026, 1, 2, tzinfo=UTC)}, where="w") == '{"at":"2026-01-02T00:00:00Z"}'


@pytest.mark.parametrize("metadata", [None, {}])
def test_nothing_is_none(metadata: Any) -> None:
    assert encode_metadata(metadata, where="w") is None


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ([("a", 1)], "w: additional_metadata is list, it must be a dict with string keys"),
        ("a", "additional_metadata is str"),
        ([], "additional_metadata is list"),
        ({1: "a"}, "additional_metadata has the key 1, keys must be strings"),
        ({None: "a"}, "additional_metadata has the key None"),
        ({"a": float("nan")}, "additional_metadata.a is NaN"),
        ({"a": "\x00"}, "additional_metadata.a holds a NUL character"),
        ({"a": ["\ud800"]}, r"additional_metadata.a\[0\] holds the lone surrogate"),
        ({"a": object()}, "additional_metadata.a is object, which cannot be stored"),
    ],
)
def test_anything_else_is_refused_with_the_key(metadata: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        encode_metadata(metadata, where="w")


def test_more_than_64_kib_are_refused() -> None:
    room = METADATA_LIMIT - len('{"k":""}')
    assert encode_metadata({"k": "x" * room}, where="w")
    with pytest.raises(PayloadTooLargeError, match="additional_metadata is 65,537 bytes"):
        encode_metadata({"k": "x" * (room + 1)}, where="w")
