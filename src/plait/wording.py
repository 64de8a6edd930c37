"""Helpers for texts that people read. They never raise, whatever object they are given."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def shorten(value: object, limit: int = 60) -> str:
    """``repr(value)`` cut to ``limit`` characters, safe for objects whose ``__repr__`` raises."""
    try:
        if type(value) is str and len(value) > limit:
            value = value[:limit]
        text = repr(value)
    except Exception:  # a hostile or broken __repr__ must not replace the error being reported
        return f"<{type(value).__name__} whose repr fails>"
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def suggest(name: str, known: Iterable[str]) -> str:
    """``" (did you mean 'extract'?)"`` when ``known`` holds something like ``name``, else an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def format_seconds(seconds: float) -> str:
    """A duration for people: ``12 ms``, ``1.2 s``, ``2 m 05 s``, ``3 h 07 m``, from two days on ``6 d 23 h``."""
    seconds = max(0.0, seconds)
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest:02d} s"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} m"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days} d {hours:02d} h" if hours else f"{days} d"
