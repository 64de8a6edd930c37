"""JSON that requests carry as text, read without losing a digit."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from plait.server.errors import ProblemError


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
        raise ProblemError(422, "invalid", f"{field} is not a JSON object", field=f"body.{field}")
    return value


def parse_metadata(text: str | None) -> dict[str, Any] | None:
    """The field ``metadata`` of a body, if it is given."""
    return None if text is None else parse_object(text, "metadata")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
