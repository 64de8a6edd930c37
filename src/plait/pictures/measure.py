"""How wide text is in pixels, by estimate: an SVG cannot know the font it is shown in."""

from __future__ import annotations

import unicodedata

_NARROW = frozenset("iljtfrI.,:;'|!()[]{}·` -")
_BROAD = frozenset("mwMW@%—…×")
_SHARE = {True: 0.36, False: 0.59}


def measure(text: str, size: float, *, bold: bool = False) -> float:
    """The width of ``text`` in pixels at a font size; rather too wide than too narrow."""
    return sum(map(_measure_character, text)) * size * (1.05 if bold else 1.0)


def shorten_to(text: str, room: float, size: float, *, bold: bool = False) -> str:
    """``text``, with an ellipsis in place of what does not fit into ``room`` pixels."""
    if measure(text, size, bold=bold) <= room:
        return text
    kept = text
    while kept and measure(f"{kept}…", size, bold=bold) > room:
        kept = kept[:-1]
    return f"{kept.rstrip()}…"


def wrap(text: str, room: float, size: float, most: int) -> list[str]:
    """``text`` in at most ``most`` lines of ``room`` pixels, broken at spaces; what is too long gets an ellipsis."""
    lines: list[str] = []
    words = text.split()
    while words and len(lines) < most - 1:
        line = words.pop(0)
        while words and measure(f"{line} {words[0]}", size) <= room:
            line += f" {words.pop(0)}"
        lines.append(line)
    return [shorten_to(line, room, size) for line in [*lines, " ".join(words)] if line]


def _measure_character(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    if unicodedata.combining(character):
        return 0.0
    if character in _BROAD:
        return 0.92
    if character in _NARROW:
        return _SHARE[True]
    return 0.68 if character.isupper() else _SHARE[False]
