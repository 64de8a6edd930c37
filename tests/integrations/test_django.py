"""The Django example over HTTP: runserver in one process, ``manage.py plait_worker`` in others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from integrations.conftest import EXAMPLES, Program
from support.database import Database
from support.waiting import eventually

SHOP = EXAMPLES / "django_shop"

ORM_BACKENDS = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'the orm of tasks'"

Manage = Callable[..., Program]


@pytest.fixture
def environment(environment: dict[str, str], empty_database: Database) -> dict[str, str]:
    """The database in the variables that the example reads, and in no other."""
    parts = urlsplit(empty_database.url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    environment.pop("DATABASE_URL")
    return {
        **environment,
        "PGDATABASE": parts.path[1:],
        "PGUSER": parts.username or "",
        "PGPASSWORD": parts.password or "",
        "PGHOST": parts.hostname or query.get("host", ""),
        "PGPORT": str(parts.port or query.get("port", "")),
    }


@pytest.fixture
def manage(start: Callable[..., Program]) -> Manage:
    """Starts ``manage.py`` with arguments."""

    def manage(*arguments: str, **variables: str) -> Program:
        return start("manage.py", *arguments, folder=SHOP, **variables)

    return manage


@pytest.fixture
def migrated(manage: Manage, empty_database: Database) -> Database:
    """The database, with all tables: the project's and Plait's."""
    done = manage("migrate")
    assert done.process.wait(60) == 0, done.log
    assert "Applying plait.0001_first... OK" in done.log
    return empty_database


@pytest.fixture
def shop(manage: Manage, migrated: Database, browse: Callable[[str], httpx.Client]) -> httpx.Client:
    """A client of the example."""
    return browse(manage("runserver", "--noreload", "0").wait_for(r"server at (http://\S+)")[1])


def place_order(shop: httpx.Client, item: str, amount: int) -> str:
    placed = shop.post("/orders", json={"item": item, "amount": amount})
    assert placed.status_code == 202, placed.text
    return f"/orders/{placed.json()['id']}"


def wait_completed(shop: httpx.Client, path: str) -> Any:
    def look() -> Any:
        order = shop.get(path).raise_for_status().json()
        assert order["status"] in ("QUEUED", "RUNNING", "COMPLETED"), order
        return order if order["status"] == "COMPLETED" else None

    return eventually(look, f"{path} is completed")


def test_a_request_that_commits_starts_a_run_and_one_that_rolls_back_leaves_none(
    shop: httpx.Client, manage: Manage, migrated: Database
) -> None:
    refused = shop.post("/orders", json={"item": "tea", "amount": 1000})
    assert (refused.status_code, refused.json()) == (409, {"error": "we have not got 1000 tea"})
    assert migrated.count("run") == migrated.count("ready") == 0
    assert migrated.value("SELECT count(*) FROM orders_order") == 0

    path = place_order(shop, "tea", 2)
    assert shop.get(path).json()["status"] == "QUEUED"  # nobody serves it yet
    worker = manage("plait_worker", "--slots", "5", "--name", "fulfilment")
    order = wait_completed(shop, path)
    assert order["message"] == f"Paid 9.00, on its way as {order['tracking']}"
    assert migrated.count("run") == 1
    assert migrated.value("SELECT name || slots FROM plait.worker") == "fulfilment5"
    assert worker.stop() == 0


def test_tasks_that_use_the_orm_get_over_connections_that_were_cut_and_leave_none_open(
    shop: httpx.Client, manage: Manage, migrated: Database
) -> None:
    # A variable of libpq, which Django's driver uses; Plait's own connections have other names.
    manage("plait_worker", "--slots", "1", PGAPPNAME="the orm of tasks").wait_for("serving")
    wait_completed(shop, place_order(shop, "tea", 1))
    # The thread that runs def tasks keeps its connection, as CONN_MAX_AGE says; that of the async task is gone.
    migrated.wait(f"SELECT count(*) = 1 {ORM_BACKENDS}", seconds=8)  # not when garbage is collected
    assert migrated.query(f"SELECT pg_terminate_backend(pid) {ORM_BACKENDS}") == [(True,)]
    wait_completed(shop, place_order(shop, "tea", 1))
    assert migrated.value("SELECT max(attempt) FROM plait.attempt") == 1  # nothing had to be retried


def test_the_dashboard_and_other_commands_are_about_the_projects_database(
    shop: httpx.Client, manage: Manage, migrated: Database, browse: Callable[[str], httpx.Client]
) -> None:
    place_order(shop, "tea", 1)
    dashboard = browse(manage("plait_serve", "--port", "0").wait_for(r"dashboard\S* +(http://\S+)")[1])
    eventually(lambda: _answers(dashboard), "the dashboard answers")
    assert "FulfilOrder" in dashboard.get("/api/v1/runs").text
    listed = manage("plait", "runs", "list", "-o", "json", "--settings", "shop.settings")
    assert listed.process.wait(60) == 0, listed.log
    assert "FulfilOrder" in listed.log


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/livez").status_code == 200
    except httpx.TransportError:
        return False


def test_a_worker_without_tables_says_how_to_make_them(manage: Manage) -> None:
    worker = manage("plait_worker")
    assert worker.process.wait(60) == 1
    assert "manage.py migrate" in worker.log
    assert "Traceback" not in worker.log


def test_what_plait_has_applied_itself_is_not_applied_again(manage: Manage, database: Database) -> None:
    """A project that used ``plait db upgrade`` before it took the app in."""
    before = database.query("SELECT * FROM plait.migration ORDER BY version")
    done = manage("migrate", "plait", PGDATABASE=database.name)
    assert done.process.wait(60) == 0, done.log
    assert database.query("SELECT * FROM plait.migration ORDER BY version") == before
    assert database.value("SELECT count(*) FROM django_migrations WHERE app = 'plait'") == len(before)


def test_the_tests_of_the_project_use_the_test_runners_database(manage: Manage, empty_database: Database) -> None:
    done = manage("test", "--noinput")
    assert done.process.wait(60) == 0, done.log
    assert "Ran 3 tests" in done.log
    assert empty_database.value("SELECT to_regclass('plait.run')") is None  # nothing was touched outside it
