"""Looking at runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from plait import Context, Plait
from server.conftest import Api
from support.waiting import eventually


def test_a_run_is_shown_with_its_tasks_and_their_attempts(api: Api, flow: Any, work: Any) -> None:
    work(flow)
    run = api.wait_run(api.start("etl", {"fail": True}, metadata='{"user": 42}'))

    assert run["status"] == "FAILED"
    assert run["metadata"] == '{"user": 42}'
    assert run["duration_ms"] > 0
    assert run["finished_at"] is not None
    extract, load, report = run["tasks"]
    assert [task["status"] for task in run["tasks"]] == ["COMPLETED", "FAILED", "CANCELLED"]
    assert (load["parents"], report["parents"]) == (["extract"], ["load"])
    assert load["error"] == {"type": "ValueError", "message": "no such table", "trace": ""}
    assert report["reason"] == "parent 'load' failed"
    assert [attempt["outcome"] for attempt in extract["attempts"]] == ["COMPLETED"]


def test_a_task_is_shown_with_its_traceback_and_its_output(api: Api, flow: Any, work: Any) -> None:
    work(flow)
    run_id = api.start("etl", {"fail": True})
    api.wait_run(run_id)

    extract = api.ask(f"runs/{run_id}/tasks/0")
    assert extract["output"] == {"text": '{"rows":9223372036854775809}', "size": 28, "truncated": False}
    load = api.ask(f"runs/{run_id}/tasks/1")
    assert "raise ValueError" in load["error"]["trace"]
    assert load["attempts"][0]["error"]["trace"] == load["error"]["trace"]
    assert load["output"] is None
    assert api.get(f"runs/{run_id}/tasks/7").status_code == 404


def test_integers_of_any_length_stay_exact(api: Api, flow: Any, work: Any) -> None:
    work(flow)
    long = "1234567890123456789012345678901234567890"
    run_id = api.order("runs", {"workflow": "etl", "input": f'{{"n":{long}}}', "metadata": f'{{"m":{long}}}'})["id"]

    run = api.wait_run(run_id)
    assert run["input"]["text"] == f'{{"n":{long}}}'
    assert long in run["metadata"]
    assert api.get(f"runs/{run_id}/input").text == f'{{"n":{long}}}'


def test_a_long_payload_is_shown_in_part_and_downloaded_whole(api: Api, plait: Plait, work: Any) -> None:
    @plait.task(name="long")
    def long(input: Any, ctx: Context) -> str:
        return "é" * 100_000

    work(long)
    text = "ü" * 60_000
    run_id = api.start("long", {"text": text})
    run = api.wait_run(run_id)

    assert run["input"]["truncated"]
    assert run["input"]["size"] == len(json.dumps({"text": text}, ensure_ascii=False, separators=(",", ":")).encode())
    assert len(run["input"]["text"].encode()) <= 65_536
    assert json.loads(api.get(f"runs/{run_id}/input").content) == {"text": text}
    task = api.ask(f"runs/{run_id}/tasks/0")
    assert task["output"]["truncated"]
    whole = api.get(f"runs/{run_id}/tasks/0/output")
    assert whole.json() == "é" * 100_000
    assert "attachment" in whole.headers["content-disposition"]
    assert api.get(f"runs/{run_id}/tasks/0/error").status_code == 404


def test_pages_follow_one_another_without_gap_or_repetition(api: Api, flow: Any) -> None:
    started = [api.start("etl") for _ in range(7)]
    found: list[str] = []
    before: dict[str, str] = {}
    for _ in range(10):
        page = api.ask("runs", limit=3, **before)
        found += [run["id"] for run in page["items"]]
        if page["next"] is None:
            break
        before = {"before": page["next"]}
    assert found == sorted(started, reverse=True)


@pytest.fixture
def mixed(api: Api, flow: Any, plait: Plait, work: Any) -> dict[str, str]:
    """One run of each kind."""
    other = plait.task(name="other")(lambda input, ctx: None)
    worker = work(flow, other)
    runs = {
        "failed": api.start("etl", {"fail": True}, metadata='{"user": 42, "env": "prod"}'),
        "completed": api.start("etl", {}, metadata='{"user": "42"}'),
        "other": api.start("other", {}, metadata='{"user": 7}'),
    }
    for run_id in runs.values():
        api.wait_run(run_id)
    worker.stop()
    runs["queued"] = api.start("etl")
    runs["cancelled"] = api.start("other")
    api.order(f"runs/{runs['cancelled']}/cancel")
    return runs


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, {"failed", "completed", "other", "queued", "cancelled"}),
        ({"status": "FAILED"}, {"failed"}),
        ({"status": ["FAILED", "CANCELLED"]}, {"failed", "cancelled"}),
        ({"status": "QUEUED"}, {"queued"}),
        ({"status": "RUNNING"}, set()),
        ({"status": ["QUEUED", "FAILED"]}, {"queued", "failed"}),
        ({"workflow": "other"}, {"other", "cancelled"}),
        ({"workflow": "etl", "status": "QUEUED"}, {"queued"}),
        ({"workflow": "other", "status": "QUEUED"}, set()),
        ({"workflow": "unknown"}, set()),
        ({"metadata": "user:42"}, {"failed", "completed"}),
        ({"metadata": ["user:42", "env:prod"]}, {"failed"}),
        ({"metadata": "user:"}, set()),
        ({"trigger": "CRON"}, set()),
        ({"triggered_by": "0198c0de-7abc-7def-8123-456789abcdef"}, set()),
        ({"since": "2999-01-01T00:00:00Z"}, set()),
        ({"until": "2000-01-01T00:00:00+01:00"}, set()),
        ({"since": "2000-01-01T00:00:00Z", "status": "QUEUED"}, {"queued"}),
    ],
)
def test_filters_choose_runs_and_the_counts_agree(
    api: Api, mixed: dict[str, str], query: dict[str, Any], expected: set[str]
) -> None:
    names = {run_id: name for name, run_id in mixed.items()}
    page = api.ask("runs", **query)
    assert {names[run["id"]] for run in page["items"]} == expected
    assert page["next"] is None

    stats = api.ask("runs/stats", bars=10, **query)
    assert sum(stats["counts"].values()) == len(expected)
    assert sum(sum(bar["counts"].values()) for bar in stats["bars"]) == len(expected)
    assert not stats["capped"]


def test_the_histogram_spans_the_time_that_was_asked_for(api: Api, mixed: dict[str, str]) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    since = until - timedelta(hours=10)
    stats = api.ask("runs/stats", bars=10, since=since.isoformat(), until=until.isoformat())

    starts = [datetime.fromisoformat(bar["start"]) for bar in stats["bars"]]
    assert len(starts) == 10
    assert abs(starts[0] - since) < timedelta(seconds=1)
    assert abs(starts[1] - starts[0] - timedelta(hours=1)) < timedelta(seconds=1)
    counts = [sum(bar["counts"].values()) for bar in stats["bars"]]
    assert counts == [0, 0, 0, 0, 0, 0, 0, 0, counts[8], counts[9]]
    assert sum(counts) == 5


def test_a_search_among_more_runs_than_it_looks_at_says_where_it_goes_on(
    api: Api, flow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plait.features.run_search.LOOK_AT", 3)
    monkeypatch.setattr("plait.features.run_search.SEARCH_SECONDS", -1)
    started = [api.start("etl", metadata=json.dumps({"n": n})) for n in range(8)]

    page = api.ask("runs", metadata="n:0")
    assert (page["items"], page["cut"]) == ([], True)
    assert page["next"] == started[5]
    page = api.ask("runs", metadata="n:0", before=page["next"])
    assert page["next"] == started[2]
    page = api.ask("runs", metadata="n:0", before=page["next"])
    assert [run["id"] for run in page["items"]] == [started[0]]
    assert page["next"] is None
    monkeypatch.setattr("plait.features.run_stats.CHARTED", 3)
    stats = api.ask("runs/stats")
    assert (stats["capped"], sum(stats["counts"].values())) == (True, 3)


def test_a_page_goes_on_looking_while_there_is_time(api: Api, flow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plait.features.run_search.LOOK_AT", 2)
    monkeypatch.setattr("plait.features.run_search.SEARCH_SECONDS", 60)
    started = [api.start("etl", metadata=json.dumps({"n": n % 3})) for n in range(9)]
    page = api.ask("runs", metadata="n:0", limit=2)
    assert [run["id"] for run in page["items"]] == [started[6], started[3]]
    page = api.ask("runs", metadata="n:0", limit=2, before=page["next"])
    assert ([run["id"] for run in page["items"]], page["next"]) == ([started[0]], None)


def test_active_runs_are_found_however_many_ended_since(
    api: Api, flow: Any, monkeypatch: pytest.MonkeyPatch, database: Any
) -> None:
    monkeypatch.setattr("plait.features.run_search.LOOK_AT", 2)
    old = api.start("etl")
    for _ in range(5):
        api.order(f"runs/{api.start('etl')}/cancel")

    assert [run["id"] for run in api.ask("runs", status="QUEUED")["items"]] == [old]
    assert api.ask("runs/stats", status="QUEUED")["counts"]["queued"] == 1


def test_active_runs_come_in_pages_too(api: Api, flow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plait.features.run_search.CANDIDATES", 2)
    started = [api.start("etl") for _ in range(5)]
    found: list[str] = []
    before: dict[str, str] = {}
    while True:
        page = api.ask("runs", status=["QUEUED", "RUNNING"], limit=2, **before)
        found += [run["id"] for run in page["items"]]
        if page["next"] is None:
            break
        before = {"before": page["next"]}
    assert found == sorted(started, reverse=True)


def test_child_runs_and_their_parent_know_each_other(api: Api, plait: Plait, work: Any) -> None:
    child = plait.task(name="child")(lambda input, ctx: None)
    parent = plait.workflow(name="parent")

    @parent.task()
    async def spawn(input: Any, ctx: Context) -> None:
        for _ in range(3):
            await child.aio_run()

    work(child, parent)
    run_id = api.start("parent")
    run = api.wait_run(run_id)

    assert run["children"] == 3
    assert run["tasks"][0]["children"] == 3
    first = api.ask(f"runs/{run_id}/children", limit=2)
    second = api.ask(f"runs/{run_id}/children", limit=2, after=first["next"])
    assert [child["task"] for child in [*first["items"], *second["items"]]] == ["spawn"] * 3
    assert second["next"] is None
    child = api.ask(f"runs/{first['items'][0]['run']['id']}")
    keys = ("trigger", "trigger_id", "trigger_name", "trigger_task")
    assert [child[key] for key in keys] == ["PARENT", run_id, "parent", "spawn"]


def test_a_run_that_does_not_exist_is_a_clear_404(api: Api) -> None:
    unknown = UUID(int=7)
    for path in ("", "/children", "/input", "/logs", "/tasks/0", "/tasks/0/output"):
        answer = api.get(f"runs/{unknown}{path}")
        assert answer.status_code == 404, path
        assert answer.json() == {
            "type": "not_found",
            "message": f"there is no run {unknown}; `plait runs list` shows those there are",
            "field": None,
            "hint": None,
        }


def test_tasks_that_wait_say_why(api: Api, flow: Any, plait: Plait, work: Any) -> None:
    run_id = api.start("etl")
    assert api.find_task(run_id, "extract")["why"] == "No live worker has this task's code."
    assert api.find_task(run_id, "load")["why"] == "It waits for its parent extract (queued)."

    worker = work(flow)
    run = api.wait_run(run_id)
    assert {task["why"] for task in run["tasks"]} == {None}
    worker.stop()


def test_a_full_worker_is_the_reason(api: Api, plait: Plait, work: Any, tmp_path: Any) -> None:
    gate = tmp_path / "gate"

    @plait.task(name="gated")
    async def gated(input: Any, ctx: Context) -> None:
        import asyncio  # noqa: PLC0415 - of the task

        while not gate.exists():
            await asyncio.sleep(0.01)

    work(gated, slots=1)
    running, queued = api.start("gated"), api.start("gated")
    api.wait_run(running, "RUNNING")

    def look() -> bool:
        return bool(
            api.find_task(queued, "gated")["why"] == "All slots of the worker that has its code are busy (1/1)."
        )

    eventually(look, "the queued task says why")
    gate.touch()
    api.wait_run(queued)
