"""Events, crons and scheduled runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from plait import Context, Plait
from server.conftest import Api
from support.waiting import eventually


def test_an_event_is_shown_with_the_runs_that_it_started(api: Api, plait: Plait, work: Any) -> None:
    @plait.task(name="greet", on_events=["user:created"])
    def greet(input: Any, ctx: Context) -> None: ...

    work(greet)
    event = api.order("events", {"key": "user:created", "payload": '{"id": 98765432109876543210}', "scope": "eu"})
    view = eventually(
        lambda: (found := api.ask(f"events/{event['id']}"))["runs"]["items"] and found, "the event starts a run"
    )
    assert view["payload"]["text"] == '{"id":98765432109876543210}'
    assert view["delivered"]
    [run] = view["runs"]["items"]
    assert (run["workflow"], run["trigger"], run["trigger_id"]) == ("greet", "EVENT", event["id"])
    assert api.ask(f"runs/{run['id']}")["trigger_name"] == "user:created"
    assert [found["id"] for found in api.ask("runs", triggered_by=event["id"])["items"]] == [run["id"]]
    assert [found["id"] for found in api.ask("runs", trigger="EVENT")["items"]] == [run["id"]]
    assert api.get(f"events/{event['id']}/payload").text == '{"id":98765432109876543210}'


def test_events_are_listed_by_key_scope_and_time(api: Api) -> None:
    for number in range(5):
        api.order("events", {"key": f"k:{number % 2}", "scope": "odd" if number % 2 else "even"})
    assert len(api.ask("events", key="k:0")["items"]) == 3
    assert len(api.ask("events", scope="odd")["items"]) == 2
    assert api.ask("events", since="2990-01-01T00:00:00Z")["items"] == []
    first = api.ask("events", limit=3)
    second = api.ask("events", limit=3, before=first["next"])
    assert len(first["items"]) + len(second["items"]) == 5
    assert second["next"] is None


def test_a_search_among_more_events_than_it_looks_at_goes_on(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plait.features.event.LOOK_AT", 2)
    wanted = api.order("events", {"key": "old"})
    for _ in range(3):
        api.order("events", {"key": "new"})
    page = api.ask("events", key="old")
    assert (page["items"], page["next"] is None) == ([], False)
    page = api.ask("events", key="old", before=page["next"])
    assert [event["id"] for event in page["items"]] == [wanted["id"]]


def test_a_cron_is_made_paused_unpaused_run_and_deleted(api: Api, flow: Any, work: Any) -> None:
    work(flow)
    body = {"workflow": "etl", "name": "nightly", "expression": "0 3 * * *", "timezone": "Europe/Berlin"}
    cron = api.order("crons", body)
    assert len(cron["next_times"]) == 5
    assert datetime.fromisoformat(cron["next_at"]) == datetime.fromisoformat(cron["next_times"][0])
    assert api.order(f"crons/{cron['id']}/pause")["paused"]
    [paused] = api.ask("crons", workflow="etl")["items"]
    assert (paused["paused"], paused["next_at"]) == (True, None)
    assert len(paused["next_times"]) == 5
    run_id = api.order(f"crons/{cron['id']}/run")["id"]
    assert api.wait_run(run_id)["trigger_name"] == "nightly"
    api.order(f"crons/{cron['id']}/unpause")
    assert api.ask("crons")["items"][0]["next_at"] is not None
    assert api.post("crons", json=body).status_code == 422, "the name is taken"
    assert api.order(f"crons/{cron['id']}", method="DELETE") == {"done": True}
    assert api.post(f"crons/{cron['id']}/pause").status_code == 404


def test_an_expression_is_explained(api: Api) -> None:
    preview = api.ask("crons/preview", expression="*/15 * * * *")
    assert len(preview["next_times"]) == 5
    assert preview["explanation"]


@pytest.mark.parametrize(
    ("expression", "timezone"),
    [
        ("0 0 31 2 *", "UTC"),
        ("* * *", "UTC"),
        ("0 3 * * *", "Mars/Olympus"),
        ("0 3 * * *", "../../etc/passwd"),
        ("\0", "UTC"),
    ],
)
def test_a_bad_expression_is_refused(api: Api, expression: str, timezone: str) -> None:
    answer = api.get("crons/preview", params={"expression": expression, "timezone": timezone})
    assert answer.status_code == 422
    assert answer.json()["message"]


def test_a_scheduled_run_is_made_moved_and_deleted(api: Api, flow: Any, work: Any) -> None:
    work(flow)
    later = datetime.now(UTC) + timedelta(days=1)
    made = api.order("scheduled", {"workflow": "etl", "run_at": later.isoformat(), "input": '{"n": 1}'})
    moved = api.order(f"scheduled/{made['id']}", {"run_at": (later + timedelta(days=1)).isoformat()}, method="PATCH")
    assert moved["run_at"] > made["run_at"]
    assert [one["id"] for one in api.ask("scheduled", pending="true")["items"]] == [made["id"]]
    assert api.order(f"scheduled/{made['id']}", method="DELETE") == {"done": True}
    assert api.delete(f"scheduled/{made['id']}").status_code == 404


def test_a_scheduled_run_starts_and_says_which_run_it_became(api: Api, flow: Any, work: Any) -> None:
    work(flow)
    made = api.order("scheduled", {"workflow": "etl", "run_at": datetime.now(UTC).isoformat()})

    def look() -> Any:
        [found] = api.ask("scheduled")["items"]
        return found["run_id"]

    run_id = eventually(look, "the scheduled run starts")
    run = api.wait_run(run_id)
    keys = ("trigger", "trigger_id", "trigger_name", "trigger_task")
    assert [run[key] for key in keys] == ["SCHEDULED", made["id"], "etl", None]
    assert api.ask("scheduled", pending="true")["items"] == []


@pytest.mark.parametrize(
    "run_at", ["2026-01-01T00:00:00", "tomorrow", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00"]
)
def test_a_time_that_cannot_be_is_refused(api: Api, flow: Any, run_at: str) -> None:
    answer = api.post("scheduled", json={"workflow": "etl", "run_at": run_at})
    assert answer.status_code == 422
    assert answer.json()["field"] == "body.run_at"
