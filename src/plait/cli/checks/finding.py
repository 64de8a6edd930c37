"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from plait.cli.text import format_seconds


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``ok`` is None for a mere note; ``fix`` is the way out."""

    check: str
    ok: bool | None
    says: str
    fix: str = ""


@cache
def load_sql(name: str) -> str:
    """A statement from ``cli/checks/sql``."""
    return files("plait.cli.checks").joinpath("sql", f"{name}.sql").read_text()


def order_sql(statement: str) -> str:
    """The command that has the database in use execute a statement."""
    return f'plait db psql -- -c "{statement}"'


def format_age(seconds: float) -> str:
    """A length of time for people, in days where there are some."""
    return f"{seconds / 86_400:,.0f} days" if seconds >= 2 * 86_400 else format_seconds(seconds)


def format_bytes(count: float) -> str:
    """A size for people: ``12 MB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit in ("bytes", "kB") or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"
