"""Where boxes stand: layers by depth, few crossings within them, and places that keep lines straight.

The method is that of Sugiyama, Tagawa and Toda (1981): layers, then order, then coordinates. Coordinates are the
weighted least squares fit to the neighbours' mean that keeps the order and the distances, found exactly by pooling
adjacent violators. Everything is deterministic: ties are broken by the order of declaration.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

SWEEPS = 12
FEW_SWEEPS = 2
MANY_STARTS = 12
MANY_LINES = 1_500
"""From so many pieces of lines on the order gets little effort: nobody would see the difference."""

_SETTLING = 6


@dataclass(slots=True)
class Layers:
    """Boxes (numbers below ``count``) and *bends* (those above), which carry long lines through the layers between.

    ``order`` has the items of each layer side by side; ``paths`` the items along each line, by (parent, child).
    """

    count: int
    order: list[list[int]]
    parents: list[list[int]]
    children: list[list[int]]
    paths: dict[tuple[int, int], list[int]] = field(default_factory=dict)


def arrange(count: int, lines: Sequence[tuple[int, int]]) -> Layers:
    """Layers for ``count`` boxes that stand in topological order, with ``lines`` from parent to child."""
    layers = build_layers(count, lines)
    reduce_crossings(layers)
    return layers


def build_layers(count: int, lines: Sequence[tuple[int, int]]) -> Layers:
    """``arrange`` with the items of each layer in the order of declaration."""
    depth = find_depths(count, lines)
    layers = Layers(count, [[] for _ in range(max(depth, default=-1) + 1)], [[] for _ in depth], [[] for _ in depth])
    for item in range(count):
        layers.order[depth[item]].append(item)
    for parent, child in lines:
        path = [parent]
        for level in range(depth[parent] + 1, depth[child]):
            path.append(add_item(layers, level))
        path.append(child)
        layers.paths[parent, child] = path
        for above, below in pairwise(path):
            layers.parents[below].append(above)
            layers.children[above].append(below)
    return layers


def find_depths(count: int, lines: Sequence[tuple[int, int]]) -> list[int]:
    """The layer of each box: as early as its parents allow, unless standing later makes its lines shorter."""
    depth = [0] * count
    parents: list[list[int]] = [[] for _ in range(count)]
    children: list[list[int]] = [[] for _ in range(count)]
    for parent, child in sorted(lines, key=lambda line: line[1]):
        depth[child] = max(depth[child], depth[parent] + 1)
        parents[child].append(parent)
        children[parent].append(child)
    for item in range(count - 1, -1, -1):
        if len(children[item]) > len(parents[item]):
            depth[item] = min(depth[child] for child in children[item]) - 1
    return depth


def add_item(layers: Layers, level: int) -> int:
    """A new bend in a layer."""
    item = len(layers.parents)
    layers.parents.append([])
    layers.children.append([])
    layers.order[level].append(item)
    return item


# --- order -----------------------------------------------------------------------------------------------------------


def reduce_crossings(layers: Layers) -> None:
    """Reorder the layers: sweeps down and up by the mean place of neighbours, then swaps of neighbours. Begun from the
    order of declaration, and where lines still cross from others; what crosses least is kept."""
    pieces = sum(map(len, layers.children))
    best = [list(row) for row in layers.order]
    fewest = count_crossings(layers)
    for start in range(1 + min(MANY_STARTS, MANY_LINES // (pieces + 1))):
        if start:
            layers.order[:] = _shuffle(layers.order, start)
        for sweep in range(SWEEPS if pieces < MANY_LINES else FEW_SWEEPS):
            if not fewest:
                break
            _sweep(layers, down=(sweep + start) % 2 == 0)
            if pieces < MANY_LINES:
                _swap_neighbours(layers)
            found = count_crossings(layers)
            if found < fewest:
                fewest, best = found, [list(row) for row in layers.order]
    layers.order[:] = best


def _shuffle(order: Sequence[Sequence[int]], seed: int) -> list[list[int]]:
    """The layers in an order that looks like chance, the same every time."""
    return [sorted(row, key=lambda item: (item * 7919 + seed * 104_729) % 65_537 * 31 % 251) for row in order]


def count_crossings(layers: Layers) -> int:
    """How often lines cross between neighbouring layers."""
    total = 0
    for upper, lower in pairwise(layers.order):
        place = {item: number for number, item in enumerate(lower)}
        seen: list[int] = []
        for item in upper:
            ends = sorted(place[child] for child in layers.children[item])
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


def _sweep(layers: Layers, *, down: bool) -> None:
    rows = layers.order if down else layers.order[::-1]
    neighbours = layers.parents if down else layers.children
    for fixed, row in pairwise(rows):
        place = {item: number for number, item in enumerate(fixed)}
        mean = {
            item: sum(place[one] for one in neighbours[item]) / len(neighbours[item]) if neighbours[item] else number
            for number, item in enumerate(row)
        }
        row.sort(key=mean.__getitem__)  # stable


def _swap_neighbours(layers: Layers) -> None:
    for _ in range(SWEEPS):
        improved = False
        for level, row in enumerate(layers.order):
            above = {item: number for number, item in enumerate(layers.order[level - 1])} if level else {}
            below = (
                {item: number for number, item in enumerate(layers.order[level + 1])}
                if level + 1 < len(layers.order)
                else {}
            )
            for number in range(len(row) - 1):
                left, right = row[number], row[number + 1]
                gain = _count_between(layers.parents, above, left, right)
                gain += _count_between(layers.children, below, left, right)
                if gain > 0:
                    row[number], row[number + 1] = right, left
                    improved = True
        if not improved:
            return


def _count_between(neighbours: list[list[int]], place: dict[int, int], left: int, right: int) -> int:
    """Crossings of the lines of two neighbours as they stand, less those if they changed places."""
    ends = [(place[a], place[b]) for a in neighbours[left] for b in neighbours[right]]
    return sum((a > b) - (a < b) for a, b in ends)


# --- places ----------------------------------------------------------------------------------------------------------


def place_items(layers: Layers, size: Callable[[int], float], gap: Callable[[int, int], float]) -> list[float]:
    """The middle of each item across the layers, from 0 on.

    ``size(item)`` is its extent, ``gap(a, b)`` the distance that two neighbours keep at least.
    """
    middle = [0.0] * len(layers.parents)
    for row in layers.order:
        _set_row(row, [0.0] * len(row), [1.0] * len(row), size, gap, middle)
    weight = [4.0 if item >= layers.count else 1.0 for item in range(len(middle))]
    for _ in range(_SETTLING):
        for rows, neighbours in ((layers.order[::-1], layers.children), (layers.order, layers.parents)):
            for row in rows:
                wanted = [_mean(middle, neighbours[item], middle[item]) for item in row]
                weights = [weight[item] if neighbours[item] else 0.01 for item in row]
                _set_row(row, wanted, weights, size, gap, middle)
    least = min((middle[item] - size(item) / 2 for item in range(len(middle))), default=0.0)
    return [value - least for value in middle]


def _mean(middle: Sequence[float], items: Sequence[int], default: float) -> float:
    return sum(middle[item] for item in items) / len(items) if items else default


def _set_row(
    row: Sequence[int],
    wanted: Sequence[float],
    weights: Sequence[float],
    size: Callable[[int], float],
    gap: Callable[[int, int], float],
    middle: list[float],
) -> None:
    offsets, offset = [], 0.0
    for number, item in enumerate(row):
        if number:
            before = row[number - 1]
            offset += (size(before) + size(item)) / 2 + gap(before, item)
        offsets.append(offset)
    fitted = fit_rising([want - offset for want, offset in zip(wanted, offsets, strict=True)], weights)
    for item, value, offset in zip(row, fitted, offsets, strict=True):
        middle[item] = value + offset


def fit_rising(values: Iterable[float], weights: Iterable[float]) -> list[float]:
    """The sequence that never falls and is nearest to ``values`` in weighted least squares."""
    blocks: list[tuple[float, float, int]] = []  # mean, weight, length
    for value, weight in zip(values, weights, strict=True):
        length = 1
        while blocks and blocks[-1][0] > value:
            mean, other, count = blocks.pop()
            value = (mean * other + value * weight) / (other + weight)
            weight, length = weight + other, length + count
        blocks.append((value, weight, length))
    return [mean for mean, _, length in blocks for _ in range(length)]
