"""Elements of an SVG: colours as attributes, texts, and the frame around all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from plait.pictures.looks import ROLES

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

BOLD = ' font-weight="600"'


class Paint:
    """Colours as attributes, which every viewer knows; in the theme ``auto`` with classes for the dark one."""

    def __init__(self, theme: str) -> None:
        self._dark = theme == "dark"
        self._auto = theme == "auto"

    def fill(self, role: str) -> str:
        """The attributes of a shape without a border."""
        return self._set(("fill", role))

    def stroke(self, role: str, width: float = 1.5) -> str:
        """The attributes of a line."""
        return f'{self._set(("stroke", role))} fill="none" stroke-width="{width:g}"'

    def frame(self, border: str, ground: str, width: float = 1.2) -> str:
        """The attributes of a filled shape with a border."""
        return f'{self._set(("stroke", border), ("fill", ground))} stroke-width="{width:g}"'

    def text(self, text: str, x: float, y: float, role: str, size: float, *, look: str = "") -> str:
        """One line of text. ``look`` holds more attributes."""
        place = f'x="{show_number(x)}" y="{show_number(y)}" font-size="{size:g}"{look}'
        return f"<text {place} {self.fill(role)}>{escape_text(text)}</text>"

    def _set(self, *roles: tuple[str, str]) -> str:
        names = " ".join(f"plait-{kind}-{role}" for kind, role in roles)
        values = " ".join(f'{kind}="{ROLES[role][self._dark]}"' for kind, role in roles)
        return f'class="{names}" {values}' if self._auto else values


_DARK_STYLE = (
    "@media (prefers-color-scheme: dark) {"
    + "".join(
        f".plait-auto .plait-{kind}-{role}{{{kind}:{dark}}}"
        for role, (_, dark) in ROLES.items()
        for kind in ("fill", "stroke")
    )
    + "}"
)

_FONTS = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', sans-serif"


def wrap_svg(parts: Sequence[str], label: str, description: str, theme: str, width: float, height: float) -> str:
    """An ``<svg>`` of ``parts`` on a transparent ground."""
    wide, high, name = show_number(width), show_number(height), escape_text(label)
    size = f'width="{wide}" height="{high}" viewBox="0 0 {wide} {high}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plait-{theme}" role="img" aria-label="{name}" {size} '
        f'font-family="{_FONTS}">',
        f"<title>{name}</title>",
    ]
    if description:
        lines.append(f"<desc>{escape_text(description)}</desc>")
    if theme == "auto":
        lines.append(f"<style>{_DARK_STYLE}</style>")
    return "\n".join([*lines, *parts, "</svg>"])


def escape_text(text: str) -> str:
    """Text for an element or an attribute. What XML cannot hold is replaced."""
    return escape(_NO_XML.sub("\ufffd", text), quote=True)


def show_number(value: float) -> str:
    """A length, to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")
