"""The type of a workflow's input: validation, JSON, and its schema."""

from __future__ import annotations

import json
import warnings
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

from plait.declaration.signatures import build_adapter
from plait.errors import InvalidInputError
from plait.types import UNSET, EmptyModel
from plait.values.encoding import decode_value, encode_value
from plait.values.faults import find_fault

TInput = TypeVar("TInput")


class InputType(Generic[TInput]):
    """What ``input_validator`` says. Messages begin with ``where``. Raises ``DefinitionError``."""

    def __init__(self, validator: Any, where: str) -> None:
        self._where = where
        self.adapter: TypeAdapter[TInput] = _build_adapter(validator, where)

    def encode(self, value: Any, limit: int) -> bytes:
        """Validate an input (an instance, or a dict that validates) as JSON; ``UNSET`` is an empty one.

        Raises ``InvalidInputError`` naming the field, or ``PayloadTooLargeError`` above ``limit`` bytes.
        """
        given = {} if value is UNSET else value
        return encode_value(given, self.adapter, where=self._where, root="input", limit=limit, error=InvalidInputError)

    def decode(self, data: bytes) -> TInput:
        """The inverse of ``encode``. Also for JSON from outside. Raises ``InvalidInputError``."""
        return decode_value(  # type: ignore[no-any-return]
            data, self.adapter, where=self._where, root="input", error=InvalidInputError
        )

    def make_schema(self) -> dict[str, Any] | None:
        """The JSON schema of the input; ``None`` for types and defaults that JSON schema cannot express."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                schema = self.adapter.json_schema()
            json.dumps(schema, allow_nan=False)
        except Exception:  # pydantic raises many kinds, and so can a user's own schema hooks
            return None
        return None if find_fault(schema, "schema", try_leaves=False) else schema


def _build_adapter(validator: Any, where: str) -> TypeAdapter[Any]:
    if validator is None:
        return TypeAdapter(EmptyModel)
    if isinstance(validator, TypeAdapter):
        return validator
    return build_adapter(validator, f"{where}: input_validator")
