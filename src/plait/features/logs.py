"""Lines that tasks logged, as they are asked for."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from plait.errors import InvalidInputError
from plait.features.checks import check_limit
from plait.features.run_reader import find_task
from plait.features.shapes import Answer, Page, make_page
from plait.wording import shorten

if TYPE_CHECKING:
    from plait.graph.definition import WorkflowDefinition
    from plait.store.store import Store

_CURSOR = re.compile(r"(\d{1,18})\.(\d{1,5})")


@dataclass(frozen=True, slots=True)
class LogLine(Answer):
    """One line that a task logged. ``at`` is by the clock of its worker; ``cursor`` is for asking what comes behind."""

    at: datetime
    task: str
    attempt: int
    level: str
    text: str
    cursor: str


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
    return str(logging.getLevelName(number))


async def read_logs(
    store: Store,
    run_id: UUID,
    definition: WorkflowDefinition,
    *,
    task: str | None,
    attempt: int | None,
    search: str | None,
    after: str | None,
    limit: int,
) -> Page[LogLine]:
    """A page of the lines of a run or of one of its tasks (engine's loop)."""
    if search is not None and (not isinstance(search, str) or "\0" in search):
        raise InvalidInputError(f"search is {shorten(search)}: give a text without NUL")
    tasks = range(len(definition.tasks)) if task is None else [find_task(definition, task)]
    place = parse_cursor(after)
    rows = await store.logs.list(run_id, tasks, place, search or None, check_limit(limit), attempt)
    lines = [
        LogLine(
            datetime.fromtimestamp(row["seq"] / 1e6, UTC),
            definition.tasks[row["task"]].name,
            row["attempt"],
            build_level(row["level"]),
            row["line"],
            f"{row['seq']}.{row['task']}",
        )
        for row in rows
    ]
    return make_page(lines, limit, "cursor")
