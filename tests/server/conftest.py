"""The server over HTTP: uvicorn on a port of its own, on the test's database, with real workers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from plait import Context, Plait
from plait.server import serve as runner
from support.waiting import eventually

ENDED = ("COMPLETED", "FAILED", "CANCELLED")


class Api(httpx.Client):
    """A client of ``/api/v1`` that tells what a refused request was answered. ``server`` is what it talks to."""

    server: runner.RunningServer

    def ask(self, path: str, **params: Any) -> Any:
        """GET; the JSON of the answer."""
        return self._read(self.get(path, params=params))

    def order(self, path: str, body: Any = None, *, method: str = "POST") -> Any:
        """POST or another; the JSON of the answer."""
        return self._read(self.request(method, path, json=body))

    def start(self, workflow: str, input: Any = None, **more: Any) -> str:
        """Trigger a run; its id."""
        body = {"workflow": workflow, "input": json.dumps({} if input is None else input), **more}
        return str(self.order("runs", body)["id"])

    def wait_run(self, run_id: str, *statuses: str) -> Any:
        """The run, once it has one of these statuses (by default: once it has ended)."""

        def look() -> Any:
            view = self.ask(f"runs/{run_id}")
            return view if view["status"] in (statuses or ENDED) else None

        return eventually(look, f"run {run_id} is {statuses or ENDED}")

    def find_task(self, run_id: str, name: str) -> Any:
        """One task of a run, by name."""
        return next(task for task in self.ask(f"runs/{run_id}")["tasks"] if task["name"] == name)

    @staticmethod
    def _read(response: httpx.Response) -> Any:
        assert response.status_code < 300, f"{response.request.method} {response.url}: {response.text}"
        return response.json()


@pytest.fixture
def serve_api(plait: Plait) -> Iterator[Callable[..., Api]]:
    """Starts the server and gives a client of it; options as ``runner.start`` takes them."""
    running: list[Any] = []

    def start(of: Plait | None = None, **options: Any) -> Api:
        server = runner.start(of or plait, **options)
        api = Api(base_url=f"{server.url}api/v1/", timeout=30)
        api.server = server
        running.extend([api, server])
        return api

    yield start
    for one in running:
        if isinstance(one, Api):
            one.close()
        else:
            one.stop()


@pytest.fixture
def api(serve_api: Callable[..., Api]) -> Api:
    return serve_api()


@pytest.fixture
def flow(plait: Plait) -> Any:
    """Of ``declare_etl``."""
    return declare_etl(plait)


def declare_etl(plait: Plait) -> Any:
    """extract → load → report; ``load`` fails as long as the input says so."""
    pipeline = plait.workflow(name="etl")

    @pipeline.task()
    def extract(input: Any, ctx: Context) -> dict[str, Any]:
        return {"rows": 2**63 + 1}

    @pipeline.task(parents=[extract])
    def load(input: Any, ctx: Context) -> str:
        if getattr(input, "fail", False):
            raise ValueError("no such table")
        return "loaded"

    @pipeline.task(parents=[load])
    def report(input: Any, ctx: Context) -> None: ...

    return pipeline
