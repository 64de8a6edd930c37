"""Lines that tasks logged, as they are asked for."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import datetime

from plait.errors import InvalidInputError
from plait.wording import shorten

_CURSOR = re.compile(r"(\d{1,18})\.(\d{1,5})")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a task logged. ``at`` is by the clock of its worker; ``cursor`` is for asking what comes behind."""

    at: datetime
    task_name: str
    attempt_number: int
    level: str
    text: str
    cursor: str


LogPage = list[LogLine]
"""Lines, oldest first."""


def parse_cursor(cursor: str | None) -> tuple[int, int]:
    """Time and task of the line behind which a page begins. Raises ``InvalidInputError``."""
    if cursor is None:
        return 0, -1
    match = _CURSOR.fullmatch(cursor) if isinstance(cursor, str) else None
    if match is None or int(match[2]) > 32_767:
        raise InvalidInputError(f"after is {shorten(cursor)}: give the cursor of a line")
    return int(match[1]), int(match[2])


def build_level(number: int) -> str:
    """The name of a level of Python's logging."""
    return logging.getLevelName(number)
