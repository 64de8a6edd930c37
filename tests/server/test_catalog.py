"""Workflows, workers, queues and filters."""

from __future__ import annotations

from typing import Any

from plait import Context, Plait, SleepCondition
from server.conftest import Api
from support.waiting import eventually


def test_a_workflow_is_shown_before_any_run(api: Api, plait: Plait, work: Any) -> None:
    flow = plait.workflow(name="team/etl", description="nightly", on_events=["file:*"], on_crons=["0 3 * * *"])

    @flow.task(retries=2, execution_timeout="5m")
    def first(input: Any, ctx: Context) -> None: ...

    @flow.task(parents=[first], wait_for=[SleepCondition("1h")])
    def second(input: Any, ctx: Context) -> None: ...

    work(flow)
    listed = api.ask("workflows")["items"]
    assert [(one["name"], one["task_count"], one["on_events"]) for one in listed] == [("team/etl", 2, ["file:*"])]
    view = api.ask("workflows/team/etl")
    assert view["workers"] == 1
    assert [task["parents"] for task in view["tasks"]] == [[], ["first"]]
    assert (view["tasks"][0]["retries"], view["tasks"][0]["execution_timeout"]) == (2, 300)
    assert "1 h" in view["tasks"][1]["wait_for"]
    assert isinstance(view["input_schema"], str)
    assert [cron["expression"] for cron in view["crons"]] == ["0 3 * * *"]
    assert api.ask("workflows", search="TEAM")["items"] == listed
    assert api.ask("workflows", search="none")["items"] == []
    missing = api.get("workflows/team/elt")
    assert missing.status_code == 404
    assert "did you mean 'team/etl'" in missing.json()["message"]


def test_versions_tell_what_changed(api: Api, database: Any, work: Any) -> None:
    def declare(plait: Plait, *, newer: bool) -> Any:
        flow = plait.workflow(name="etl")

        @flow.task(retries=3 if newer else 0)
        def first(input: Any, ctx: Context) -> None: ...

        if newer:
            flow.task(name="added", parents=[first])(lambda input, ctx: None)
        else:
            flow.task(name="gone", parents=[first])(lambda input, ctx: None)
        return flow

    for newer in (False, True):
        plait = Plait(database.url)
        declare(plait, newer=newer).run_no_wait()
        plait.close()

    versions = api.ask("workflows/etl/versions")["items"]
    assert len(versions) == 2
    after, before = (version["id"] for version in versions)
    diff = api.ask("workflows/etl/diff", before=before, after=after)
    assert [(one["task"], one["what"]) for one in diff["tasks"]] == [
        ("first", "changed"),
        ("added", "added"),
        ("gone", "removed"),
    ]
    assert diff["tasks"][0]["changes"] == [{"field": "retries", "before": "0", "after": "3"}]
    assert diff["changes"] == []
    assert api.ask(f"workflows/etl/versions/{before}")["tasks"][1]["name"] == "gone"
    assert api.get(f"workflows/other/versions/{before}").status_code == 404
    assert api.get("workflows/etl/diff", params={"before": 1, "after": 99}).status_code == 404


def test_durations_and_failures_of_the_last_runs(api: Api, flow: Any, work: Any) -> None:
    work(flow)
    for fail in (True, False, False):
        api.wait_run(api.start("etl", {"fail": fail}))
    stats = api.ask("workflows/etl/stats")
    assert (stats["runs"], stats["failed"], stats["cancelled"]) == (3, 1, 0)
    assert abs(stats["failure_rate"] - 1 / 3) < 1e-9
    assert 0 < stats["p50_ms"] <= stats["p95_ms"]
    load = stats["tasks"][1]
    assert (load["task"], load["attempts"], load["failed"]) == ("load", 3, 1)
    assert api.ask("workflows/etl/stats", last=1)["runs"] == 1


def test_a_workflow_without_runs_has_no_durations(api: Api, flow: Any, work: Any) -> None:
    work(flow)
    stats = api.ask("workflows/etl/stats")
    assert (stats["runs"], stats["failure_rate"], stats["p50_ms"], stats["since"]) == (0, None, None, None)


def test_workers_and_what_they_run(api: Api, plait: Plait, work: Any, tmp_path: Any) -> None:
    gate = tmp_path / "gate"

    @plait.task(name="gated")
    async def gated(input: Any, ctx: Context) -> None:
        import asyncio  # noqa: PLC0415 - of the task

        while not gate.exists():
            await asyncio.sleep(0.01)

    worker = work(gated, slots=3)
    run_id = api.start("gated")
    api.wait_run(run_id, "RUNNING")

    [found] = api.ask("workers")["items"]
    assert (found["slots"], found["slots_in_use"], found["status"]) == (3, 1, "ACTIVE")
    assert found["serves"] == {"gated": ["gated"]}
    view = api.ask(f"workers/{found['id']}")
    assert [(held["run_id"], held["task"]) for held in view["running"]] == [(run_id, "gated")]
    queues = api.ask("queues")
    assert (queues["running"], queues["slots"], queues["slots_in_use"], queues["workers"]) == (1, 3, 1, 1)
    assert [(queue["workflow"], queue["running"]) for queue in queues["queues"]] == [("gated", 1)]
    gate.touch()
    api.wait_run(run_id)
    worker.stop()
    assert api.ask("workers")["items"] == []
    assert [one["status"] for one in api.ask("workers", ended="true")["items"]] == ["ENDED"]
    assert api.get("workers/0198c0de-7abc-7def-8123-456789abcdef").status_code == 404


def test_filters_are_made_changed_and_deleted(api: Api, flow: Any, work: Any) -> None:
    work(flow)
    body = {
        "workflow": "etl",
        "expression": "input.n > payload.n",
        "scope": "s",
        "payload": '{"n": 12345678901234567890}',
    }
    made = api.order("filters", body)
    assert "12345678901234567890" in made["payload"]["text"]
    changed = api.order(f"filters/{made['id']}", {"expression": "true"}, method="PATCH")
    assert (changed["expression"], changed["scope"]) == ("true", "s")
    assert [one["id"] for one in api.ask("filters", workflow="etl")["items"]] == [made["id"]]
    assert api.post("filters", json={**body, "expression": "input."}).status_code == 422
    assert api.request("PATCH", f"filters/{made['id']}", json={}).status_code == 422
    assert api.order(f"filters/{made['id']}", method="DELETE") == {"done": True}
    assert api.delete(f"filters/{made['id']}").status_code == 404


def test_a_queue_without_workers_is_seen(api: Api, flow: Any) -> None:
    for _ in range(3):
        api.start("etl")
    queues = eventually(lambda: api.ask("queues", workflow="etl"))
    assert (queues["ready"], queues["workers"]) == (3, 0)
    assert queues["queues"][0]["oldest_ready_at"] is not None
