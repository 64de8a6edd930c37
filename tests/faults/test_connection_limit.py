"""Connections run out: a worker that takes tasks can store their results, or it takes none."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress

import pytest

from plait import Context, EmptyModel, Plait
from plait.errors import DatabaseUnavailableError
from support.database import Database
from support.role import Role, role_with_few_connections
from support.waiting import eventually
from support.workers import serve


@pytest.fixture
def role(database: Database) -> Iterator[Role]:
    with role_with_few_connections(database) as role:
        yield role


@pytest.mark.parametrize("connections", range(1, 8))
def test_a_worker_that_takes_a_task_has_a_connection_to_store_its_result(
    plait: Plait, database: Database, role: Role, connections: int
) -> None:
    def declare(on: Plait) -> object:
        @on.task()
        def sample(input: EmptyModel, ctx: Context) -> int:
            begun.append(1)
            return 7

        return sample

    begun: list[int] = []
    run = declare(plait).run_no_wait()  # type: ignore[attr-defined]
    role.limit(connections)
    few = Plait(role.url)
    task = declare(few)
    worker = None
    with suppress(DatabaseUnavailableError):
        worker = serve(few, task)
    if worker is None:
        assert begun == []
        assert database.count("worker") == 0
    else:
        assert run.result(20) == 7
        worker.stop()
    few.close()


def test_a_worker_takes_no_tasks_while_it_cannot_store_results(
    plait: Plait, database: Database, role: Role, caplog: pytest.LogCaptureFixture
) -> None:
    few = Plait(role.url)

    @few.task()
    def sample(input: EmptyModel, ctx: Context) -> int:
        return 7

    worker = serve(few, sample)
    assert sample.run() == 7
    finishes = worker.worker._session.store.finishes
    assert finishes.is_open
    caplog.set_level(logging.WARNING, logger="plait.worker")
    role.limit(0)
    database.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'plait finishes'")
    eventually(lambda: not finishes.is_open, "the worker sees that it is gone")
    run = sample.run_no_wait()
    eventually(lambda: any("cannot take tasks" in record.getMessage() for record in caplog.records))
    assert database.count("ready") == 1
    assert database.count("running") == 0
    role.limit(-1)
    assert run.result(20) == 7
    worker.stop()
    few.close()
