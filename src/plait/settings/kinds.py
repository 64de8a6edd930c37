"""Kinds of settings: how a value is read from the environment and from TOML, and how it is shown.

``read_text`` and ``read_value`` raise ``ValueError`` when a value does not fit; ``describe`` says what would.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar

from plait.durations import MAX_DURATION_SECONDS, format_duration, parse_duration
from plait.errors import DefinitionError

T = TypeVar("T")

_FLAGS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


class Kind(ABC, Generic[T]):
    """How the values of a setting are written."""

    example: str
    """A value as the environment holds it, for messages."""

    @abstractmethod
    def describe(self) -> str:
        """What a value is, for people: ``a whole number from 1 to 1000``."""

    @abstractmethod
    def read_text(self, text: str, base: Path) -> T:
        """A value from the environment. ``base`` is the folder that relative paths start from."""

    def read_value(self, value: object, base: Path) -> T:
        """A value from a TOML document."""
        if not isinstance(value, str):
            raise ValueError(value)
        return self.read_text(value, base)

    def to_plain(self, value: Any) -> Any:
        """The value as JSON has it."""
        return value

    def to_toml(self) -> str:
        """The example as TOML has it."""
        return f'"{self.example}"'


class Text(Kind[str]):
    """Any text."""

    def __init__(self, what: str, example: str) -> None:
        self._what = what
        self.example = example

    def describe(self) -> str:
        return self._what

    def read_text(self, text: str, base: Path) -> str:
        return text


class DatabaseUrl(Text):
    """The URL of a PostgreSQL, which may hold a password."""


class Choice(Kind[str]):
    """One of some words."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.example = words[0]

    def describe(self) -> str:
        return f"{', '.join(self.words[:-1])} or {self.words[-1]}"

    def read_text(self, text: str, base: Path) -> str:
        word = text.strip().lower()
        if word not in self.words:
            raise ValueError(text)
        return word


class Flag(Kind[bool]):
    """On or off."""

    example = "1"

    def describe(self) -> str:
        return "1, true, yes, on, or 0, false, no, off"

    def read_text(self, text: str, base: Path) -> bool:
        try:
            return _FLAGS[text.strip().lower()]
        except KeyError:
            raise ValueError(text) from None

    def read_value(self, value: object, base: Path) -> bool:
        return value if isinstance(value, bool) else super().read_value(value, base)

    def to_toml(self) -> str:
        return "true"


class Whole(Kind[int]):
    """A whole number between bounds, these included."""

    def __init__(self, least: int, most: int, example: int) -> None:
        self.least, self.most = least, most
        self.example = str(example)

    def describe(self) -> str:
        return f"a whole number from {self.least} to {self.most}"

    def read_text(self, text: str, base: Path) -> int:
        return self.read_value(int(text), base)

    def read_value(self, value: object, base: Path) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not self.least <= value <= self.most:
            raise ValueError(value)
        return value

    def to_toml(self) -> str:
        return self.example


class Span(Kind[timedelta]):
    """A length of time. A bare number counts seconds."""

    def __init__(self, example: str, *, zero: bool = False) -> None:
        self.example = example
        self._zero = zero

    def describe(self) -> str:
        return f"a duration such as {self.example}{', or 0' if self._zero else ''}; a bare number counts seconds"

    def read_text(self, text: str, base: Path) -> timedelta:
        text = text.strip()
        bare = text.replace(".", "", 1).isdigit()
        seconds = float(text) if bare else read_span(text)
        return self._check(seconds)

    def read_value(self, value: object, base: Path) -> timedelta:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return self._check(value)
        return super().read_value(value, base)

    def _check(self, seconds: float) -> timedelta:
        if seconds == 0 and self._zero:
            return timedelta(0)
        if not 0 < seconds <= MAX_DURATION_SECONDS:  # nor does a timedelta hold every number
            raise ValueError(seconds)
        return timedelta(seconds=read_span(timedelta(seconds=seconds)))

    def to_plain(self, value: timedelta | None) -> str | None:
        return None if value is None else format_duration(value)


class SpanOrOff(Kind["timedelta | None"]):
    """A length of time with its unit, or ``off``, which is None."""

    def __init__(self, example: str) -> None:
        self.example = example

    def describe(self) -> str:
        return f"a duration with its unit, such as {self.example} or 12h, or off"

    def read_text(self, text: str, base: Path) -> timedelta | None:
        text = text.strip().lower()
        return None if text == "off" else timedelta(seconds=read_span(text))

    def read_value(self, value: object, base: Path) -> timedelta | None:
        return None if value is False else super().read_value(value, base)

    def to_plain(self, value: timedelta | None) -> str:
        return "off" if value is None else format_duration(value)


class File(Kind[Path]):
    """A path; a relative one starts from the current directory, in a project's file from the folder of that file."""

    def __init__(self, what: str, example: str) -> None:
        self._what = what
        self.example = example

    def describe(self) -> str:
        return self._what

    def read_text(self, text: str, base: Path) -> Path:
        if "\0" in text:
            raise ValueError(text)
        return (base / Path(text).expanduser()).resolve()

    def to_plain(self, value: Path | None) -> str | None:
        return None if value is None else str(value)


class Names(Kind["tuple[str, ...]"]):
    """Several names: with commas between them, or as an array of TOML."""

    def __init__(self, what: str, example: str) -> None:
        self._what = what
        self.example = example

    def describe(self) -> str:
        return f"{self._what}, with commas between them"

    def read_text(self, text: str, base: Path) -> tuple[str, ...]:
        return tuple(name for part in text.split(",") if (name := part.strip()))

    def read_value(self, value: object, base: Path) -> tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(name, str) for name in value):
            return tuple(value)
        return super().read_value(value, base)

    def to_plain(self, value: Sequence[str]) -> list[str]:
        return list(value)

    def to_toml(self) -> str:
        return "[" + ", ".join(f'"{name.strip()}"' for name in self.example.split(",")) + "]"


def read_span(value: str | timedelta) -> float:
    """A duration in seconds. Raises ``ValueError``."""
    try:
        return parse_duration(value, where="")
    except (DefinitionError, OverflowError) as error:
        raise ValueError(value) from error
