"""Which events start a workflow: ``on_events`` names them, ``default_filters`` choose among them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter

from plait.errors import DefinitionError, InvalidValueError
from plait.graph.conditions import MAX_EVENT_KEY_LENGTH
from plait.graph.definition import FilterDefinition
from plait.values.encoding import METADATA_LIMIT, decode_json, encode_value
from plait.values.expressions import check_expression
from plait.values.faults import find_fault
from plait.wording import shorten

FILTER_VARIABLES: Final = ("input", "payload", "metadata", "additional_metadata")
"""What the expression of a filter sees: the event's payload, the filter's own, and the event's metadata (two names)."""

_OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


@dataclass(frozen=True, slots=True)
class DefaultFilter:
    """For events pushed with ``scope``: such an event starts the workflow only if ``expression`` is true for it.

    ``expression`` is CEL over ``input``, the event's payload; ``payload``, the filter's own ``payload``; and
    ``metadata``, the event's additional metadata (also called ``additional_metadata``).
    """

    expression: str
    scope: str
    payload: Mapping[str, Any] | None = None


def read_event_patterns(given: Sequence[str] | None, where: str) -> tuple[str, ...]:
    """``on_events`` as given, checked. Raises ``DefinitionError``."""
    if given is None:
        return ()
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise DefinitionError(
            f"{where}: on_events is {shorten(given)}: give a list of event keys, e.g. ['user:created']"
        )
    for pattern in given:
        check_event_text(pattern, f"{where}: on_events: event key")
        if given.count(pattern) > 1:
            raise DefinitionError(f"{where}: on_events holds {shorten(pattern)} twice, remove one")
    return tuple(given)


def read_filters(given: Sequence[DefaultFilter] | None, where: str) -> tuple[FilterDefinition, ...]:
    """``default_filters`` as given, checked. Raises ``DefinitionError``."""
    if given is None:
        return ()
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise DefinitionError(f"{where}: default_filters is {shorten(given)}: give a list of DefaultFilter(...)")
    return tuple(_read_filter(one, f"{where}: default_filters") for one in given)


def _read_filter(given: object, where: str) -> FilterDefinition:
    if not isinstance(given, DefaultFilter):
        raise DefinitionError(f"{where} holds {shorten(given)}: give DefaultFilter(expression, scope)")
    check_event_text(given.scope, f"{where}: scope")
    check_expression(given.expression, variables=FILTER_VARIABLES, where=where)
    try:
        data = encode_value(
            {} if given.payload is None else given.payload, _OBJECT, where=where, root="payload", limit=METADATA_LIMIT
        )
    except InvalidValueError as failure:
        raise DefinitionError(str(failure)) from failure
    payload = json.dumps(decode_json(data), sort_keys=True, separators=(",", ":"))
    return FilterDefinition(expression=given.expression, scope=given.scope, payload=payload)


def check_event_text(text: object, what: str) -> None:
    """Raise ``DefinitionError``, with a message that begins with ``what``, unless ``text`` can be an event key."""
    if not isinstance(text, str):
        raise DefinitionError(f"{what} is {shorten(text)}: give a str")
    if not text.strip():
        raise DefinitionError(f"{what} is empty: give it at least one visible character")
    if len(text) > MAX_EVENT_KEY_LENGTH:
        raise DefinitionError(
            f"{what} {shorten(text)} has {len(text):,} characters: shorten it to at most {MAX_EVENT_KEY_LENGTH}"
        )
    if fault := find_fault(text, what, try_leaves=False):
        raise DefinitionError(fault)
