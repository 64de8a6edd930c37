"""Text for people and programs: safe characters, colour where it is wanted, durations, columns, JSON."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, TextIO

import click

from plait.wording import format_seconds as format_seconds

# Control characters could move the cursor or recolour the screen, bidirectional overrides could reorder a
# line: names, errors and outputs come from other people. Newline and tab stay.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """``text`` with control characters and bidirectional overrides spelled out."""
    return _UNSAFE.sub(
        lambda match: f"\\x{ord(match[0]):02x}" if ord(match[0]) < 256 else f"\\u{ord(match[0]):04x}", text
    )


def clean_line(text: str) -> str:
    """``clean`` for one line: the first, with an ellipsis when there are more."""
    first, separator, _ = text.strip().partition("\n")
    return clean(first.replace("\t", " ")) + (" …" if separator else "")


def wants_colour(stream: TextIO) -> bool:
    """Whether colour is welcome there: on a terminal that is not dumb, or wherever ``FORCE_COLOR`` is set; never with
    ``NO_COLOR``."""
    if os.environ.get("NO_COLOR"):
        return False
    if force := os.environ.get("FORCE_COLOR"):
        return force != "0"
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def style(text: str, colour: str, stream: TextIO) -> str:
    """``text`` in a colour where the stream takes it. Colour never says anything that words do not."""
    return click.style(text, fg=colour) if wants_colour(stream) else text


def can_show(text: str, stream: TextIO) -> bool:
    """Whether the stream's encoding has these characters."""
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeError, LookupError):
        return False
    return True


def format_span(begin: datetime | None, end: datetime | None) -> str:
    """The time from ``begin`` to ``end``; empty unless both are known."""
    return "" if begin is None or end is None else format_seconds((end - begin) / timedelta(seconds=1))


def format_time(moment: datetime | None) -> str:
    """A moment in the reader's own time zone, to the second."""
    return "" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def format_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> str:
    """Columns of plain text; those at the places ``right`` are aligned on the right."""
    table = [list(head), *([clean_line(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    aligns = [">" if column in right else "<" for column in range(len(head))]
    lines = (
        "  ".join(f"{cell:{align}{width}}" for cell, align, width in zip(row, aligns, widths, strict=True)).rstrip()
        for row in table
    )
    return "\n".join(lines)


def to_json(value: Any, *, indent: int | None = None) -> str:
    """JSON text for stdout. Integers are exact, however long; times are ISO 8601."""
    with allow_long_numbers():
        ascii_only = not can_show("é✓語", sys.stdout)
        return json.dumps(value, indent=indent, ensure_ascii=ascii_only, default=_to_plain, allow_nan=False)


@contextmanager
def allow_long_numbers() -> Iterator[None]:
    """Let integers of any length become text, and back, in the block."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(limit)


def _to_plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)
