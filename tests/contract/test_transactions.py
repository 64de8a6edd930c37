"""run(..., connection=): the run is part of the caller's own transaction, whatever the driver."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import django
import psycopg
import pytest
from django.conf import settings
from django.db import connections, transaction
from psycopg.rows import dict_row
from pydantic import BaseModel
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from plait import Context, InvalidInputError, Plait
from support.database import Database

Work = Callable[..., Any]
Opener = Callable[[str], Any]


class Note(BaseModel):
    text: str


class _RollBack(Exception):
    pass


@contextmanager
def psycopg_connection(url: str) -> Iterator[Any]:
    with psycopg.connect(url) as connection, connection.transaction():
        yield connection


@contextmanager
def psycopg_with_dict_rows(url: str) -> Iterator[Any]:
    with psycopg.connect(url, row_factory=dict_row) as connection, connection.transaction():
        yield connection


@contextmanager
def sqlalchemy_session(url: str) -> Iterator[Any]:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with Session(engine) as session, session.begin():
            yield session
    finally:
        engine.dispose()


@contextmanager
def sqlalchemy_connection(url: str) -> Iterator[Any]:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def django_connection(url: str) -> Iterator[Any]:
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    if not settings.configured:
        settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.postgresql"}}, USE_TZ=True)
        django.setup()
    connections.settings["default"].update(
        NAME=parts.path[1:],
        USER=parts.username or "",
        PASSWORD=parts.password or "",
        HOST=parts.hostname or query.get("host", ""),
        PORT=str(parts.port or query.get("port", "")),
    )
    from django.db import connection  # noqa: PLC0415 - only now is it configured

    try:
        with transaction.atomic():
            yield connection
    finally:
        connections.close_all()
        del connections["default"]


SYNC: list[Opener] = [
    psycopg_connection,
    psycopg_with_dict_rows,
    sqlalchemy_session,
    sqlalchemy_connection,
    django_connection,
]


@asynccontextmanager
async def async_psycopg(url: str) -> AsyncIterator[Any]:
    async with await psycopg.AsyncConnection.connect(url) as connection, connection.transaction():
        yield connection


@asynccontextmanager
async def async_psycopg_with_dict_rows(url: str) -> AsyncIterator[Any]:
    connect = psycopg.AsyncConnection.connect
    async with await connect(url, row_factory=dict_row) as connection, connection.transaction():
        yield connection


@asynccontextmanager
async def asyncpg_connection(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def asyncpg_from_a_pool(url: str) -> AsyncIterator[Any]:
    pool = asyncpg.create_pool(url, min_size=1, max_size=1)
    async with pool, pool.acquire() as connection, connection.transaction():
        yield connection


@asynccontextmanager
async def async_session(url: str) -> AsyncIterator[Any]:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        async with AsyncSession(engine) as session, session.begin():
            yield session
    finally:
        await engine.dispose()


@asynccontextmanager
async def async_connection(url: str) -> AsyncIterator[Any]:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        async with engine.begin() as connection:
            yield connection
    finally:
        await engine.dispose()


ASYNC: list[Opener] = [
    async_psycopg,
    async_psycopg_with_dict_rows,
    asyncpg_connection,
    asyncpg_from_a_pool,
    async_session,
    async_connection,
]

TEXT = 'Ünïcode \U0001f600 "quotes" \\ back'


@pytest.fixture
def echo(plait: Plait) -> Any:
    @plait.task(input_validator=Note)
    async def echo(input: Note, ctx: Context) -> tuple[str, dict[str, Any], int]:
        return input.text, ctx.additional_metadata, ctx.priority

    return echo


@pytest.mark.parametrize("open_connection", SYNC, ids=lambda opener: opener.__name__)
def test_a_rollback_leaves_no_run(echo: Any, database: Database, open_connection: Opener) -> None:
    with pytest.raises(_RollBack), open_connection(database.url) as connection:  # noqa: PT012 - the roll back
        echo.run_no_wait(Note(text="gone"), connection=connection, idempotency_key="k")
        raise _RollBack
    for table in ("run", "ready", "idempotency_key"):
        assert database.count(table) == 0


@pytest.mark.parametrize("open_connection", SYNC, ids=lambda opener: opener.__name__)
def test_a_commit_starts_the_run_promptly(echo: Any, work: Work, database: Database, open_connection: Opener) -> None:
    work()
    with open_connection(database.url) as connection:
        reference = echo.run_no_wait(
            Note(text=TEXT), connection=connection, additional_metadata={"who": "mé"}, priority=2
        )
        assert database.count("run") == 0  # nobody else sees it yet
    assert reference.result(20) == (TEXT, {"who": "mé"}, 2)


@pytest.mark.parametrize("open_connection", SYNC, ids=lambda opener: opener.__name__)
def test_a_bulk_is_part_of_the_transaction(echo: Any, database: Database, open_connection: Opener) -> None:
    items = [echo.create_bulk_run_item(Note(text=str(n))) for n in range(500)]
    with open_connection(database.url) as connection:
        references = echo.run_many_no_wait(items, connection=connection)
    stored = [str(row[0]) for row in database.query("SELECT id FROM plait.run ORDER BY id")]
    assert stored == [reference.workflow_run_id for reference in references]


@pytest.mark.parametrize("open_connection", ASYNC, ids=lambda opener: opener.__name__)
async def test_an_async_rollback_leaves_no_run(echo: Any, database: Database, open_connection: Opener) -> None:
    with pytest.raises(_RollBack):  # noqa: PT012 - the roll back
        async with open_connection(database.url) as connection:
            await echo.aio_run_no_wait(Note(text="gone"), connection=connection)
            raise _RollBack
    assert database.count("run") == database.count("ready") == 0


@pytest.mark.parametrize("open_connection", ASYNC, ids=lambda opener: opener.__name__)
async def test_an_async_commit_starts_the_run_promptly(
    echo: Any, work: Work, database: Database, open_connection: Opener
) -> None:
    work()
    async with open_connection(database.url) as connection:
        reference = await echo.aio_run_no_wait(Note(text=TEXT), connection=connection, priority=3)
        assert database.count("run") == 0
    assert await reference.aio_result(20) == (TEXT, {}, 3)


def test_a_commit_wakes_a_sleeping_worker_without_waiting_for_its_poll(
    echo: Any, work: Work, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plait.worker.claimer.POLL_SECONDS", 600.0)
    monkeypatch.setattr("plait.engine.waiter.POLL_SECONDS", 600.0)
    work()
    assert echo.run(Note(text="warm")) == ("warm", {}, 1)
    with psycopg_connection(database.url) as connection:
        reference = echo.run_no_wait(Note(text="hint"), connection=connection)
    assert reference.result(20) == ("hint", {}, 1)


def test_the_effective_run_of_a_taken_key_is_returned(echo: Any, database: Database) -> None:
    first = echo.run_no_wait(Note(text="first"), idempotency_key="k")
    with psycopg_connection(database.url) as connection:
        second = echo.run_no_wait(Note(text="second"), idempotency_key="k", connection=connection)
    assert second.workflow_run_id == first.workflow_run_id
    assert database.count("run") == 1


def test_waiting_inside_the_transaction_is_refused(echo: Any, database: Database) -> None:
    with psycopg_connection(database.url) as connection, pytest.raises(InvalidInputError, match="run_no_wait"):
        echo.run(Note(text="never"), connection=connection)


async def test_the_wrong_kind_of_connection_is_refused_with_the_way_out(echo: Any, database: Database) -> None:
    with pytest.raises(InvalidInputError, match="psycopg"):
        echo.run_no_wait(Note(text="x"), connection=object())
    async with asyncpg_connection(database.url) as connection:
        with pytest.raises(InvalidInputError, match="aio_"):
            echo.run_no_wait(Note(text="x"), connection=connection)
    async with async_psycopg(database.url) as connection:
        with pytest.raises(InvalidInputError, match="aio_"):
            echo.run_no_wait(Note(text="x"), connection=connection)
    async with async_session(database.url) as session:
        with pytest.raises(InvalidInputError, match="aio_"):
            echo.run_no_wait(Note(text="x"), connection=session)
    assert database.count("run") == 0
