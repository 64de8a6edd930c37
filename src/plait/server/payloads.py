"""JSON as text, in both directions: shown in part where it is long, read without losing a digit."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from plait.server.errors import ProblemError
from plait.server.models.common import Failure, Payload

PREVIEW_BYTES = 64 << 10
"""Of a longer payload the beginning is shown."""
LIST_BYTES = 2 << 10
"""The same in lists."""


def show_payload(data: bytes, size: int | None = None) -> Payload:
    """Stored JSON, or its beginning when ``size`` says that there is more."""
    size = len(data) if size is None else size
    return Payload(text=data.decode("utf-8", "ignore"), size=size, truncated=size > len(data))


def cut_payload(data: bytes, limit: int) -> Payload:
    """Stored JSON, of which at most ``limit`` bytes are shown."""
    return show_payload(data[:limit], len(data))


def parse_json(text: str, field: str) -> Any:
    """The value of JSON text; integers of any length that Plait stores. Raises ``ProblemError`` naming the field."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        problem = "is nested too deeply"
    except ValueError as error:
        problem = f"is not JSON: {error}"
    raise ProblemError(422, "invalid", f"{field} {problem}", field=f"body.{field}")


def parse_object(text: str, field: str) -> dict[str, Any]:
    """The same of an object."""
    value = parse_json(text, field)
    if not isinstance(value, dict):
        raise ProblemError(422, "invalid", f"{field} is no JSON object", field=f"body.{field}")
    return value


def read_failure(error: bytes | None) -> Failure | None:
    """A stored error, whole."""
    if error is None:
        return None
    data = json.loads(error)
    return Failure(
        type=str(data.get("type") or "Error"),
        message=str(data.get("message") or ""),
        trace=str(data.get("trace") or ""),
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
