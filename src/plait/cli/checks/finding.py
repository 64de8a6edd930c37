"""What a check says."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import click

from plait.cli.text import format_seconds
from plait.store.urls import hide_password


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


def format_command(statement: str) -> str:
    """The command that has the database that was looked at execute a statement.

    A URL of the command line is repeated, without its password: the same line must not reach another database.
    """
    context = click.get_current_context(silent=True)
    url = context.meta.get("plait.database_url") if context is not None else None
    named = f" --database-url {shlex.quote(hide_password(url))}" if url else ""
    return f'plait db psql{named} -- -c "{statement}"'


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
