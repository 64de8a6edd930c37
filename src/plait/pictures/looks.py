"""How statuses look: one colour and one shape each, so that colour never says anything alone.

Contrasts of text on its ground are at least 4.5:1 in both themes; lines are seen on white and on black alike.
"""

from __future__ import annotations

from dataclasses import dataclass

ROLES: dict[str, tuple[str, str]] = {
    "card": ("#ffffff", "#1b1b23"),
    "border": ("#cfcfdb", "#45455a"),
    "text": ("#1c1b26", "#ecebf3"),
    "muted": ("#5f5d75", "#a9a7bd"),
    "line": ("#8d8ba0", "#7d7b92"),
    "accent": ("#5746c9", "#b3a8fa"),
    "shade": ("#f1f1f5", "#262631"),
    "pending": ("#6a687f", "#a5a3b8"),
    "queued": ("#8a5a00", "#e9bd66"),
    "running": ("#1f5fc4", "#82b1ff"),
    "completed": ("#1b7446", "#68cf9a"),
    "failed": ("#c02637", "#ff8c98"),
    "cancelled": ("#6b5a4b", "#cbb59b"),
    "skipped": ("#5d6b79", "#a9bac9"),
}
"""For each role the colour in the light and in the dark theme."""


@dataclass(frozen=True, slots=True)
class Look:
    """A status: its role among the colours, its word, and its sign in a circle of radius 6.2 around (8, 8)."""

    role: str
    word: str
    sign: str
    dashed: bool = False


LOOKS = {
    "PENDING": Look("pending", "Pending", "", dashed=True),
    "QUEUED": Look("queued", "Queued", "M8 4.8V8l2.1 1.4"),
    "RUNNING": Look("running", "Running", "M6.4 5.3v5.4L11 8z"),
    "COMPLETED": Look("completed", "Completed", "m5.3 8.2 1.9 1.9 3.5-4"),
    "FAILED": Look("failed", "Failed", "m5.8 5.8 4.4 4.4M10.200 5.8l-4.4 4.4"),
    "CANCELLED": Look("cancelled", "Cancelled", "m3.7 12.3 8.6-8.6"),
    "SKIPPED": Look("skipped", "Skipped", "m5.2 5.5 2.5 2.5-2.5 2.5M8.6 5.5l2.5 2.5-2.5 2.5", dashed=True),
}

THEMES = ("auto", "light", "dark")
