"""The health port: probes and metrics of a worker in this process, and of ``plait worker`` with its processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from observability.test_metrics import find_port, find_value, parse
from plait import Context, EmptyModel, Plait
from plait.errors import OperationError
from plait.worker.pace import Pace
from support import http, launcher
from support.database import Database
from support.waiting import DEADLINE_SECONDS, eventually

FLOWS = """
import logging
from pathlib import Path

from plait import Context, EmptyModel, Plait

plait = Plait()


@plait.task(name="greet", retries=1)
def greet(input: EmptyModel, ctx: Context) -> str:
    logging.getLogger("my.app").warning("hello %s", "there", extra={"customer": 7})
    if ctx.retry_count == 0:
        raise ValueError("once")
    return "done"


@plait.task(name="hold", execution_timeout="60s")
def hold(input: EmptyModel, ctx: Context) -> None:
    Path("begun").touch()
    while not Path("gate").exists():
        ctx.is_cancelled
"""


@pytest.fixture
def plait(database: Database) -> Iterator[Plait]:
    plait = Plait(database.url)
    yield plait
    plait.close()


def ask(port: int, path: str) -> httpx.Response:
    return http.get(f"http://127.0.0.1:{port}{path}", timeout=30)


def test_a_worker_is_ready_until_it_stops_and_lives_until_it_has(plait: Plait, work: Any) -> None:
    begun, gate = threading.Event(), threading.Event()

    @plait.task(name="hold")
    def hold(input: EmptyModel, ctx: Context) -> None:
        begun.set()
        gate.wait(60)

    port = find_port()
    worker = work(hold, health_port=port)
    ref = hold.run_no_wait()
    assert begun.wait(30)
    assert (ask(port, "/readyz").status_code, ask(port, "/livez").json()) == (200, {"status": "ok"})
    assert find_value(parse(ask(port, "/metrics").text), "plait_worker_slots_in_use") == 1
    worker.worker.stop()
    draining = eventually(lambda: r if (r := ask(port, "/readyz")).status_code == 503 else None, "it is not ready")
    assert draining.json()["detail"] == "the worker is stopping"
    assert ask(port, "/livez").status_code == 200
    assert find_value(parse(ask(port, "/metrics").text), "plait_worker_ready") == 0
    gate.set()
    ref.result()
    worker.stop()
    with pytest.raises(httpx.ConnectError):
        ask(port, "/livez")


def test_requests_that_are_none_are_answered_in_words_and_hurt_nobody(plait: Plait, work: Any) -> None:
    @plait.task(name="task")
    def task(input: EmptyModel, ctx: Context) -> None: ...

    port = find_port()
    work(task, health_port=port)

    def send(data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(data)
            try:
                connection.shutdown(socket.SHUT_WR)
                return connection.makefile("rb").read()
            except OSError:  # what was not read is answered by a reset
                return b""

    assert send(b"POST /livez HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 405 ")
    assert send(b"GET /secrets?x=1 HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 404 ")
    assert send(b"\x16\x03\x01 this is no HTTP\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert send(b"HEAD /livez?probe=1 HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\n")
    assert send(b"GET /" + b"x" * 200_000) == b""
    assert send(b"") == b""
    assert ask(port, "/livez").status_code == 200
    task.run()


def test_a_port_that_is_taken_is_named(plait: Plait) -> None:
    @plait.task(name="task")
    def task(input: EmptyModel, ctx: Context) -> None: ...

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(
            OperationError, match=rf"health port 127\.0\.0\.1:{port} cannot be opened: Address already in use"
        ):
            plait.worker(workflows=[task], health_port=port).start()


def test_a_pace_forgets_what_is_older_than_its_windows() -> None:
    now = [0.0]
    pace = Pace(lambda: now[0])
    for second, ended, failed in ((0, 100, 10), (0.5, 1, 1), (295, 5, 0), (300, 7, 2)):
        now[0] = second
        pace.note(ended, failed)
    now[0] = 304.9
    assert pace.read() == [12, 2, 12, 2, 12, 2]
    now[0] = 350.0
    assert pace.read() == [0, 0, 12, 2, 12, 2]
    now[0] = 10_000.0
    assert pace.read() == [0] * 6


class Service:
    """``plait worker flows.py`` in a folder of its own."""

    def __init__(self, folder: Path, database: Database, *options: str) -> None:
        (folder / "flows.py").write_text(FLOWS)
        self.folder = folder
        self.log = folder / "worker.log"
        command = ["-P", "-m", "plait", "worker", "flows.py", "--grace=30s", *options]
        env = {**os.environ, "DATABASE_URL": database.url}
        with self.log.open("wb") as log:
            self.process = launcher.start(command, cwd=folder, env=env, stdout=log, stderr=log)

    def close(self) -> None:
        (self.folder / "gate").touch()
        self.process.terminate()
        self.process.wait(DEADLINE_SECONDS)


@pytest.fixture
def service(tmp_path: Path, database: Database) -> Iterator[Callable[..., Service]]:
    running: list[Service] = []

    def start(*options: str) -> Service:
        running.append(Service(tmp_path, database, *options))
        return running[-1]

    yield start
    for one in running:
        one.close()
        print(one.log.read_text())


def test_one_port_answers_for_all_processes_of_plait_worker(
    service: Callable[..., Service], database: Database, plait: Plait, tmp_path: Path
) -> None:
    port = find_port()
    running = service("--processes=2", f"--health-port={port}")

    def look(path: str = "/readyz") -> Any:
        try:
            return ask(port, path)
        except httpx.TransportError:
            return None

    first = eventually(look, "the port is open")
    if first.status_code == 503:  # asked while they start
        assert "takes no tasks" in first.json()["detail"]
    eventually(lambda: look().status_code == 200, "both are ready")
    families = parse(ask(port, "/metrics").text)
    assert {sample.labels["process"] for sample in families["plait_worker_slots"].samples} == {"1", "2"}
    os.kill(database.value("SELECT pid FROM plait.worker ORDER BY id LIMIT 1"), signal.SIGKILL)
    eventually(lambda: database.count("worker") == 3, "another process took its place")
    eventually(lambda: look().status_code == 200, "both are ready again")
    assert len(parse(ask(port, "/metrics").text)["plait_worker_slots"].samples) == 2

    @plait.task(name="hold", execution_timeout="60s")
    def hold(input: EmptyModel, ctx: Context) -> None: ...

    hold.run_no_wait()
    eventually((tmp_path / "begun").exists, "a task runs")
    running.process.send_signal(signal.SIGTERM)
    eventually(lambda: look().status_code == 503, "it drains")
    assert look().json()["detail"] == "the worker is stopping"
    assert ask(port, "/livez").status_code == 200
    (tmp_path / "gate").touch()
    assert running.process.wait(DEADLINE_SECONDS) == 0
    assert look() is None


def test_a_record_of_a_task_says_as_json_where_it_comes_from(service: Callable[..., Service], plait: Plait) -> None:
    @plait.task(name="greet", retries=1)
    def greet(input: EmptyModel, ctx: Context) -> str:
        return ""

    running = service("--log-format=json")
    ref = greet.run_no_wait()
    ref.result()
    records = [json.loads(line) for line in running.log.read_text().splitlines()]
    own = [record for record in records if record["logger"] == "my.app"]
    assert [record["attempt"] for record in own] == [1, 2]
    for record in own:
        assert record["message"] == "hello there"
        assert record["customer"] == 7
        assert record["run_id"] == ref.workflow_run_id
        assert record["task_run_id"] == f"{ref.workflow_run_id}:0"
        assert (record["workflow"], record["task"]) == ("greet", "greet")
    failures = [record for record in records if "failed in attempt" in record["message"]]
    assert [record["run_id"] for record in failures] == [ref.workflow_run_id], "Plait's own lines about it, too"
    started = [record for record in records if "started:" in record["message"]]
    assert started
    assert all("run_id" not in record for record in started)


def test_plait_worker_with_a_port_that_is_taken_starts_nothing(
    service: Callable[..., Service], database: Database
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = service(f"--health-port={listener.getsockname()[1]}")
        assert running.process.wait(DEADLINE_SECONDS) == 2
    assert "cannot be opened: Address already in use" in running.log.read_text()
    assert "try: --health-port PORT" in running.log.read_text()
    assert database.count("worker") == 0
