"""A graph as a Mermaid flowchart: text that GitHub, GitLab and many wikis draw."""

from __future__ import annotations

from plait.graph.definition import TaskKind
from plait.pictures.looks import ROLES
from plait.pictures.model import CONDITION_WORDS, HOOK_WORDS, Box, Graph
from plait.pictures.svg import DIRECTIONS, check_choice

_PLAIN = frozenset(" _-.,:!?/()+=*'…×→")
_SAME_LINE = 60


def draw_mermaid(graph: Graph, *, title: str, direction: str = "LR") -> str:
    """The picture as a flowchart; ``direction`` is ``LR`` or ``TB``. A name that Mermaid would read as markup shows
    as it is. Equal arguments give equal text. Raises ``InvalidInputError``."""
    check_choice("direction", direction, DIRECTIONS)
    lines = [f"flowchart {direction}", f"    accTitle: {_one_line(title)}"]
    for number, box in enumerate(graph.boxes):
        before, after = ('[["', '"]]') if box.is_fold else ('("', '")')
        mark = ":::hook" if box.kind is not TaskKind.TASK else ""
        lines.append(f"    t{number}{before}{_label(box)}{after}{mark}")
    lines += [f"    t{arrow.parent} {'-.->' if arrow.is_hook else '-->'} t{arrow.child}" for arrow in graph.arrows]
    if any(box.kind is not TaskKind.TASK for box in graph.boxes):
        lines.append(f"    classDef hook stroke:{ROLES['line'][0]},stroke-dasharray:4 3")
    return "\n".join(lines)


def _label(box: Box) -> str:
    name = f"{box.name} ×{len(box.tasks):,}" if box.is_fold else box.name
    parts = [escape_label(name)]
    if box.kind is not TaskKind.TASK:
        parts.append(f"<i>{HOOK_WORDS[box.kind]}</i>")
    parts += [f"<small>{escape_label(f'{CONDITION_WORDS[word]} {text}')}</small>" for word, text in box.conditions]
    return "<br>".join(parts)


def escape_label(text: str) -> str:
    """``text`` for a quoted label: whatever is no letter, digit or plain sign, as its number."""
    return "".join(one if one.isalnum() or one in _PLAIN else f"#{ord(one)};" for one in text)


def _one_line(text: str) -> str:
    """A title, which ends with its line and knows no escapes."""
    return " ".join("".join(one if one.isalnum() or one in _PLAIN else " " for one in text).split())[: _SAME_LINE * 3]
