"""The FastAPI example over HTTP: uvicorn in one process, a worker in another."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from integrations.conftest import EXAMPLES, Program
from support.database import Database
from support.waiting import eventually

SHOP = EXAMPLES / "fastapi_shop"


@pytest.fixture
def start_app(start: Callable[..., Program]) -> Callable[..., Program]:
    """Starts uvicorn on a free port. Two seconds suffice for pages that are open."""

    def start_app(**variables: str) -> Program:
        options = ("--port", "0", "--timeout-graceful-shutdown", "2")
        return start("-m", "uvicorn", "app:app", *options, folder=SHOP, **variables)

    return start_app


@pytest.fixture
def shop(start_app: Callable[..., Program], browse: Callable[[str], httpx.Client]) -> httpx.Client:
    """A client of the example; its worker is a process of its own."""
    return browse(start_app().wait_for(r"running on (http://\S+)")[1])


def wait_completed(client: httpx.Client, path: str) -> Any:
    def look() -> Any:
        order = client.get(path).raise_for_status().json()
        assert order["status"] in ("QUEUED", "RUNNING", "COMPLETED"), order
        return order if order["status"] == "COMPLETED" else None

    return eventually(look, f"{path} is completed")


def test_a_request_that_commits_starts_a_run_and_one_that_rolls_back_leaves_none(
    shop: httpx.Client, start: Callable[..., Program], database: Database
) -> None:
    refused = shop.post("/orders", json={"item": "tea", "amount": 1000})
    assert (refused.status_code, refused.json()["detail"]) == (409, "we have not got 1000 tea")
    assert database.count("run") == database.count("ready") == 0
    assert database.value("SELECT count(*) FROM shop_order") == 0

    placed = shop.post("/orders", json={"item": "tea", "amount": 2})
    assert placed.status_code == 202
    path = f"/orders/{placed.json()['id']}"
    assert shop.get(path).json()["status"] == "QUEUED"  # nobody serves it yet
    worker = start("-m", "plait", "worker", "flows.py", folder=SHOP)
    assert wait_completed(shop, path) == {
        "status": "COMPLETED",
        "message": f"Paid 9.00, on its way as TRACK-{placed.json()['id']:06d}",
        "tracking": f"TRACK-{placed.json()['id']:06d}",
    }
    assert database.count("run") == 1
    assert worker.stop() == 0
    assert shop.get("/orders/999").status_code == 404


def test_the_dashboard_answers_below_its_prefix_and_an_open_page_does_not_keep_the_app(
    start_app: Callable[..., Program], browse: Callable[[str], httpx.Client], database: Database
) -> None:
    app = start_app(SHOP_WORKER="1")
    shop = browse(app.wait_for(r"running on (http://\S+)")[1])
    placed = shop.post("/orders", json={"item": "cup"})
    assert wait_completed(shop, f"/orders/{placed.json()['id']}")["message"].startswith("Paid 12.00")

    assert shop.get("/plait/readyz").status_code == 200
    page = shop.get("/plait/runs")
    assert page.headers["content-type"].startswith("text/html")
    assert "/plait/" in page.text  # its files are asked for below the prefix
    runs = shop.get("/plait/api/v1/runs").raise_for_status().json()
    assert "FulfilOrder" in str(runs)
    assert shop.get("/api/v1/runs").status_code == 404
    with shop.stream("GET", "/plait/api/v1/stream") as stream:
        assert next(stream.iter_lines())
        # uvicorn ends with the signal that it got, once everything is closed; its worker must not have taken it.
        assert app.stop() == -signal.SIGTERM
    assert "Application shutdown complete" in app.log
    assert "Traceback" not in app.log
    assert database.count("worker", "ended_at IS NULL") == 0  # it signed off


def test_an_app_without_its_database_does_not_start(start_app: Callable[..., Program]) -> None:
    app = start_app(DATABASE_URL="postgresql://nobody@127.0.0.1:1/nowhere")
    assert app.process.wait(30) != 0
    assert "Application startup failed" in app.log


def test_an_app_is_connected_before_its_first_request(
    start_app: Callable[..., Program], empty_database: Database
) -> None:
    start_app(DATABASE_URL=empty_database.url).wait_for("Application startup complete")
    assert empty_database.value("SELECT count(*) FROM plait.migration") > 0
