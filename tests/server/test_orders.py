"""Starting, cancelling and replaying runs."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from plait import Context, Plait
from plait.client import get_access
from server.conftest import Api


class Order(BaseModel):
    amount: int


@pytest.fixture
def shop(plait: Plait) -> Any:
    workflow = plait.workflow(name="shop", input_validator=Order)

    @workflow.task()
    def pay(input: Order, ctx: Context) -> int:
        return input.amount

    return workflow


def test_an_input_is_validated_by_the_code_that_is_at_hand(api: Api, shop: Any) -> None:
    answer = api.post("runs", json={"workflow": "shop", "input": '{"amount": "many"}'})
    assert answer.status_code == 422
    assert "amount" in answer.json()["message"]
    assert api.ask("runs")["runs"] == []


def test_a_workflow_is_started_by_its_name_alone(plait: Plait, shop: Any, work: Any, serve_api: Any) -> None:
    """Where the server has no code of it, as ``plait serve`` without a target."""
    work(shop)
    bare = Plait(get_access(plait).database_url)
    api = serve_api(bare)
    run = api.wait_run(api.start("shop", {"amount": 3}, priority=2))
    assert run["run"]["priority"] == 2
    assert run["run"]["status"] == "COMPLETED"
    assert api.post("runs", json={"workflow": "shpo"}).status_code == 404
    bare.close()


def test_an_idempotency_key_starts_one_run(api: Api, shop: Any) -> None:
    body = {"workflow": "shop", "input": '{"amount": 1}', "idempotency_key": "once"}
    first, second = api.order("runs", body), api.order("runs", body)
    assert first == second
    assert len(api.ask("runs")["runs"]) == 1


def test_a_run_is_cancelled_once(api: Api, flow: Any) -> None:
    run_id = api.start("etl")
    assert api.order(f"runs/{run_id}/cancel", {"reason": "wrong day"}) == {"done": True}
    assert api.order(f"runs/{run_id}/cancel") == {"done": False}
    run = api.ask(f"runs/{run_id}")
    assert run["run"]["status"] == "CANCELLED"
    assert run["tasks"][0]["reason"] == "wrong day"
    assert run["tasks"][1]["reason"] == "its run was cancelled"


def test_one_task_is_cancelled(api: Api, flow: Any, work: Any) -> None:
    run_id = api.start("etl")
    assert api.order(f"runs/{run_id}/tasks/1/cancel") == {"done": True}
    work(flow)
    run = api.wait_run(run_id)
    assert [task["status"] for task in run["tasks"]] == ["COMPLETED", "CANCELLED", "CANCELLED"]
    assert api.post(f"runs/{run_id}/tasks/1/cancel").status_code == 422
    assert api.post(f"runs/{run_id}/tasks/9/cancel").status_code == 404


def test_a_replay_runs_what_did_not_complete(api: Api, flow: Any, work: Any) -> None:
    work(flow)
    run_id = api.start("etl", {"fail": True})
    api.wait_run(run_id)

    assert api.order(f"runs/{run_id}/replay") == {"id": run_id}
    run = api.wait_run(run_id)
    assert [task["attempts_total"] for task in run["tasks"]] == [1, 2, 2]
    assert [attempt["superseded"] for attempt in run["tasks"][1]["attempts"]] == [True, False]

    api.order(f"runs/{run_id}/replay", {"tasks": [0]})
    assert api.wait_run(run_id)["tasks"][0]["attempts_total"] == 2


def test_a_replay_with_another_input_is_a_new_run(api: Api, flow: Any, work: Any) -> None:
    work(flow)
    run_id = api.start("etl", {"fail": True}, metadata='{"user": 42}')
    api.wait_run(run_id)

    again = api.order(f"runs/{run_id}/replay", {"input": '{"fail": false}'})["id"]
    assert again != run_id
    run = api.wait_run(again)
    assert run["run"]["status"] == "COMPLETED"
    assert run["run"]["metadata"] == '{"user": 42}'
    assert run["triggered_by"] == {"kind": "REPLAY", "id": run_id, "name": "etl", "task": None}
    assert api.ask(f"runs/{run_id}")["replays_total"] == 1
    assert [found["id"] for found in api.ask("runs", triggered_by=run_id)["runs"]] == [again]


def test_what_cannot_be_replayed_is_a_conflict(api: Api, flow: Any, work: Any) -> None:
    run_id = api.start("etl")
    answer = api.post(f"runs/{run_id}/replay")
    assert answer.status_code == 409
    assert "is active" in answer.json()["message"]
    work(flow)
    api.wait_run(run_id)
    assert "every task" in api.post(f"runs/{run_id}/replay").json()["message"]


def test_many_are_cancelled_by_filter_after_a_dry_count(api: Api, flow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plait.server.order_desk.PAGE", 2)
    chosen = [api.start("etl", metadata='{"user": 1}') for _ in range(5)]
    spared = api.start("etl", metadata='{"user": 2}')
    wanted = {"workflow": ["etl"], "metadata": ["user:1"]}

    dry = api.order("runs/bulk/cancel", {"filter": wanted, "dry_run": True})
    assert dry == {"matched": 5, "done": 0, "next": None}
    assert api.order("runs/bulk/cancel", {"filter": wanted}) == {"matched": 5, "done": 5, "next": None}
    assert {api.ask(f"runs/{run_id}")["run"]["status"] for run_id in chosen} == {"CANCELLED"}
    assert api.ask(f"runs/{spared}")["run"]["status"] == "QUEUED"
    assert api.order("runs/bulk/cancel", {"filter": wanted})["matched"] == 0


def test_a_long_bulk_order_goes_on_where_it_stopped(api: Api, flow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plait.server.order_desk.PAGE", 2)
    monkeypatch.setattr("plait.server.order_desk.MOST_MATCHED", 3)
    monkeypatch.setattr("plait.server.run_desk.CANDIDATES", 2)
    for _ in range(7):
        api.start("etl")
    matched = 0
    body: dict[str, Any] = {"filter": {}}
    while True:
        answer = api.order("runs/bulk/cancel", body)
        matched += answer["done"]
        if answer["next"] is None:
            break
        body = {"filter": {}, "before": answer["next"]}
    assert matched == 7


def test_many_are_replayed_by_id_or_filter(api: Api, flow: Any, work: Any) -> None:
    work(flow)
    failed = [api.start("etl", {"fail": True}) for _ in range(3)]
    completed = api.start("etl")
    for run_id in [*failed, completed]:
        api.wait_run(run_id)

    ids = [*failed, completed, "0198c0de-7abc-7def-8123-456789abcdef"]
    assert api.order("runs/bulk/replay", {"ids": ids, "dry_run": True}) == {"matched": 3, "done": 0, "next": None}
    assert api.order("runs/bulk/replay", {"ids": failed[:1]})["done"] == 1
    api.wait_run(failed[0])
    assert api.order("runs/bulk/replay", {"filter": {"status": ["FAILED"]}})["done"] == 3


@pytest.mark.parametrize("body", [{}, {"ids": [], "filter": None}, {"ids": ["x"]}, {"filter": {"status": ["LOST"]}}])
def test_a_bulk_order_must_say_which(api: Api, body: dict[str, Any]) -> None:
    assert api.post("runs/bulk/cancel", json=body).status_code == 422
