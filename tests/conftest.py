"""One PostgreSQL per test process, one database per test, workers of both kinds, and the ledger."""

from __future__ import annotations

import gc
import itertools
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from support import graph_coverage  # isort: skip - it measures what the import of Plait runs
from plait import Plait
from plait.worker.lines import LOGGERS, line_limit
from support.database import Database
from support.ledger import VARIABLE, Ledger
from support.oracle import check_log, check_server_log
from support.pool import Pool
from support.server import OwnServer, Server, open_server
from support.workers import WorkerProcess, WorkerThread, serve

_numbers = itertools.count(1)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that ran this in the background had it so, and every process that a test starts would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Two busy cores: a slow example is no failure.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

TEST_SECONDS = int(os.environ.get("PLAIT_TEST_SECONDS", "300"))


@pytest.fixture(autouse=True)
def _deadline() -> Iterator[None]:
    """No test waits for ever, whatever it waits for."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def give_up(*_: object) -> None:
        raise AssertionError(f"the test did not end within {TEST_SECONDS} s")

    previous = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(TEST_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


@pytest.fixture(autouse=True)
def _every_line() -> None:
    """What earlier tests logged leaves nothing out of the log of this one."""
    line_limit.forget()
    for name in LOGGERS:  # until a worker of this test begins
        logging.getLogger(name).removeFilter(line_limit)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """PostgreSQL. One per xdist worker: a test may count what it wrote to the WAL, or kill it."""
    server = open_server()
    yield server
    check_server_log(server)  # of tests without a database of the usual kind, too
    server.close()


@pytest.fixture
def own_server(server: Server) -> Iterator[OwnServer]:
    """The server, for tests that stop and start it."""
    if not isinstance(server, OwnServer):
        pytest.skip("needs a PostgreSQL that can be stopped, not that of TEST_DATABASE_URL")
    yield server
    server.ensure_started()


@pytest.fixture(scope="session")
def database_pool(server: Server) -> Iterator[Pool]:
    """Where tests have their databases from."""
    pool = Pool(server)
    yield pool
    pool.close()


@pytest.fixture
def database(server: Server, database_pool: Pool, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database with Plait's schema, as if it were fresh."""
    database = database_pool.take()
    yield database
    check_log(database)
    # Whoever was cut off by a server that was stopped may come back to it later.
    undisturbed = isinstance(server, OwnServer) and "own_server" not in request.fixturenames
    database_pool.give_back(database, usable=undisturbed and not getattr(request.node, "failed", False))


@pytest.fixture
def empty_database(server: Server) -> Iterator[Database]:
    """A fresh database without Plait's schema."""
    database = Database(server, f"plait_test_{os.getpid()}_{next(_numbers)}", template="template0")
    yield database
    database.drop()


@pytest.fixture
def database_url(database: Database) -> str:
    return database.url


@pytest.fixture
def plait(database: Database) -> Iterator[Plait]:
    """A Plait on the test's database."""
    plait = Plait(database.url)
    yield plait
    plait.close()


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """What the tasks of this test really did, in this process and in worker processes."""
    ledger = Ledger(tmp_path / "ledger.jsonl")
    monkeypatch.setenv(VARIABLE, str(ledger.path))
    return ledger


@pytest.fixture
def work(plait: Plait) -> Iterator[Callable[..., WorkerThread]]:
    """Starts a worker on a thread: ``work(*workflows, slots=..., timings=..., lifespan=...)``."""
    threads: list[WorkerThread] = []

    def start(*workflows: Any, **options: Any) -> WorkerThread:
        threads.append(serve(plait, *workflows, **options))
        return threads[-1]

    yield start
    for thread in threads:
        thread.stop()


@pytest.fixture
def worker_process(
    database: Database, ledger: Ledger, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., WorkerProcess]]:
    """Starts a worker process: ``worker_process(flow, slots=..., timings=..., **options of declare)``."""
    processes: list[WorkerProcess] = []

    def start(flow: str, *, ready: bool = True, **options: Any) -> WorkerProcess:
        process = WorkerProcess(database, ledger, tmp_path / f"worker-{len(processes)}.log", flow, **options)
        processes.append(process)
        return process.wait_ready() if ready else process

    yield start
    for process in processes:
        process.close()
    if getattr(request.node, "failed", False):
        for process in processes:
            print(f"--- log of worker {process.pid}\n{process.read_log()}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is marked ``thorough`` is for ``make faults``, and for who names it. What takes longest is begun first, so
    that no process is left alone with it in the end."""
    if os.environ.get("PLAIT_FAULTS") != "long":
        named = tuple(one for one in config.args if "::" in one)
        left_out = [item for item in items if item.get_closest_marker("thorough") and not item.nodeid.startswith(named)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    """What is there now stays to the end: looking through it again for garbage would be a tenth of the time."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    graph_coverage.save()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Tell fixtures whether their test failed, so that they show logs only then."""
    report = yield
    if report.when == "call":
        item.failed = report.failed  # type: ignore[attr-defined]
    return report
