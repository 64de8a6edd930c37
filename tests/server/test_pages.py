"""The dashboard's files, health, metrics, and being a guest in another app."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request

from plait import Plait
from plait.server import Role, create_app, mount, static_files
from server.conftest import Api
from support import http
from support.waiting import eventually

PAGE = '<!doctype html><html><head><base href="/" /><script src="assets/a-1.js"></script></head><body></body></html>'


@pytest.fixture
def static(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dashboard of two files."""
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE)
    (folder / "assets" / "a-1.js").write_text("export {}")
    (tmp_path / "secret.txt").write_text("secret")
    monkeypatch.setattr(static_files, "FOLDER", folder)
    return folder


def test_hashed_files_are_kept_for_ever_and_the_page_never(api: Api, static: Path) -> None:
    script = api.get("../../assets/a-1.js")
    assert script.text == "export {}"
    assert script.headers["content-type"].startswith("text/javascript")
    assert "immutable" in script.headers["cache-control"]
    page = api.get("../../")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-store"


def test_every_address_of_the_dashboard_is_its_page(api: Api, static: Path) -> None:
    for path in ("", "runs", "runs/0198c0de", "workflows/a%20b/c", "workflows/v1.2"):
        page = api.get(f"../../{path}", headers={"accept": "text/html,*/*"})
        assert page.status_code == 200, path
        assert '<base href="/">' in page.text
        assert page.text.count("<base") == 1
    assert api.get("../../assets/gone-2.js").status_code == 404
    assert api.head("../../").status_code == 200


def test_the_page_has_the_policy_that_everything_has(api: Api, static: Path) -> None:
    policies = {api.get(path).headers["content-security-policy"] for path in ("../../", "../../assets/gone.js", "runs")}
    assert len(policies) == 1
    assert "style-src 'self';" in policies.pop()


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "..%2fsecret.txt",
        "assets/../../secret.txt",
        "%2e%2e/secret.txt",
        "/etc/passwd",
        "assets/%00",
        "assets",
    ],
)
def test_no_file_outside_is_served(api: Api, static: Path, path: str) -> None:
    root = str(api.base_url).split("/api")[0]
    with httpx.Client(timeout=30) as client:
        request = client.build_request("GET", f"{root}/")
        request.url = httpx.URL(f"{root}/").copy_with(raw_path=f"/{path}".encode())
        answer = client.send(request)
    assert answer.text != "secret"
    assert "root:" not in answer.text


def test_without_a_built_dashboard_there_is_a_page_that_says_so(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(static_files, "FOLDER", tmp_path / "nothing")
    page = api.get("../../")
    assert page.status_code == 200
    assert "npm" in page.text


def test_the_committed_dashboard_is_served(api: Api) -> None:
    page = api.get("../../").text
    assert 'id="root"' in page
    for piece in page.split('"'):
        if piece.startswith("./assets/"):
            assert api.get(f"../../{piece[2:]}").status_code == 200


def test_health_tells_of_the_process_and_of_the_database(serve_api: Any, own_server: Any, database: Any) -> None:
    plait = Plait(database.url)
    api = serve_api(plait)
    assert api.get("../../livez").json() == {"status": "ok", "detail": None}
    assert api.get("../../readyz").status_code == 200
    own_server.stop(immediate=True)
    assert api.get("../../livez").status_code == 200
    away = api.get("../../readyz")
    assert (away.status_code, away.json()["status"]) == (503, "unavailable")
    problem = api.get("runs")
    assert (problem.status_code, problem.json()["type"]) == (503, "unavailable")
    assert "plait_up 0" in api.get("../../metrics").text
    own_server.start()
    eventually(lambda: api.get("../../readyz").status_code == 200, "it is ready again")
    plait.close()


def test_metrics_are_told_as_prometheus_reads_them(api: Api, flow: Any, work: Any) -> None:
    api.start("etl")
    answer = api.get("../../metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    text = answer.text
    assert 'plait_tasks_ready{task="extract",workflow="etl"} 1.0' in text
    assert 'plait_recent_runs{status="queued"} 1.0' in text


# in another app


@pytest.fixture
def host_app(plait: Plait) -> Iterator[Any]:
    """Serves an app of the user's own; its address."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(app: Any) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join(10)


def test_it_is_mounted_in_another_app_under_a_prefix(plait: Plait, host_app: Any, static: Path, flow: Any) -> None:
    app = FastAPI()
    app.get("/own")(lambda: {"own": True})
    mount(app, plait, "/ops/plait")
    url = host_app(app)

    assert http.get(f"{url}/own").json() == {"own": True}
    assert '<base href="/ops/plait/">' in http.get(f"{url}/ops/plait/").text
    assert '<base href="/ops/plait/">' in http.get(f"{url}/ops/plait/runs/1").text
    assert http.get(f"{url}/ops/plait/assets/a-1.js").text == "export {}"
    run = http.post(f"{url}/ops/plait/api/v1/runs", json={"workflow": "etl"})
    assert run.status_code == 201
    assert len(http.get(f"{url}/ops/plait/api/v1/runs").json()["items"]) == 1
    assert "content-security-policy" not in http.get(f"{url}/own").headers
    with http.stream("GET", f"{url}/ops/plait/api/v1/stream") as stream:
        assert next(stream.iter_lines()) == "retry: 1000"


def test_the_other_app_says_who_may_do_what(plait: Plait, host_app: Any) -> None:
    async def authorize(request: Request) -> Role | None:
        name = request.headers.get("x-user")
        return {"boss": Role.WRITE, "intern": Role.READ}.get(name or "")

    app = FastAPI()
    mount(app, plait, authorize=authorize)
    api = f"{host_app(app)}/plait/api/v1"
    assert http.get(f"{api}/runs").status_code == 401
    assert http.get(f"{api}/runs", headers={"x-user": "intern", "host": "shop.example"}).status_code == 200
    assert http.post(f"{api}/events", headers={"x-user": "intern"}, json={"key": "a"}).status_code == 403
    assert http.post(f"{api}/events", headers={"x-user": "boss"}, json={"key": "a"}).status_code == 201
    assert http.get(f"{api}/session", headers={"x-user": "boss"}).json()["role"] == "write"


async def test_without_accounts_only_this_machine_is_served(plait: Plait) -> None:
    """However the app around it was bound."""
    transport = httpx.ASGITransport(create_app(plait), client=("192.0.2.7", 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/api/v1/runs")
    assert (answer.status_code, answer.json()["type"]) == (403, "forbidden")


def test_another_app_of_a_process_does_not_read_again_what_its_routes_take(plait: Plait) -> None:
    """That takes half a second. What differs between apps is not in the routes."""
    first, second = create_app(plait), create_app(plait)
    assert all(one is other for one, other in zip(first.routes, second.routes, strict=True))
    assert first.routes is not second.routes
    assert first.state.clients is not second.state.clients
