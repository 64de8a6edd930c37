"""A graph as text for a terminal: as a flow from left to right where that fits, else as lanes from top to bottom."""

from __future__ import annotations

from collections.abc import Sequence

from plait.graph.definition import TaskKind
from plait.pictures.flow import draw_flow
from plait.pictures.lanes import draw_lanes
from plait.pictures.model import CONDITION_WORDS, HOOK_WORDS, Box, Graph

_ASCII = str.maketrans(
    {"─": "-", "│": "|", "▶": ">", "●": "o", "×": "x", "…": "...", **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯", "+")}
)


def draw_text(graph: Graph, *, width: int = 100, ascii_only: bool = False) -> str:
    """The picture in lines of at most ``width`` columns, as far as names allow, and below it what tasks wait for.

    A line that passes behind another is interrupted (``─│─``); where lines touch they are joined. With ``ascii_only``
    lines, arrows and signs are drawn in ASCII; names stay as they are. Equal arguments give equal text.
    """
    labels = [_label(box, ascii_only=ascii_only) for box in graph.boxes]
    lines = [(arrow.parent, arrow.child) for arrow in graph.arrows]
    rows = draw_flow(labels, lines, width)
    if rows is None:
        rows = draw_lanes(labels, lines)
    notes = [
        f"{label} {CONDITION_WORDS[word]} {text}"
        for label, box in zip(labels, graph.boxes, strict=True)
        for word, text in box.conditions
    ]
    if ascii_only:
        rows = [_to_ascii(row, labels) for row in rows]
    return "\n".join([*rows, *([""] if notes else []), *notes])


def _label(box: Box, *, ascii_only: bool) -> str:
    if box.kind is not TaskKind.TASK:
        return f"{box.name} ({HOOK_WORDS[box.kind]})"
    if not box.is_fold:
        return box.name
    label = f"{box.name} ×{len(box.tasks):,}"
    return label.translate(_ASCII) if ascii_only else label


def _to_ascii(row: str, labels: Sequence[str]) -> str:
    """A row with its lines and signs in ASCII. What stands in a name is no line."""
    held = sorted({label for label in labels if label in row and label.translate(_ASCII) != label}, key=len)[::-1]
    for number, label in enumerate(held):
        row = row.replace(label, chr(0xE000 + number))  # private characters, which no line is made of
    row = row.translate(_ASCII)
    for number, label in enumerate(held):
        row = row.replace(chr(0xE000 + number), label)
    return row
