"""A graph as SVG: one text without references, readable on light and dark grounds, in pages and in image viewers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from plait.errors import InvalidInputError
from plait.graph.definition import TaskKind
from plait.pictures.layers import Layers, arrange, place_items
from plait.pictures.looks import LOOKS, THEMES
from plait.pictures.measure import measure, shorten_to, wrap
from plait.pictures.model import CONDITION_WORDS, HOOK_WORDS, Box, Graph
from plait.pictures.paint import BOLD, Paint, escape_text, show_number, wrap_svg
from plait.wording import shorten

DIRECTIONS = ("LR", "TB")

_NAME_SIZE, _NOTE_SIZE = 13.5, 11.5
_PAD, _ICON, _NAME_HEIGHT, _NOTE_HEIGHT = 13.0, 22.0, 36.0, 15.5
_NARROWEST, _WIDEST = 72.0, 270.0
_NARROWEST_RUN = 176.0
"""Of boxes with a status: wide enough for any status with a time, so that nothing moves while a run goes on."""
_MARGIN, _ASIDE, _AHEAD = 12.0, 16.0, 46.0
_BEND = 8.0
_STACK = 3.5
_CONDITION_LINES = 3
_TIP = 7.0
_SLANT = 1.5


@dataclass(frozen=True, slots=True)
class _Note:
    """A line below the name of a box."""

    text: str
    role: str = "muted"


@dataclass(frozen=True, slots=True)
class _Card:
    """A box with its place: the left upper corner, and its extent."""

    box: Box
    notes: tuple[_Note, ...]
    x: float
    y: float
    width: float
    height: float


def draw_svg(graph: Graph, *, label: str, description: str = "", direction: str = "LR", theme: str = "auto") -> str:
    """The picture as an ``<svg>`` element.

    ``label`` is its accessible name, ``description`` its longer text. ``direction`` is ``LR`` (from left to right) or
    ``TB`` (top to bottom); ``theme`` is ``light``, ``dark`` or ``auto``, which follows the reader's system. The ground
    is transparent. Equal arguments give equal text. Raises ``InvalidInputError``.
    """
    check_choice("direction", direction, DIRECTIONS)
    check_choice("theme", theme, THEMES)
    paint = Paint(theme)
    if not graph.boxes:
        text = paint.text("no tasks yet", _MARGIN, 2 * _MARGIN, "muted", _NAME_SIZE)
        return wrap_svg([text], label, description, theme, 120, 3 * _MARGIN)
    layers = arrange(len(graph.boxes), [(arrow.parent, arrow.child) for arrow in graph.arrows])
    cards, lanes = _place(graph, layers, direction)
    parts = [_draw_arrow(graph, number, layers, cards, lanes, direction, paint) for number in range(len(graph.arrows))]
    parts += [_draw_card(card, paint) for card in cards]
    extent = (lanes.end[-1] + _MARGIN + _STACK, max(lanes.reach) + _MARGIN + _STACK)
    width, height = extent if direction == "LR" else extent[::-1]
    return wrap_svg(parts, label, description, theme, width, height)


def check_choice(what: str, value: object, choices: Sequence[str]) -> None:
    """Raise ``InvalidInputError`` unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise InvalidInputError(f"{what} is {shorten(value)}: give {' or '.join(map(repr, choices))}")


# --- places ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Lanes:
    """Where lines run: the middle of each item across the layers, and where each layer begins and ends along."""

    middle: list[float]
    begin: list[float]
    end: list[float]
    level: dict[int, int]
    reach: list[float]


def _place(graph: Graph, layers: Layers, direction: str) -> tuple[list[_Card], _Lanes]:
    across_is_y = direction == "LR"
    notes = [_note(box) for box in graph.boxes]
    heights = [_NAME_HEIGHT + _NOTE_HEIGHT * len(lines) + (3 if lines else 0) for lines in notes]
    widths = [_find_width(box, lines) for box, lines in zip(graph.boxes, notes, strict=True)]
    if across_is_y:  # the boxes of a layer are as wide as the widest of them
        for row in layers.order:
            boxes = [item for item in row if item < layers.count]
            widest = max((widths[item] for item in boxes), default=0.0)
            for item in boxes:
                widths[item] = widest
    across, along = (heights, widths) if across_is_y else (widths, heights)

    def size(item: int) -> float:
        return across[item] + (_STACK if graph.boxes[item].is_fold else 0) if item < layers.count else _BEND

    def gap(a: int, b: int) -> float:
        return _ASIDE if a < layers.count or b < layers.count else _BEND

    middle = [value + _MARGIN for value in place_items(layers, size, gap)]
    level = {item: number for number, row in enumerate(layers.order) for item in row}
    begin, end = _measure_layers(layers, along, middle)
    cards = []
    for item, box in enumerate(graph.boxes):
        start = begin[level[item]]
        if not across_is_y:  # boxes of different heights stand at the top of their layer
            cards.append(_Card(box, notes[item], middle[item] - widths[item] / 2, start, widths[item], heights[item]))
        else:
            cards.append(_Card(box, notes[item], start, middle[item] - heights[item] / 2, widths[item], heights[item]))
    reach = [middle[item] + size(item) / 2 for item in range(len(middle))]
    return cards, _Lanes(middle, begin, end, level, reach)


def _measure_layers(layers: Layers, along: Sequence[float], middle: Sequence[float]) -> tuple[list[float], list[float]]:
    """Where each layer begins and ends. Between layers there is more room where lines are steep."""
    begin, end, place = [], [], _MARGIN
    for row in layers.order:
        begin.append(place)
        place += max((along[item] for item in row if item < layers.count), default=0.0)
        end.append(place)
        steepest = max(
            (abs(middle[item] - middle[child]) for item in row for child in layers.children[item]), default=0
        )
        place += min(_AHEAD * 2, max(_AHEAD, steepest * 0.3))
    return begin, end


def _find_width(box: Box, notes: Sequence[_Note]) -> float:
    icon = _ICON if box.status is not None else 0.0
    name = measure(_title(box), _NAME_SIZE, bold=True) + icon
    widest = max([name, *(measure(note.text, _NOTE_SIZE) + icon for note in notes)])
    narrowest = _NARROWEST if box.status is None else _NARROWEST_RUN
    return round(min(_WIDEST, max(narrowest, widest + 2 * _PAD)), 1)


def _title(box: Box) -> str:
    return f"{box.name} ×{len(box.tasks):,}" if box.is_fold else box.name


def _note(box: Box) -> tuple[_Note, ...]:
    notes = []
    if box.kind is not TaskKind.TASK:
        notes.append(_Note(HOOK_WORDS[box.kind], "accent"))
    for word, text in box.conditions:
        room = _WIDEST - 2 * _PAD - (_ICON if box.status is not None else 0)
        notes.extend(map(_Note, wrap(f"{CONDITION_WORDS[word]} {text}", room, _NOTE_SIZE, _CONDITION_LINES)))
    if box.is_fold and box.counts:
        notes.extend(
            _Note(f"{count:,} {LOOKS[word].word.lower()}", LOOKS[word].role) for word, count in box.counts.items()
        )
    elif box.status is not None:
        task = box.tasks[0]
        look = LOOKS[box.status]
        notes.append(_Note(f"{look.word} · {task.note}" if task.note else look.word, look.role))
    return tuple(notes)


# --- drawing ---------------------------------------------------------------------------------------------------------


def _draw_card(card: _Card, paint: Paint) -> str:
    box = card.box
    return "\n".join(["<g>", f"<title>{escape_text(_tell(box))}</title>", *_iter_card(card, paint), "</g>"])


def _iter_card(card: _Card, paint: Paint) -> Iterator[str]:
    box, look = card.box, LOOKS[card.box.status] if card.box.status is not None else None
    role = look.role if look is not None and look.role not in ("pending", "skipped") else "border"
    dashes = ' stroke-dasharray="4 3"' if box.kind is not TaskKind.TASK or (look and look.dashed) else ""
    sides = f'width="{show_number(card.width)}" height="{show_number(card.height)}" rx="8"'
    for step in (_STACK * 2, _STACK) if box.is_fold else ():
        behind = f'x="{show_number(card.x + step)}" y="{show_number(card.y + step)}" {sides}'
        yield f"<rect {behind} {paint.frame('border', 'card')}/>"
    yield f'<rect x="{show_number(card.x)}" y="{show_number(card.y)}" {sides} {paint.frame(role, "card")}{dashes}/>'
    left = card.x + _PAD
    top = card.y + (22.5 if card.notes else 23.0)
    if look is not None:
        yield _draw_icon(look.role, look.sign, card.x + 9, card.y + card.height / 2 - 8, paint, dashed=look.dashed)
        left = card.x + 9 + _ICON
    room = card.x + card.width - _PAD + 3 - left
    name = shorten_to(_title(box), room, _NAME_SIZE, bold=True)
    if look is None and not card.notes:
        yield paint.text(name, card.x + card.width / 2, top, "text", _NAME_SIZE, look=BOLD + ' text-anchor="middle"')
    else:
        yield paint.text(name, left, top, "text", _NAME_SIZE, look=BOLD)
    for number, note in enumerate(card.notes, 1):
        text = shorten_to(note.text, room, _NOTE_SIZE)
        yield paint.text(text, left, top + 1 + number * _NOTE_HEIGHT, note.role, _NOTE_SIZE)


def _draw_icon(role: str, sign: str, x: float, y: float, paint: Paint, *, dashed: bool) -> str:
    dashes = ' stroke-dasharray="2.4 2.4"' if dashed else ""
    mark = f'<path d="{sign}"/>' if sign else ""
    return (
        f'<g transform="translate({show_number(x)} {show_number(y)})" {paint.stroke(role)} stroke-linecap="round" '
        f'stroke-linejoin="round"><circle cx="8" cy="8" r="6.2"{dashes}/>{mark}</g>'
    )


def _draw_arrow(
    graph: Graph, number: int, layers: Layers, cards: Sequence[_Card], lanes: _Lanes, direction: str, paint: Paint
) -> str:
    arrow = graph.arrows[number]
    path = layers.paths[arrow.parent, arrow.child]
    first, last = cards[arrow.parent], cards[arrow.child]
    leave = first.x + first.width if direction == "LR" else first.y + first.height
    if graph.boxes[arrow.parent].is_fold:
        leave += _STACK * 2
    arrive = last.x if direction == "LR" else last.y
    points = [(leave, lanes.middle[arrow.parent])]
    for bend in path[1:-1]:
        level = lanes.level[bend]
        points += [(lanes.begin[level], lanes.middle[bend]), (lanes.end[level], lanes.middle[bend])]
    across = lanes.middle[arrow.child]
    if (
        abs(across - points[-1][1]) < _SLANT
    ):  # a hair's breadth beside the middle is better than a line not quite straight
        across = points[-1][1]
    points.append((arrive - _TIP, across))
    status = graph.boxes[arrow.parent].status
    role = "completed" if status == "COMPLETED" and not arrow.is_hook else "line"
    dashes = ' stroke-dasharray="4 4"' if arrow.is_hook else ""
    line = f'<path d="{_curve(points, direction)}" {paint.stroke(role, 1.4)}{dashes}/>'
    return line + _draw_tip(arrive, across, direction, paint.fill(role))


def _curve(points: Sequence[tuple[float, float]], direction: str) -> str:
    """Along the direction at every point, so that pieces join smoothly."""

    def show(along: float, across: float) -> str:
        return (
            f"{show_number(along)} {show_number(across)}"
            if direction == "LR"
            else f"{show_number(across)} {show_number(along)}"
        )

    text = f"M{show(*points[0])}"
    for (a, b), (c, d) in pairwise(points):
        half = (a + c) / 2
        text += f"L{show(c, d)}" if abs(b - d) < 0.05 else f"C{show(half, b)} {show(half, d)} {show(c, d)}"
    return text


def _draw_tip(along: float, across: float, direction: str, fill: str) -> str:
    side = 3.6
    corners = [(along - 0.5, across), (along - _TIP - 0.5, across - side), (along - _TIP - 0.5, across + side)]
    if direction == "TB":
        corners = [(b, a) for a, b in corners]
    return f'<path d="M{"L".join(f"{show_number(a)} {show_number(b)}" for a, b in corners)}z" {fill}/>'


def _tell(box: Box) -> str:
    """All that is known of a box, for those who point at it or listen."""
    if box.is_fold:
        counts = ", ".join(f"{count:,} {word}" for word, count in box.counts.items())
        names = ", ".join(task.name for task in box.tasks[:20])
        more = f" and {len(box.tasks) - 20:,} more" if len(box.tasks) > 20 else ""
        return f"{len(box.tasks):,} tasks{f' ({counts})' if counts else ''}: {names}{more}"
    task = box.tasks[0]
    parts = [task.name, HOOK_WORDS.get(task.kind, ""), " ".join(part for part in (task.status, task.note) if part)]
    parts += [f"{CONDITION_WORDS[word]} {text}" for word, text in task.conditions]
    return ". ".join(part for part in parts if part)
