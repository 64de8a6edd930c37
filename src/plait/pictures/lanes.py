"""A graph from top to bottom: a row for each box, and for each box that is still to come a lane that leads to it."""

from __future__ import annotations

from collections.abc import Sequence

LEFT, RIGHT, UP, DOWN = 1, 2, 4, 8

CORNERS = {
    LEFT | RIGHT: "─",
    UP | DOWN: "│",
    RIGHT | DOWN: "╭",
    LEFT | DOWN: "╮",
    RIGHT | UP: "╰",
    LEFT | UP: "╯",
    RIGHT | UP | DOWN: "├",
    LEFT | UP | DOWN: "┤",
    LEFT | RIGHT | DOWN: "┬",
    LEFT | RIGHT | UP: "┴",
    LEFT | RIGHT | UP | DOWN: "┼",
    LEFT: "─",
    RIGHT: "─",
    UP: "│",
    DOWN: "│",
}
"""The character with lines towards these sides."""


def draw_lanes(labels: Sequence[str], lines: Sequence[tuple[int, int]]) -> list[str]:
    """The rows for boxes in topological order. Lines merge only into the lane of the box that all of them lead to, so
    each row below a box tells exactly who follows it."""
    children: list[list[int]] = [[] for _ in labels]
    for parent, child in lines:
        children[parent].append(child)
    lanes: list[int | None] = []
    rows: list[str] = []
    ended: int | None = None
    """The lane in which the box above was the last."""
    for box, label in enumerate(labels):
        place = lanes.index(box) if box in lanes else _find_free(lanes)
        if place == ended:  # one below the other would look like parent and child
            rows.append(" ".join(" " if lane is None else "│" for lane in lanes).rstrip())
        lanes[place] = box
        ended = None if children[box] else place
        marks = ["●" if lane == box else " " if lane is None else "│" for lane in lanes]
        rows.append(f"{' '.join(marks).rstrip()} {label}")
        before = list(lanes)
        lanes[place] = None
        fresh = [child for child in children[box] if child not in lanes]
        for child in fresh:
            lanes[place if lanes[place] is None else _find_free(lanes)] = child
        ends = [lanes.index(child) for child in children[box]]
        if ends and ends != [place]:
            rows.append(_connect(place, ends, before, lanes))
        while lanes and lanes[-1] is None:
            lanes.pop()
    return rows


def _find_free(lanes: list[int | None]) -> int:
    if None not in lanes:
        lanes.append(None)
    return lanes.index(None)


def _connect(place: int, ends: Sequence[int], before: Sequence[int | None], after: Sequence[int | None]) -> str:
    """The row that leads from a box in lane ``place`` to the lanes ``ends``."""
    first, last = min(place, *ends), max(place, *ends)
    text = ""
    for lane in range(len(after)):
        arms = LEFT * (first < lane <= last) | RIGHT * (first <= lane < last)
        was = lane < len(before) and before[lane] is not None
        if lane == place or lane in ends:
            text += CORNERS[arms | UP * was | DOWN * (after[lane] is not None)]
        else:
            text += "│" if was else "─" if arms else " "
        text += "─" if first <= lane < last else " "
    return text.rstrip()
