"""What answers are made of: pages, JSON that users wrote, errors; and how an answer becomes plain data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import timedelta
from enum import Enum
from typing import Annotated, Any, ClassVar, Generic, TypeVar, overload

from pydantic import ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic_core import to_json

from plait.values.encoding import decode_json

T = TypeVar("T")

PREVIEW_BYTES = 64 << 10
"""Of a longer payload the beginning is shown."""
LIST_BYTES = 2 << 10
"""The same in lists."""


class Answer:
    """Base of the types of all answers. REST answers have the same keys."""

    __slots__ = ()
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(json_schema_serialization_defaults_required=True)


@dataclass(frozen=True, slots=True)
class Payload(Answer):
    """Stored JSON as *text*, so that integers of any length stay exact. Long ones are shown in part.

    REST alone shows JSON so; in Python and on the command line it is the value.
    """

    text: Annotated[str, Field(description="JSON text; cut off when `truncated`, and then not parsable.")]
    size: Annotated[int, Field(description="Bytes of the whole.")]
    truncated: bool


@dataclass(frozen=True, slots=True)
class ErrorDetails(Answer):
    """The error of a task or an attempt, as it was stored: the exception's type, its text, its traceback."""

    type: str
    message: str
    trace: str = ""

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type


@dataclass(frozen=True, slots=True, eq=False)
class Page(Answer, Sequence[T], Generic[T]):
    """One page of an answer, used like a list and equal to a list of the same items.

    ``next``: pass it as ``before`` or ``after`` to the same method to get the next page; None if this was the last.
    ``cut``: the search stopped because it had looked at as many rows as one page may; the page may then have fewer
    items than asked for, even none, and more may follow.
    """

    items: tuple[T, ...]
    next: str | None = None
    cut: bool = False

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...
    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        return self.items[place]

    def __eq__(self, other: object) -> bool:
        return list(self.items) == list(other) if isinstance(other, (list, tuple, Page)) else NotImplemented

    __hash__ = None  # type: ignore[assignment]


def make_page(items: Sequence[T], limit: int, key: str = "id") -> Page[T]:
    """A page that is the last one unless it is full; ``key`` is the attribute that the next one goes on behind."""
    return Page(tuple(items), str(getattr(items[-1], key)) if len(items) == limit else None)


def show_payload(data: bytes, size: int | None = None) -> Payload:
    """Stored JSON, or its beginning when ``size`` says that there is more."""
    size = len(data) if size is None else size
    return Payload(data.decode("utf-8", "ignore"), size, size > len(data))


def cut_payload(data: bytes, limit: int, size: int | None = None) -> Payload:
    """Stored JSON, of which at most ``limit`` bytes are shown; ``data`` itself may be the beginning of ``size``."""
    return show_payload(data[:limit], len(data) if size is None else size)


def show_json(data: bytes, previews: bool, limit: int, size: int | None = None) -> Any:
    """Stored JSON as the value that it is; where ``previews`` are wanted as text of at most ``limit`` bytes."""
    return cut_payload(data, limit, size) if previews else decode_json(data)


def read_error(error: bytes | None) -> ErrorDetails | None:
    """A stored error, whole."""
    if error is None:
        return None
    data = decode_json(error)
    return ErrorDetails(str(data.get("type") or "Error"), str(data.get("message") or ""), str(data.get("trace") or ""))


def _show_json(value: Any) -> Payload | None:
    return value if value is None or isinstance(value, Payload) else show_payload(to_json(value))


def _to_text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


Id = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
"""A UUID in its usual spelling."""

Json = Annotated[Any, PlainSerializer(_show_json, return_type=Payload)]
"""JSON that users wrote: the value; in REST a ``Payload``."""

MaybeJson = Annotated[Any, PlainSerializer(_show_json, return_type=Payload | None)]

JsonObject = Annotated[
    dict[str, Any], PlainSerializer(_to_text, return_type=str), Field(description="JSON text of an object.")
]
"""A small JSON object that users wrote, such as metadata: a dict; in REST its JSON text."""

MaybeJsonObject = Annotated[
    dict[str, Any] | None, PlainSerializer(_to_text, return_type=str | None), Field(description="JSON text, or null.")
]

Seconds = Annotated[timedelta, PlainSerializer(timedelta.total_seconds, return_type=float)]
"""A span of time; as data its seconds."""


def to_plain(value: Any) -> Any:
    """An answer as the command line prints it: with the keys that it has in Python and REST, and JSON as it is.

    A mapping of answers by their names is a list of these, as in REST.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        if value and all(isinstance(member, Answer) for member in value.values()):
            return [to_plain(member) for member in value.values()]
        return {key: to_plain(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(member) for member in value]
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value.value if isinstance(value, Enum) else value
