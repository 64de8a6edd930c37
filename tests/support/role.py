"""Roles that may use Plait; one that has few connections, or none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from support.database import Database


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
    """Give a role what it needs for using the schema, and nothing for changing it."""
    database.query(f"GRANT USAGE ON SCHEMA plait TO {role}")
    database.query(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA plait TO {role}")
    database.query(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA plait TO {role}")


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
