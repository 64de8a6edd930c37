"""Lengths of time as people write them. Standard library only: settings are read where pydantic is not loaded."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from plait.errors import DefinitionError
from plait.wording import shorten

Duration = timedelta | str
"""A length of time: a ``timedelta``, or a string such as ``"90s"``, ``"5m"``, ``"1h30m"`` or ``"250ms"``."""

MAX_DURATION_SECONDS: Final = 10 * 366 * 86_400.0
"""Ten years. Longer ones are mistakes in the unit, and the database's timestamps could not hold them."""

_SECONDS_PER_UNIT: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[smhd])")
_DURATION = re.compile(rf"(?:{_DURATION_PART.pattern})+")


def parse_duration(value: Duration, *, where: str) -> float:
    """``value`` in seconds, fractions kept.

    ``where`` opens the message of the ``DefinitionError`` that anything but a positive duration of at most
    ten years raises, e.g. ``"workflow 'W', task 't': execution_timeout"``.
    """
    seconds = _read_seconds(value, where)
    if seconds <= 0:
        raise DefinitionError(f"{where} is {value!r}: a duration must be greater than zero")
    if seconds > MAX_DURATION_SECONDS:
        raise DefinitionError(f"{where} is {shorten(value)}: a duration cannot be longer than ten years")
    return seconds


def format_duration(duration: timedelta) -> str:
    """``duration`` as ``parse_duration`` reads it: ``1h30m``, ``250ms``, ``0s``."""
    left = round(duration / timedelta(milliseconds=1))
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, left = divmod(left, round(_SECONDS_PER_UNIT[unit] * 1000))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _read_seconds(value: object, where: str) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str):
        if value.startswith("-") and _DURATION.fullmatch(value[1:]):
            raise DefinitionError(f"{where} is {shorten(value)}: a duration must be greater than zero")
        if _DURATION.fullmatch(value):
            return sum(float(number) * _SECONDS_PER_UNIT[unit] for number, unit in _DURATION_PART.findall(value))
        problem = "cannot be read"
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        problem = "has no unit"
    else:
        problem = "is not a duration"
    raise DefinitionError(
        f"{where} is {shorten(value)}, which {problem}: give a timedelta, or a string with units such as "
        f"'250ms', '90s', '5m', '1h30m' or '2d'"
    )
