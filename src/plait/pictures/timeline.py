"""A run in time as text: for each task when it was queued, when it ran, and when it waited for its next attempt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby

from plait.pictures.measure import count_cells
from plait.wording import format_seconds

NARROWEST = 20
"""Columns that time gets, however long the names."""

_MOST_LABEL = 40
_STEPS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 28_800, 43_200)
_TICK_ROOM = 12


class SpanKind(StrEnum):
    """What a task did in a piece of time."""

    QUEUED = "queued"
    WAITING = "waiting"
    RUNNING = "running"
    RAN = "ran"
    FAILED = "failed"


MARKS = {
    SpanKind.QUEUED: ("░", "."),
    SpanKind.WAITING: ("┄", "-"),
    SpanKind.RUNNING: ("▒", "="),
    SpanKind.RAN: ("█", "#"),
    SpanKind.FAILED: ("▓", "x"),
}
"""For each kind its sign, and the one in ASCII."""

MEANINGS = {
    SpanKind.QUEUED: "queued",
    SpanKind.WAITING: "backing off or waiting",
    SpanKind.RUNNING: "running",
    SpanKind.RAN: "ran",
    SpanKind.FAILED: "failed, lost or cancelled",
}

_BY_WEIGHT = tuple(SpanKind)
"""What covers what where pieces are shorter than a column: later ones win."""


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of time. ``attempt`` counts from 1; ``outcome`` is that of an attempt that ended."""

    kind: SpanKind
    begin: datetime
    end: datetime
    attempt: int
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """One task: its name, its status, its pieces of time, and what else is to be told of it."""

    label: str
    status: str
    spans: tuple[Span, ...]
    note: str = ""


Piece = tuple[str, str]
"""Text, and how it is to be coloured: a status, a ``SpanKind``, or nothing."""


def draw_timeline(
    bars: Sequence[Bar], begin: datetime, end: datetime, *, width: int, ascii_only: bool = False
) -> list[list[Piece]]:
    """Rows of pieces: an axis, a row for each bar, and what the signs mean.

    ``width`` columns in all, as far as names and ``NARROWEST`` allow. Every piece of time takes a column at least.
    """
    labels = [_cut(bar.label) for bar in bars]
    label_width = max(map(count_cells, labels), default=0)
    status_width = max((len(bar.status) for bar in bars), default=0)
    note_width = max((count_cells(bar.note) for bar in bars), default=0)
    columns = max(NARROWEST, width - label_width - status_width - note_width - 6)
    seconds = max((end - begin).total_seconds(), 0.001)
    left = " " * (label_width + 2 + status_width + 2)
    rows: list[list[Piece]] = [[(left, ""), (_draw_axis(seconds, columns).rstrip(), "")]]
    for bar, label in zip(bars, labels, strict=True):
        padded = label + " " * (label_width - count_cells(label))
        row: list[Piece] = [(f"{padded}  ", ""), (bar.status.ljust(status_width), bar.status), ("  ", "")]
        cells = _fill(bar, begin, seconds, columns)
        for kind, group in groupby(cells):
            sign = " " if kind is None else MARKS[kind][ascii_only]
            row.append((sign * len(list(group)), kind or ""))
        row.append((f"  {bar.note}" if bar.note else "", ""))
        rows.append(row)
    used = {span.kind for bar in bars for span in bar.spans}
    legend = "   ".join(f"{MARKS[kind][ascii_only]} {MEANINGS[kind]}" for kind in SpanKind if kind in used)
    return [*rows, [(left, ""), (legend, "")]] if legend else rows


def _fill(bar: Bar, begin: datetime, seconds: float, columns: int) -> list[SpanKind | None]:
    cells: list[SpanKind | None] = [None] * columns
    for span in sorted(bar.spans, key=lambda span: _BY_WEIGHT.index(span.kind)):
        first = int((span.begin - begin).total_seconds() / seconds * columns)
        last = int((span.end - begin).total_seconds() / seconds * columns - 1e-9)
        first = min(max(first, 0), columns - 1)
        for column in range(first, min(max(first, last), columns - 1) + 1):
            cells[column] = span.kind
    return cells


def _draw_axis(seconds: float, columns: int) -> str:
    """Times from the left, at round distances."""
    most = max(2, columns // _TICK_ROOM)
    scale = 1.0
    while seconds / most <= scale / 5 and scale > 1e-3:
        scale /= 10
    days = math.ceil(seconds / most / 86_400) * 86_400.0
    step = next((scale * one for one in _STEPS if scale * one * most >= seconds), days)
    text, number = "0", 1
    while number * step < seconds:
        column = int(number * step / seconds * columns)
        label = format_seconds(number * step)
        label = label.replace(".0 s", " s").replace(" 00 s", "").replace(" 00 m", "")
        if column > len(text) and column + len(label) <= columns:
            text = text.ljust(column) + label
        number += 1
    return text


def _cut(label: str) -> str:
    while count_cells(label) > _MOST_LABEL:
        label = f"{label[:-2]}…" if label.endswith("…") else f"{label[:-1]}…"
    return label
