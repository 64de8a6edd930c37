"""Reads drawings of graphs as people do: follows the lines from each task to the tasks that they lead to."""

from __future__ import annotations

import re

LEFT, RIGHT, UP, DOWN = (0, -1), (0, 1), (-1, 0), (1, 0)
ARMS = {
    "─": {LEFT, RIGHT},
    "│": {UP, DOWN},
    "┌": {RIGHT, DOWN},
    "┐": {LEFT, DOWN},
    "└": {RIGHT, UP},
    "┘": {LEFT, UP},
    "╭": {RIGHT, DOWN},
    "╮": {LEFT, DOWN},
    "╰": {RIGHT, UP},
    "╯": {LEFT, UP},
    "├": {RIGHT, UP, DOWN},
    "┤": {LEFT, UP, DOWN},
    "┬": {LEFT, RIGHT, DOWN},
    "┴": {LEFT, RIGHT, UP},
    "┼": {LEFT, RIGHT, UP, DOWN},
}
NAME = re.compile(r"t\d+")

Edges = set[tuple[str, str]]


class Drawing:
    def __init__(self, text: str) -> None:
        self.rows = text.split("\n")
        self.names = {(row, m.start()): m[0] for row, line in enumerate(self.rows) for m in NAME.finditer(line)}

    def at(self, row: int, column: int) -> str:
        if 0 <= row < len(self.rows) and 0 <= column < len(self.rows[row]):
            return self.rows[row][column]
        return " "

    def read_flow(self) -> Edges:
        """From left to right: lines never lead back to the left."""
        edges: Edges = set()
        for (row, column), name in self.names.items():
            edges |= {(name, child) for child in self._follow_flow(row, column + len(name) + 1)}
        return edges

    def _follow_flow(self, row: int, column: int) -> set[str]:
        found: set[str] = set()
        seen = set()
        stack = [(row, column, RIGHT)] if self.at(row, column) != " " else []
        while stack:
            row, column, (down, right) = step = stack.pop()
            if step in seen:
                continue
            seen.add(step)
            sign = self.at(row, column)
            if sign == "▶":
                assert right
                found.add(self.names[row, column + 2])
            elif sign == "│" and right:  # passes behind
                stack.append((row, column + 1, RIGHT))
            else:
                assert (-down, -right) in ARMS[sign], f"a line ends at {sign!r}, row {row}, column {column}"
                for way in ARMS[sign] - {LEFT, (-down, -right)}:
                    stack.append((row + way[0], column + way[1], way))
        return found

    def read_lanes(self) -> Edges:
        """From top to bottom: the row below a dot belongs to it; lanes of others merely pass."""
        edges: Edges = set()
        for (row, _), name in self.names.items():
            edges |= {(name, child) for child in self._follow_lanes(row, self.rows[row].index("●"))}
        return edges

    def _follow_lanes(self, row: int, column: int) -> set[str]:
        below = self.at(row + 1, column)
        if below not in ARMS or below == "│":
            return self._go_down(row + 1, column)
        found = self._go_down(row + 2, column) if DOWN in ARMS[below] else set()
        for side in ARMS[below] & {LEFT, RIGHT}:
            place, way = column, {side}
            while way:
                place += side[1]
                sign = self.at(row + 1, place)
                if sign == "│":
                    continue
                assert (0, -side[1]) in ARMS[sign], f"a line ends at {sign!r}, row {row + 1}, column {place}"
                if DOWN in ARMS[sign]:
                    found |= self._go_down(row + 2, place)
                way = ARMS[sign] & {side}
        return found

    def _go_down(self, row: int, column: int) -> set[str]:
        while True:
            sign = self.at(row, column)
            if sign == "●":
                return {name for (line, _), name in self.names.items() if line == row}
            if sign not in ARMS or (not {UP, DOWN} <= ARMS[sign] and UP not in ARMS[sign]):
                return set()
            assert DOWN in ARMS[sign], f"a lane ends at {sign!r}, row {row}, column {column}"
            row += 1
