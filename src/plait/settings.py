"""Where settings come from: an argument, then the environment, then the default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

URL_VARIABLES = ("PLAIT_DATABASE_URL", "DATABASE_URL")


@dataclass(frozen=True, slots=True)
class DatabaseSource:
    """Which database to use. ``url`` is None for the embedded one; ``origin`` says who decided, for people."""

    url: str | None
    origin: str


def find_database(explicit: str | None = None) -> DatabaseSource:
    """The database to use: the argument, else ``PLAIT_DATABASE_URL``, else ``DATABASE_URL``, else the embedded one."""
    if explicit:
        return DatabaseSource(explicit, "argument")
    environment: Mapping[str, str] = os.environ
    for variable in URL_VARIABLES:
        if url := environment.get(variable):
            return DatabaseSource(url, variable)
    return DatabaseSource(None, "embedded PostgreSQL")


def wants_captured_logs() -> bool:
    """Whether ``PLAIT_CAPTURE_LOGS`` asks workers to store what tasks log by Python's ``logging``."""
    return os.environ.get("PLAIT_CAPTURE_LOGS", "").lower() not in ("", "0", "false", "no")
