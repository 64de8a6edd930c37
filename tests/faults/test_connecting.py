"""Databases that are not as they should be: a clear error with the way out, at start and at run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psycopg
import pytest

from plait import Context, EmptyModel, Plait
from plait.errors import DatabaseUnavailableError, OperationError, SchemaError
from plait.store import schema
from plait.store.connection import connect, translate_error
from support.database import Database
from support.role import let_use
from support.server import Server
from support.workers import serve

LOCKS_OF_UPGRADES = """
SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE l.locktype = 'advisory' AND d.datname = current_database()
"""


def declare(plait: Plait) -> object:
    @plait.task()
    def task(input: EmptyModel, ctx: Context) -> int:
        return 1

    return task


@pytest.fixture
def role(server: Server) -> Iterator[str]:
    """A role that may log in and nothing else."""
    server.run("DROP ROLE IF EXISTS visitor")
    server.run("CREATE ROLE visitor LOGIN")
    yield "visitor"
    server.run("DROP ROLE visitor")


def as_role(url: str, role: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}"))


async def test_ten_migrators_at_once_apply_each_migration_once(empty_database: Database) -> None:
    connections = [await connect(empty_database.url) for _ in range(10)]
    applied = await asyncio.gather(*(schema.upgrade(connection) for connection in connections))
    assert sorted(map(len, applied)) == [0] * 9 + [schema.latest_version()]
    assert await schema.read_version(connections[0]) == schema.latest_version()
    for connection in connections:
        await connection.close()


def test_ten_first_uses_at_once_find_a_schema(empty_database: Database) -> None:
    failures: list[BaseException] = []

    def use() -> None:
        plait = Plait(empty_database.url)
        try:
            plait.runs.list()
        except BaseException as error:
            failures.append(error)
        finally:
            plait.close()

    threads = [threading.Thread(target=use) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []


async def test_a_fresh_schema_is_made_whole_or_not_at_all(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = schema.list_migrations()
    broken = schema.Migration(good[-1].version + 1, "broken", "CREATE TABLE plait.half (); SELECT 1 / 0")
    monkeypatch.setattr(schema, "list_migrations", lambda: (*good, broken))
    connection = await connect(empty_database.url)
    with pytest.raises(Exception, match="division by zero"):
        await schema.upgrade(connection)
    assert await connection.fetchval("SELECT to_regnamespace('plait')") is None
    assert empty_database.value(LOCKS_OF_UPGRADES) == 0
    monkeypatch.setattr(schema, "list_migrations", lambda: good)
    assert await schema.upgrade(connection) == list(good)
    await connection.close()


def test_without_a_schema_and_leave_to_make_one_the_error_names_the_command(empty_database: Database) -> None:
    plait = Plait(empty_database.url, auto_upgrade=False)
    task = declare(plait)
    with pytest.raises(SchemaError, match="plait db upgrade"):
        task.run_no_wait()  # type: ignore[attr-defined]
    with pytest.raises(SchemaError, match="plait db upgrade"):
        serve(plait)
    plait.close()
    assert empty_database.value("SELECT to_regnamespace('plait')") is None


@pytest.mark.parametrize("auto_upgrade", [True, False])
def test_a_newer_schema_is_refused(database: Database, auto_upgrade: bool) -> None:
    database.query("INSERT INTO plait.migration (version, name, works_with) VALUES (9999, 'from the future', 9999)")
    plait = Plait(database.url, auto_upgrade=auto_upgrade)
    with pytest.raises(SchemaError, match=r"9999, too new for this Plait.*upgrade Plait"):
        declare(plait).run_no_wait()  # type: ignore[attr-defined]
    plait.close()
    assert database.count("run") == 0


def test_a_role_that_may_use_but_not_change_the_schema_works_with_one_that_is_up_to_date(
    database: Database, role: str
) -> None:
    let_use(database, role)
    plait = Plait(as_role(database.url, role))
    task = declare(plait)
    worker = serve(plait)
    assert task.run() == 1  # type: ignore[attr-defined]
    worker.stop()
    plait.close()
    database.query(f"DROP OWNED BY {role}")


def test_a_role_that_may_not_make_the_schema_is_told_so(empty_database: Database, role: str) -> None:
    plait = Plait(as_role(empty_database.url, role))
    with pytest.raises(OperationError, match="permission denied"):
        plait.runs.list()
    plait.close()


def test_a_role_that_may_only_read_is_told_so_and_stores_nothing(database: Database, role: str) -> None:
    database.query(f"GRANT USAGE ON SCHEMA plait TO {role}")
    database.query(f"GRANT SELECT ON ALL TABLES IN SCHEMA plait TO {role}")
    plait = Plait(as_role(database.url, role))
    assert plait.runs.list() == []
    with pytest.raises(OperationError, match="permission denied"):
        declare(plait).run_no_wait()  # type: ignore[attr-defined]
    plait.close()
    assert database.count("run") == 0
    database.query(f"DROP OWNED BY {role}")


def test_a_read_only_database_is_told_of_and_recovers_without_help(
    database: Database, plait: Plait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plait.engine.repeat.PATIENCE", 0.3)
    task = declare(plait)
    task.run_no_wait()  # type: ignore[attr-defined]
    set_read_only = f"ALTER DATABASE {database.name} SET default_transaction_read_only = "
    end_sessions = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'plait%%'"
    database.query(set_read_only + "on")
    database.query(end_sessions)
    with pytest.raises(DatabaseUnavailableError, match="read-only"):
        task.run_no_wait()  # type: ignore[attr-defined]
    other = Plait(database.url)
    with pytest.raises(OperationError, match="read-only"):
        declare(other).run_no_wait()  # type: ignore[attr-defined]
    other.close()
    database.query(set_read_only + "off")
    database.query(end_sessions)
    task.run_no_wait()  # type: ignore[attr-defined]
    assert database.count("run") == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda url: url.replace("plait@", "nobody_here@"), "nobody_here"),
        (lambda url: url.replace("/plait_test", "/no_such"), "does not exist"),
        (lambda url: "postgresql://plait:secret@127.0.0.1:1/x", "127.0.0.1"),
        (lambda url: "postgresql://plait:secret@no-such-host.invalid/x", "no-such-host"),
        (lambda url: "mysql://root@localhost/x", "not a PostgreSQL URL"),
        (lambda url: "just words", "not a PostgreSQL URL"),
    ],
)
def test_a_wrong_url_gives_an_error_that_names_what_is_wrong_and_no_password(
    database: Database, change: object, message: str
) -> None:
    plait = Plait(change(database.url))  # type: ignore[operator]
    with pytest.raises(OperationError) as failure:
        plait.runs.list()
    assert message in str(failure.value)
    assert "secret" not in str(failure.value)
    with pytest.raises(OperationError):
        serve(plait, declare(plait))
    plait.close()


def test_a_connection_limit_is_told_of_and_waited_for(
    database: Database, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_use(database, role)
    database.query(f"ALTER ROLE {role} CONNECTION LIMIT 2")
    url = as_role(database.url, role)
    others = [psycopg.connect(url) for _ in range(2)]
    plait = Plait(url)
    task = declare(plait)
    with pytest.raises(DatabaseUnavailableError, match="too many connections"):
        task.run_no_wait()  # type: ignore[attr-defined]
    for other in others:
        other.close()
    database.wait("SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = %s", role)
    task.run_no_wait()  # type: ignore[attr-defined]
    assert database.count("run") == 1
    plait.close()
    database.query(f"DROP OWNED BY {role}")


def test_urls_of_other_libraries_are_understood(database: Database) -> None:
    for scheme in ("postgres://", "postgresql+psycopg://", "postgresql+asyncpg://"):
        plait = Plait(database.url.replace("postgresql://", scheme))
        assert plait.runs.list() == []
        plait.close()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 5432)"), "nothing answers at that address"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 5432, 0, 0)"), "nothing answers at"),
        (FileNotFoundError(2, "No such file or directory"), "there is no socket at that path"),
        (ConnectionResetError(104, "Connection reset by peer"), "the connection was lost"),
        (
            asyncpg.exceptions.ConnectionDoesNotExistError("closed in the middle of operation"),
            "was lost",
        ),
        (asyncpg.InterfaceError("cannot perform operation: another operation is in progress"), "connection was lost"),
        (asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"), "was lost"),
        (TimeoutError(), "it did not answer in time"),
        (asyncpg.exceptions.AdminShutdownError("terminating connection due to administrator command"), "administrator"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_the_driver_says_of_a_lost_connection_is_said_in_plain_words(error: Exception, words: str) -> None:
    translated = translate_error(error, "postgresql://me:secret@db/app")
    assert isinstance(translated, DatabaseUnavailableError)
    assert words in str(translated)
    for text in ("Errno", "operation", "secret", "Multiple"):
        assert text not in str(translated)
