"""Bad input: always an answer of the 4xx kind that names the field, in one shape, and nothing is stored."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from plait import Plait
from plait.server import serve
from server.conftest import Api, declare_etl
from support.database import Database
from support.oracle import check_log
from support.server import Server

DEEP = "[" * 1100 + "]" * 1100
VERY_DEEP = "[" * 100_000

TEXTS = [
    pytest.param("", id="empty"),
    pytest.param("{", id="half"),
    pytest.param("NaN", id="NaN"),
    pytest.param('{"x": Infinity}', id="Infinity"),
    pytest.param('{"x": -Infinity}', id="minus Infinity"),
    pytest.param('{"x": 1e400}', id="1e400"),
    pytest.param('{"x": ' + "9" * 5000 + "}", id="5,000 digits"),
    pytest.param('{"x": "\\u0000"}', id="NUL"),
    pytest.param('{"x": "\\ud800"}', id="lone surrogate"),
    pytest.param('{"x": ' + DEEP + "}", id="1,100 deep"),
    pytest.param(VERY_DEEP, id="100,000 deep"),
    pytest.param("[]", id="no object"),
    pytest.param('"text"', id="a text"),
    pytest.param(json.dumps({"x": "y" * (2 << 20)}), id="2 MiB"),
]


@pytest.fixture(scope="module")
def api(server: Server) -> Iterator[Api]:
    """One server and one database for all these tests: none leaves anything behind."""
    database = Database(server, f"plait_test_bad_input_{os.getpid()}")
    with Plait(database.url) as plait:
        declare_etl(plait)
        running = serve.start(plait)
        with Api(base_url=f"{running.url}api/v1/", timeout=30) as api:
            yield api
        running.stop()
    check_log(database)
    database.drop()


@pytest.fixture(autouse=True)
def nothing_is_stored(api: Api) -> Iterator[None]:
    yield
    assert api.ask("runs")["items"] == []
    assert api.ask("events")["items"] == []
    assert api.ask("crons")["items"] == []
    assert api.get("../../livez").status_code == 200


def refuse(answer: Any, *statuses: int) -> dict[str, Any]:
    assert answer.status_code in (statuses or (400, 404, 413, 422)), answer.text[:500]
    problem = answer.json()
    assert set(problem) == {"type", "message", "field", "hint"}
    assert problem["message"]
    return dict(problem)


@pytest.mark.parametrize("text", TEXTS)
def test_an_input_that_cannot_be_stored(api: Api, text: str) -> None:
    refuse(api.post("runs", json={"workflow": "etl", "input": text}), 413, 422)
    refuse(api.post("events", json={"key": "a", "payload": text}), 413, 422)
    refuse(api.post("crons", json={"workflow": "etl", "name": "c", "expression": "0 0 * * *", "input": text}), 413, 422)


@pytest.mark.parametrize("text", [param for param in TEXTS if param.id not in ("2 MiB",)])
def test_metadata_that_cannot_be_stored(api: Api, text: str) -> None:
    problem = refuse(api.post("runs", json={"workflow": "etl", "metadata": text}), 413, 422)
    assert "metadata" in problem["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'"x"',
        b"NaN",
        VERY_DEEP.encode(),
        b'{"key": "a", "priority": ' + b"9" * 5000 + b"}",
        b'{"key": "a", "priority": NaN}',
        b'{"key": "a", "priority": 4}',
        b'{"key": "a", "priority": "1"}x',
        b'{"key": "\\ud800"}',
        b'{"key": "\\u0000"}',
        b'{"key": ""}',
        b'{"key": null}',
        b'{"key": {"a": 1}}',
        json.dumps({"key": "k" * 8192}).encode(),
        json.dumps({"key": "a", "scope": "k" * 8192}).encode(),
        b'{"key": "a", "unknown": 1}',
        b'{"key": "a", "\\ud800": 1}',
    ],
)
def test_a_body_that_is_none(api: Api, body: bytes) -> None:
    refuse(api.post("events", content=body, headers={"content-type": "application/json"}))


def test_a_body_without_end(api: Api) -> None:
    def pour() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * (1 << 20)

    refuse(api.post("events", content=pour(), headers={"content-type": "application/json"}), 413)
    refuse(api.post("events", content=b" " * (9 << 20), headers={"content-type": "application/json"}), 413)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=1e9",
        "limit=" + "9" * 5000,
        "limit=NaN",
        "before=x",
        "before=%00",
        "status=LOST",
        "status=failed",
        "since=yesterday",
        "since=2026-01-01",
        "since=2026-01-01T00:00:00",
        "since=0001-01-01T00:00:00Z",
        "until=9999-12-31T23:59:59-14:00",
        "until=1e400",
        "metadata=novalue",
        "metadata=:x",
        "metadata=a:%00",
        "metadata=%00:a",
        "workflow=%00",
        "trigger=NOBODY",
        "unknown=1",
        "metadata=" + "&metadata=".join(["a:b"] * 30),
        "workflow=" + "&workflow=".join(["a"] * 200),
        "metadata=a:" + "b" * 8192,
    ],
)
def test_a_query_that_makes_no_sense(api: Api, query: str) -> None:
    refuse(api.get(f"runs?{query}"), 422)
    refuse(api.get(f"runs/stats?{query}"), 422)


@pytest.mark.parametrize(
    "query", ["since=2999-01-01T00:00:00Z", "workflow=%ff%fe", "metadata=%F0%9F%98%80:x", "workflow=" + "a" * 8192]
)
def test_a_query_that_finds_nothing(api: Api, query: str) -> None:
    assert api.ask(f"runs?{query}")["items"] == []


@pytest.mark.parametrize(
    "path",
    [
        "runs/x",
        "runs/%00",
        "runs/0198c0de-7abc-7def-8123-456789abcdef/tasks/-1",
        "runs/0198c0de-7abc-7def-8123-456789abcdef/tasks/99999999999999999999",
        "runs/0198c0de-7abc-7def-8123-456789abcdef/tasks/0/secrets",
        "runs/0198c0de-7abc-7def-8123-456789abcdef/logs?after=x",
        "workflows/%00",
        "workflows/%ff",
        "workflows/" + "a" * 8192,
        "workflows/etl/versions/0",
        "workflows/etl/versions/99999999999999999999",
        "workflows/etl/diff",
        "workflows/..%2f..%2f..%2fetc%2fpasswd",
        "workers/1",
        "events/1",
        "events?key=%00",
        "events?key=" + "k" * 8192,
        "filters?scope=%00",
        "queues?workflow=%00",
        "crons/preview?expression=%00",
        "crons/preview",
        "nothing",
        "../v2/runs",
    ],
)
def test_a_path_that_leads_nowhere(api: Api, path: str) -> None:
    refuse(api.get(path), 404, 422)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_a_method_that_is_not_there(api: Api, method: str) -> None:
    refuse(api.request(method, "runs"), 405)
