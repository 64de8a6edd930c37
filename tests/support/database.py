"""The database of one test, and questions to it."""

from __future__ import annotations

from typing import Any

import psycopg

from support.server import TEMPLATE, Server
from support.waiting import DEADLINE_SECONDS, eventually

ROOMS = ("ready", "waiting", "running")


class Database:
    """One test's own database, copied from the template; without one it is there already."""

    def __init__(self, server: Server, name: str, *, template: str | None = TEMPLATE) -> None:
        self.server = server
        self.name = name
        self.url = server.build_url(name)
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        if template is not None:
            server.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")

    def query(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of a statement, in autocommit; on a new connection if the server has been restarted."""
        for last_try in (False, True):
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(self.url, autocommit=True, application_name="test")
            try:
                cursor = self._connection.execute(sql, parameters)
                return cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError:
                self._connection.close()
                if last_try:
                    raise
        raise AssertionError("unreachable")

    def value(self, sql: str, *parameters: Any) -> Any:
        """The one value of a statement."""
        return self.query(sql, *parameters)[0][0]

    def wait(self, sql: str, *parameters: Any, seconds: float = DEADLINE_SECONDS) -> Any:
        """Wait until the first value of ``sql`` is true, and return it. A server that is away is asked again."""

        def look() -> Any:
            try:
                rows = self.query(sql, *parameters)
            except psycopg.OperationalError:
                return None
            return rows[0][0] if rows else None

        return eventually(look, sql, seconds=seconds)

    def count(self, table: str, condition: str = "true") -> int:
        """Rows of one of Plait's tables."""
        return int(self.value(f"SELECT count(*) FROM plait.{table} WHERE {condition}"))

    def wait_ended(self, runs: int, *, seconds: float = DEADLINE_SECONDS) -> None:
        """Wait until at least ``runs`` runs have ended and none is open."""
        self.wait(
            "SELECT count(*) FILTER (WHERE status <> 0) >= %s AND bool_and(status <> 0) FROM plait.run",
            runs,
            seconds=seconds,
        )

    def close(self) -> None:
        """Close the connection; another question opens another."""
        if self._connection is not None:
            self._connection.close()

    def drop(self) -> None:
        """Close and drop it, whoever is still connected."""
        self.close()
        self.server.run(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")
