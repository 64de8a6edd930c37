"""The stream of changes."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from plait import Context, Plait
from plait.server import changes as broker_module
from plait.server import serve as runner
from server.conftest import Api
from support.waiting import eventually


class Stream:
    """What a page that is open has heard: (event, data, id), read on a thread of its own."""

    def __init__(self, api: Api, headers: dict[str, str] | None = None, **params: Any) -> None:
        self.heard: list[tuple[str, Any, str]] = []
        self.comments = 0
        self.ended = False
        self._response: httpx.Response | None = None
        self._client = httpx.Client(base_url=api.base_url, timeout=60)
        self._thread = threading.Thread(target=self._read, args=(params, headers or {}), daemon=True)
        self._thread.start()

    def _read(self, params: dict[str, Any], headers: dict[str, str]) -> None:
        event = data = number = ""
        try:
            with self._client.stream("GET", "stream", params=params, headers=headers) as response:
                self._response = response
                for line in response.iter_lines():
                    name, _, value = line.partition(": ")
                    if line.startswith(":"):
                        self.comments += 1
                    elif name == "event":
                        event = value
                    elif name == "id":
                        number = value
                    elif name == "data":
                        data = value
                    elif not line and event:
                        self.heard.append((event, json.loads(data), number))
                        event = ""
        except (httpx.HTTPError, OSError, ValueError):
            pass
        self.ended = True

    def hears(self, kind: str, run_id: str | None = None) -> bool:
        return any(
            event == "change" and data["kind"] == kind and (run_id is None or run_id in data["ids"])
            for event, data, _ in list(self.heard)
        )

    def hears_any(self, kind: str) -> bool:
        return any(event == "change" and data["kind"] == kind and data["ids"] for event, data, _ in list(self.heard))

    def wait(self, kind: str, run_id: str | None = None) -> None:
        eventually(lambda: self.hears(kind, run_id), f"the stream tells of {kind} {run_id}: {self.heard}")

    def wait_open(self) -> None:
        eventually(lambda: self.heard, "the stream is open")

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def listen(api: Api) -> Iterator[Callable[..., Stream]]:
    streams: list[Stream] = []

    def start(headers: dict[str, str] | None = None, **params: Any) -> Stream:
        streams.append(Stream(api, headers, **params))
        return streams[-1]

    yield start
    for stream in streams:
        stream.close()


def test_it_tells_which_runs_changed(api: Api, flow: Any, work: Any, listen: Any) -> None:
    work(flow)
    stream = listen()
    stream.wait_open()
    assert stream.heard[0][:2] == ("reset", {})
    run_id = api.start("etl")
    stream.wait("run", run_id)


def test_workers_elsewhere_tell_while_somebody_watches(
    api: Api, plait: Plait, listen: Any, worker_process: Any, tmp_path: Any
) -> None:
    worker_process("pipeline", hold="join", gates=str(tmp_path))
    stream = listen()
    stream.wait_open()

    def look() -> bool:
        """A run that is held in its middle has not ended: only a worker that knows of the watcher tells of it."""
        return stream.hears("run", api.start("pipeline", {"n": 1})) or stream.hears_any("run")

    eventually(look, "a run of another process is told")


def test_nobody_tells_while_nobody_watches(api: Api, flow: Any, work: Any) -> None:
    worker = work(flow)
    api.wait_run(api.start("etl"))
    session = worker.worker._session
    assert session.changes._until == 0
    assert not session.changes._changed


def test_a_stream_about_one_run_leaves_out_the_others(api: Api, flow: Any, work: Any, listen: Any) -> None:
    run_id, other = api.start("etl"), api.start("etl")
    stream, every = listen(run=run_id), listen()
    stream.wait_open()
    every.wait_open()
    work(flow)
    stream.wait("run", run_id)
    every.wait("run", other)
    assert not stream.hears("run", other)


def test_it_tells_of_events_schedules_workers_and_logs(api: Api, plait: Plait, work: Any, listen: Any) -> None:
    @plait.task(name="chatty")
    def chatty(input: Any, ctx: Context) -> None:
        ctx.log("hello")

    stream = listen()
    stream.wait_open()
    work(chatty)
    stream.wait("workers")
    api.order("events", {"key": "a"})
    stream.wait("events")
    api.order("crons", {"workflow": "chatty", "name": "c", "expression": "0 0 1 1 *"})
    stream.wait("schedules")
    run_id = api.start("chatty")
    stream.wait("logs", run_id)


def test_it_goes_on_where_it_broke(api: Api, flow: Any, listen: Any) -> None:
    first = listen()
    first.wait_open()
    run_id = api.start("etl")
    api.order(f"runs/{run_id}/cancel")
    first.wait("run", run_id)
    begin = first.heard[0][2]
    first.close()

    second = listen(headers={"last-event-id": begin})
    second.wait("run", run_id)
    assert "reset" not in [event for event, _, _ in second.heard]


@pytest.mark.parametrize("place", ["nonsense", "00000000-1", "-", "9" * 90])
def test_a_place_that_is_unknown_begins_anew(api: Api, listen: Any, place: str) -> None:
    stream = listen(headers={"last-event-id": place})
    stream.wait_open()
    assert stream.heard[0][0] == "reset"


def test_what_is_no_longer_kept_is_a_reset(api: Api, flow: Any, listen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    first = listen()
    first.wait_open()
    begin = first.heard[0][2]
    broker = _find_broker(api)
    for _ in range(broker_module.KEPT + 5):
        broker._push("runs", ())
    second = listen(headers={"last-event-id": begin})
    second.wait_open()
    assert second.heard[0][0] == "reset"


def test_it_breathes_while_nothing_happens(api: Api, listen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_module, "HEARTBEAT_SECONDS", 0.05)
    stream = listen()
    eventually(lambda: stream.comments >= 2, "comments come")


def test_it_ends_with_the_server_and_when_it_is_old(api: Api, listen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = listen()
    stream.wait_open()
    _find_broker(api).close()
    eventually(lambda: stream.ended, "the stream ends")


def test_a_burst_is_told_in_one_frame_without_names(api: Api, listen: Any) -> None:
    stream = listen()
    stream.wait_open()
    _find_broker(api)._push("run", tuple(str(number) for number in range(broker_module.MOST_IDS + 1)))
    eventually(lambda: ("change", {"kind": "runs", "ids": []}) in [heard[:2] for heard in stream.heard])


def _find_broker(api: Api) -> broker_module.Broker:
    broker: broker_module.Broker = api.server.app.state.broker
    return broker


def test_a_server_that_was_stopped_keeps_nobody_connected(plait: Plait) -> None:
    """One that uvicorn does not tell, as it does not tell who is just being accepted."""
    server = runner.start(plait)
    server._server.config.timeout_graceful_shutdown = 1
    port = int(server.url.rsplit(":", 1)[1].strip("/"))
    with socket.create_connection(("127.0.0.1", port), timeout=20) as late:
        [connection] = eventually(lambda: list(server._server.server_state.connections), "it is accepted")
        connection.shutdown = lambda: None
        server.stop()
        with suppress(ConnectionResetError):
            assert late.recv(1) == b""
