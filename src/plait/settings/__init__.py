"""Settings: an argument, else the environment, else ``[tool.plait]`` of the project's pyproject.toml, else a default.

``settings.worker_slots`` reads one; ``Settings.worker_slots.read(argument)`` lets an argument that is not None win,
``Settings.worker_slots.find()`` also says where the value comes from. The table is ``plait/settings/table.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

from plait.settings.setting import Found, Place, Setting
from plait.settings.table import LOG_FORMATS, LOG_LEVELS, SETTINGS, Settings, settings

__all__ = [
    "LOG_FORMATS",
    "LOG_LEVELS",
    "SETTINGS",
    "DatabaseSource",
    "Found",
    "Place",
    "Setting",
    "Settings",
    "find_database",
    "settings",
]


@dataclass(frozen=True, slots=True)
class DatabaseSource:
    """Which database to use. ``url`` is None for the embedded one; ``origin`` says who decided, for people."""

    url: str | None
    origin: str


def find_database(explicit: str | None = None) -> DatabaseSource:
    """The database to use: the argument, else what the settings say, else the embedded one."""
    found = Settings.database_url.find(explicit or None)
    return DatabaseSource(found.value, "embedded PostgreSQL" if found.value is None else found.origin)
