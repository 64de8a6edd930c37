"""The embedded PostgreSQL: one real server per project folder, shared by the processes that use it.

``start_embedded`` makes sure that the server of a project runs and counts the calling process among its
users; the server stops by itself a moment after its last user has gone, however that user went (``kill -9``
included). Only the standard library is imported here. How it works:
``docs/decisions/0002-embedded-postgres.md``.
"""

from __future__ import annotations

import sys

from plait.errors import EmbeddedPostgresError

if sys.platform == "win32":  # no flock, no Unix accounts
    raise EmbeddedPostgresError(
        "The embedded PostgreSQL needs Linux or macOS. On this platform set PLAIT_DATABASE_URL to any "
        "PostgreSQL >= 15, for example postgresql://user:password@host/database."
    )

from plait.embedded.binaries import find_binaries
from plait.embedded.server import EmbeddedPostgres, start_embedded
from plait.embedded.status import EmbeddedStatus, get_status, stop_embedded
from plait.settings.project import find_project

__all__ = [
    "EmbeddedPostgres",
    "EmbeddedPostgresError",
    "EmbeddedStatus",
    "find_binaries",
    "find_project",
    "get_status",
    "start_embedded",
    "stop_embedded",
]
