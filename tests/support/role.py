"""Roles that may use Plait; one that has few connections, or none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from support.database import Database

_PAGE = Path(__file__).parents[2] / "docs/how-to/configure.md"
_BLOCKS = re.compile(r"^```sql\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Role:
    """One of a test's database; ``url`` is the database's, for it."""

    def __init__(self, database: Database) -> None:
        self.name = f"{database.name}_few"
        self._database = database
        user = urlsplit(database.url).username
        assert user is not None
        self.url = database.url.replace(f"//{user}", f"//{self.name}", 1)

    def limit(self, connections: int) -> None:
        """Let it open so many connections; -1: as many as it likes. Those it has, it keeps."""
        self._database.query(f"ALTER ROLE {self.name} CONNECTION LIMIT {connections}")

    def disconnect(self) -> None:
        """End its connections."""
        self._database.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", self.name)


def let_use(database: Database, role: str) -> None:
    """Give a role what it needs for using the schema, and nothing for changing it: what the docs say."""
    [given] = [block for block in _BLOCKS.findall(_PAGE.read_text()) if "GRANT" in block]
    for statement in given.strip().splitlines():
        database.query(statement.replace(" TO app;", f" TO {role}"))


@contextmanager
def role_with_few_connections(database: Database) -> Iterator[Role]:
    role = Role(database)
    name = role.name
    database.query(f"CREATE ROLE {name} LOGIN")
    let_use(database, name)
    try:
        yield role
    finally:
        role.disconnect()
        database.query(f"DROP OWNED BY {name}")
        database.query(f"DROP ROLE {name}")
