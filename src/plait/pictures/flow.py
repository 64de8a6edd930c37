"""A graph from left to right in characters: one row for each box, its lines in the channels between the layers.

A channel holds *knots*: groups of lines that all lead from each of some items to each of some others, so that one
upright bar can stand for all of them and says nothing untrue. Where the lines of a channel are not made of such groups,
a layer of bends is put in between, one for each line.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from plait.pictures.lanes import CORNERS as ROUND_CORNERS
from plait.pictures.lanes import DOWN, LEFT, RIGHT, UP
from plait.pictures.layers import Layers, add_item, build_layers, place_items, reduce_crossings
from plait.pictures.measure import count_cells

CORNERS = {**ROUND_CORNERS, RIGHT | DOWN: "┌", LEFT | DOWN: "┐", RIGHT | UP: "└", LEFT | UP: "┘"}


@dataclass(slots=True)
class _Knot:
    """Lines from each of ``sources`` to each of ``targets``; ``track`` is the place of their bar in the channel."""

    sources: list[int]
    targets: list[int]
    is_complete: bool
    track: int = 0


def draw_flow(labels: Sequence[str], lines: Sequence[tuple[int, int]], width: int) -> list[str] | None:
    """The rows of the picture, for boxes in topological order. None if it does not fit into ``width`` columns."""
    if not labels:
        return []
    layers = build_layers(len(labels), lines)
    widths = [max((count_cells(labels[item]) for item in row if item < len(labels)), default=0) for row in layers.order]
    if sum(widths) + 5 * (len(widths) - 1) > width:  # at the very least
        return None
    _split_channels(layers)
    reduce_crossings(layers)
    row = _find_rows(layers)
    channels = [list(_iter_knots(layers, level)) for level in range(len(layers.order) - 1)]
    for level, knots in enumerate(channels):
        while (taken := _set_tracks(knots, row)) is not None:
            _make_room(layers, row, level, taken)
    rows = _Canvas(layers, labels, row, channels).draw()
    return rows if max(map(count_cells, rows)) <= width else None


# --- channels --------------------------------------------------------------------------------------------------------


def _iter_knots(layers: Layers, level: int) -> Iterator[_Knot]:
    """The connected groups of lines between a layer and the next."""
    seen: set[int] = set()
    for start in layers.order[level]:
        if start in seen or not layers.children[start]:
            continue
        sources, targets, found = [start], list[int](), {start}
        for item in sources:  # grows meanwhile
            for child in layers.children[item]:
                if child not in found:
                    found.add(child)
                    targets.append(child)
                    new = [parent for parent in layers.parents[child] if parent not in found]
                    found.update(new)
                    sources.extend(new)
        seen.update(found)
        count = sum(len(layers.children[item]) for item in sources)
        yield _Knot(sources, targets, count == len(sources) * len(targets))


def _split_channels(layers: Layers) -> None:
    """Put layers of bends in between until all groups of lines are knots."""
    for level in range(len(layers.order) - 2, -1, -1):
        knots = list(_iter_knots(layers, level))
        if all(knot.is_complete for knot in knots):
            continue
        layers.order.insert(level + 1, [])
        for knot in knots:
            pairs = [(source, child) for source in knot.sources for child in layers.children[source]]
            for item in knot.sources:
                layers.children[item] = []
            for item in knot.targets:
                layers.parents[item] = []
            if knot.is_complete:
                _lead(layers, knot.sources, add_item(layers, level + 1), knot.targets)
            else:
                for source, child in pairs:
                    _lead(layers, [source], add_item(layers, level + 1), [child])


def _lead(layers: Layers, sources: Sequence[int], bend: int, targets: Sequence[int]) -> None:
    for source in sources:
        layers.children[source].append(bend)
        layers.parents[bend].append(source)
    for target in targets:
        layers.children[bend].append(target)
        layers.parents[target].append(bend)


# --- rows and tracks -------------------------------------------------------------------------------------------------


def _find_rows(layers: Layers) -> list[int]:
    middle = place_items(layers, lambda _: 1.0, lambda _a, _b: 0.0)
    row = [0] * len(middle)
    for items in layers.order:
        free = 0
        for item in items:
            row[item] = max(free, math.ceil(middle[item] - 1.001))
            free = row[item] + 1
    return row


def _set_tracks(knots: Sequence[_Knot], row: Sequence[int]) -> int | None:
    """Give each knot a track. A row that they get in each other's way in, if that cannot be done.

    A line comes in along its source's row up to its bar: a bar whose lines go out along that row stands behind it.
    """
    left_of: dict[int, dict[int, int]] = {number: {} for number in range(len(knots))}
    for one, knot in enumerate(knots):
        for other, behind in enumerate(knots):
            shared = {row[item] for item in knot.sources} & {row[item] for item in behind.targets}
            if one != other and shared:
                left_of[other][one] = min(shared)
    placed: list[int] = []
    waiting = list(range(len(knots)))
    while waiting:
        number = next((one for one in waiting if not set(left_of[one]) & set(waiting)), None)
        if number is None:
            return min(left_of[waiting[0]][one] for one in waiting if one in left_of[waiting[0]])
        waiting.remove(number)
        knot = knots[number]
        knot.track = max((knots[one].track + 1 for one in left_of[number]), default=0)
        if _is_straight(knot, row):  # it has no bar
            continue
        while any(knots[one].track == knot.track and _overlap(knots[one], knot, row) for one in placed):
            knot.track += 1
        placed.append(number)
    return None


def _is_straight(knot: _Knot, row: Sequence[int]) -> bool:
    return len({row[item] for item in (*knot.sources, *knot.targets)}) == 1


def _overlap(one: _Knot, other: _Knot, row: Sequence[int]) -> bool:
    rows, others = ([row[item] for item in (*knot.sources, *knot.targets)] for knot in (one, other))
    return min(rows) <= max(others) and min(others) <= max(rows)


def _make_room(layers: Layers, row: list[int], level: int, taken: int) -> None:
    """Cut the picture behind a layer and move what is behind the cut, from the row ``taken`` on, one row down."""
    for number, items in enumerate(layers.order):
        for item in items:
            row[item] += row[item] >= taken if number > level else row[item] > taken


# --- drawing ---------------------------------------------------------------------------------------------------------


class _Canvas:
    """Cells with lines towards their sides, and texts."""

    def __init__(
        self, layers: Layers, labels: Sequence[str], row: Sequence[int], channels: Sequence[Sequence[_Knot]]
    ) -> None:
        self._layers = layers
        self._labels = labels
        self._row = row
        self._channels = channels
        self._arms: dict[tuple[int, int], dict[int, int]] = {}
        """For each cell the sides towards which there are lines, by knot."""
        self._cells: dict[tuple[int, int], str] = {}

    def draw(self) -> list[str]:
        column = 0
        for level, items in enumerate(self._layers.order):
            boxes = [item for item in items if item < self._layers.count]
            end = column + max((count_cells(self._labels[item]) for item in boxes), default=-1) + 1
            for item in items:
                self._draw_item(item, column, end)
            if level < len(self._channels):
                column = self._draw_channel(self._channels[level], end)
        return self._write()

    def _draw_item(self, item: int, begin: int, end: int) -> None:
        if item < self._layers.count:
            for character in self._labels[item]:
                width = count_cells(character)
                if not width:  # an accent belongs to the letter before it
                    self._cells[self._row[item], begin - 1] += character
                    continue
                self._cells[self._row[item], begin] = character
                for more in range(1, width):
                    self._cells[self._row[item], begin + more] = ""
                begin += width
            begin += 1
        if self._layers.children[item]:
            for column in range(begin, end):
                self._add(self._row[item], column, 0, LEFT | RIGHT)

    def _draw_channel(self, knots: Sequence[_Knot], begin: int) -> int:
        tracks = max((knot.track + 1 for knot in knots if not _is_straight(knot, self._row)), default=0)
        end = begin + max(2, 2 * tracks + 1)
        for number, knot in enumerate(knots):
            bar = begin + 1 + 2 * knot.track
            for item in knot.sources:
                self._draw_piece(number, self._row[item], begin, bar)
            for item in knot.targets:
                self._draw_piece(number, self._row[item], bar, end)
                is_box = item < self._layers.count
                self._cells[self._row[item], end] = "▶" if is_box else "─"
                self._cells[self._row[item], end + 1] = " " if is_box else "─"
            rows = [self._row[item] for item in (*knot.sources, *knot.targets)]
            for row in range(min(rows), max(rows) + 1):
                self._add(row, bar, number, UP * (row > min(rows)) | DOWN * (row < max(rows)))
        return end + 2

    def _draw_piece(self, knot: int, row: int, begin: int, end: int) -> None:
        """A line from the middle of one column to the middle of another."""
        for column in range(begin, end + 1):
            self._add(row, column, knot, LEFT * (column > begin) | RIGHT * (column < end))

    def _add(self, row: int, column: int, knot: int, arms: int) -> None:
        cell = self._arms.setdefault((row, column), {})
        cell[knot] = cell.get(knot, 0) | arms

    def _write(self) -> list[str]:
        height = max(self._row) + 1
        width = max(column for _, column in (*self._cells, *self._arms)) + 1
        return ["".join(self._show(row, column) for column in range(width)).rstrip() for row in range(height)]

    def _show(self, row: int, column: int) -> str:
        if (row, column) in self._cells:
            return self._cells[row, column]
        arms = self._arms.get((row, column), {})
        # Where a bar and a line of another knot meet, the line passes behind the bar.
        return CORNERS.get(max(arms.values(), default=0) if len(arms) > 1 else sum(arms.values()), " ")
