"""Plait inside a program that has a life of its own: ``with plait`` and ``worker.running()``."""

from __future__ import annotations

import signal
import socket
import threading
from typing import Any

import pytest

from plait import Context, DefinitionError, EmptyModel, Plait
from plait.client import get_access
from plait.errors import DatabaseUnavailableError
from plait.worker.session import Session
from support.database import Database
from support.waiting import eventually

NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"


async def test_a_worker_runs_beside_other_code_and_leaves_signals_alone(plait: Plait, database: Database) -> None:
    @plait.task(name="where")
    async def where(input: EmptyModel, ctx: Context) -> str:
        return "here"

    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    async with plait, plait.worker("beside").running() as worker:
        assert database.value("SELECT name FROM plait.worker WHERE ended_at IS NULL") == worker.name == "beside"
        assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == handlers
        assert await where.aio_run() == "here"
    assert database.count("worker", "ended_at IS NULL") == 0


async def test_an_error_inside_the_block_ends_the_worker_and_comes_out(plait: Plait, database: Database) -> None:
    @plait.task(name="idle")
    def idle(input: EmptyModel, ctx: Context) -> None: ...

    with pytest.raises(ValueError, match="mine"):
        async with plait.worker().running():
            raise ValueError("mine")
    assert database.count("worker", "ended_at IS NULL") == 0


async def test_a_worker_that_cannot_start_says_so_on_entering(plait: Plait) -> None:
    with pytest.raises(DefinitionError, match="no workflows"):
        async with plait.worker().running():
            raise AssertionError("entered")


def test_a_database_that_is_missing_shows_on_entering() -> None:
    with pytest.raises(DatabaseUnavailableError), Plait(NOWHERE):
        raise AssertionError("entered")


async def test_a_database_that_is_missing_shows_on_entering_in_async_code_too() -> None:
    with pytest.raises(DatabaseUnavailableError):
        async with Plait(NOWHERE):
            raise AssertionError("entered")


def test_leaving_the_block_disconnects_and_entering_again_connects_anew(plait: Plait, database: Database) -> None:
    for _ in range(2):
        with plait:
            assert plait.runs.count().runs == 0
        assert get_access(plait)._engine is None


def test_a_block_inside_another_leaves_the_connection_to_the_outer_one(plait: Plait) -> None:
    with plait:
        engine = get_access(plait).engine
        with plait:
            assert plait.runs.count().runs == 0
        assert get_access(plait).engine is engine
    assert get_access(plait)._engine is None


def test_a_block_that_could_not_be_entered_does_not_count() -> None:
    plait = Plait(NOWHERE)
    for _ in range(2):
        with pytest.raises(DatabaseUnavailableError), plait:
            raise AssertionError("entered")
        assert get_access(plait)._engine is None


async def test_the_end_of_a_with_block_in_a_task_does_not_close_what_the_worker_works_with(
    plait: Plait, database: Database
) -> None:
    @plait.task()
    async def look(input: EmptyModel, ctx: Context) -> int:
        async with plait:
            return len(await plait.runs.aio_list())

    async with plait.worker("beside").running():
        assert await look.aio_run() == 1
        assert await look.aio_run() == 2


async def test_entering_a_worker_that_runs_is_refused_and_leaves_it_running(plait: Plait) -> None:
    @plait.task()
    async def one(input: EmptyModel, ctx: Context) -> int:
        return 1

    worker = plait.worker("beside")
    async with worker.running():
        with pytest.raises(DefinitionError, match="was started before"):
            async with worker.running():
                raise AssertionError("entered")
        assert await one.aio_run() == 1


async def test_a_start_that_fails_gives_its_health_port_back(plait: Plait, monkeypatch: pytest.MonkeyPatch) -> None:
    @plait.task()
    async def one(input: EmptyModel, ctx: Context) -> int:
        return 1

    async def fail(*_: object) -> None:
        raise DatabaseUnavailableError("away for a moment")

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with monkeypatch.context() as patch:
        patch.setattr(Session, "_register", fail)
        with pytest.raises(DatabaseUnavailableError):
            async with plait.worker("first", health_port=port).running():
                raise AssertionError("entered")
    async with plait.worker("second", health_port=port).running():
        assert await one.aio_run() == 1


def test_a_signal_takes_no_lock_that_the_interrupted_thread_may_hold(plait: Plait, work: Any) -> None:
    @plait.task()
    async def one(input: EmptyModel, ctx: Context) -> int:
        return 1

    worker = work(one).worker
    handler = threading.Thread(target=worker._on_signal, daemon=True)
    with get_access(plait)._lock:
        handler.start()
        handler.join(10)
        assert not handler.is_alive()
    eventually(lambda: worker._session is None, "the worker has stopped")
