"""One vocabulary: what Python, REST and ``-o json`` call things, on a database that has something of every kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from plait import Context, Plait
from plait.cli import execute
from plait.features.run_search import RunFilter
from plait.features.shapes import Answer
from server.conftest import Api
from support.waiting import eventually

WRITTEN_BY_USERS = {"input", "output", "payload", "metadata", "labels", "input_schema", "serves"}
"""What stands below these keys are the users' own words."""
FOREIGN = {"workflow_run_id", "workflow_name", "task_name", "attempt_number", "additional_metadata", "exc", "exc_type"}
"""What users declare and call with, or other libraries say; not what an answer says."""


def list_paths(value: Any, path: str = "") -> set[str]:
    """Every key of an answer with those above it, ``tasks.error.type``; of an object in Python its attributes."""
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, dict) and value and all(map(is_dataclass, value.values())):  # in Python, tasks by name
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return {found for member in value for found in list_paths(member, path)}
    if not isinstance(value, dict):
        return set()
    below = {key: member for key, member in value.items() if key not in WRITTEN_BY_USERS}
    own = {f"{path}{key}" for key in value}
    return own | {found for key, member in below.items() for found in list_paths(member, f"{path}{key}.")}


@pytest.fixture
def command(
    database: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Any
) -> Callable[..., Any]:
    """Runs ``plait … -o json`` in this process; what it printed, of several lines the first."""
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Any:
        capfd.readouterr()
        code = execute([*arguments, "-o", "json"])
        out, err = capfd.readouterr()
        assert code in (0, 1), err
        return json.loads(out.partition("\n")[0] if out.startswith('{"') else out)

    return run


@pytest.fixture
def shop(plait: Plait, work: Any, api: Api, tmp_path: Any) -> Iterator[dict[str, str]]:
    """Something of everything; the ids of what is asked for. ``busy`` runs while the test does."""
    gate = tmp_path / "gate"

    @plait.task(name="child")
    def child(input: Any, ctx: Context) -> int:
        return 1

    flow = plait.workflow(name="flow", on_events=["made"], on_crons=["@daily"])

    @flow.task()
    async def spread(input: Any, ctx: Context) -> int:
        ctx.log("hello")
        return await child.aio_run()

    @flow.task(retries=1, parents=[spread])
    def broken(input: Any, ctx: Context) -> None:
        raise ValueError("no such table")

    @plait.task(name="busy", execution_timeout="5m")
    async def busy(input: Any, ctx: Context) -> None:
        import asyncio  # noqa: PLC0415 - of the task

        while not gate.exists():
            await asyncio.sleep(0.02)

    thread = work(child, flow, busy)
    run = flow.run_no_wait({"n": 1}, additional_metadata={"user": 7})
    running = busy.run_no_wait()
    event = plait.event.push("made", {"n": 2}, additional_metadata={"user": 8}, scope="s")
    cron = plait.cron.create("child", "often", "0 3 * * *", {"n": 3})
    scheduled = plait.scheduled.create("child", datetime.now(UTC) + timedelta(days=1))
    rule = plait.filters.create("child", "true", "s", {"n": 4})
    api.wait_run(run.workflow_run_id)
    api.wait_run(running.workflow_run_id, "RUNNING")
    eventually(lambda: plait.event.get(event.id).runs, "the event starts a run")
    eventually(lambda: plait.runs.list_logs(run.workflow_run_id), "the line is stored")
    yield {
        "run": run.workflow_run_id,
        "event": event.id,
        "cron": cron.id,
        "scheduled": scheduled.id,
        "filter": rule.id,
        "worker": str(thread.worker.id),
        "version": str(plait.workflows.get("flow").version_id),
    }
    gate.touch()


Question = tuple[Callable[[Plait, dict[str, str]], Any], str | None, tuple[str, ...] | None]

QUESTIONS: dict[str, Question] = {
    "runs": (lambda p, _: p.runs.list(), "runs", ("runs", "list")),
    "run": (lambda p, it: p.runs.get_details(it["run"]), "runs/{run}", ("runs", "show", "{run}")),
    "task": (lambda p, it: p.runs.get_task(it["run"], "broken"), "runs/{run}/tasks/1", None),
    "child runs": (lambda p, it: p.runs.list_children(it["run"]), "runs/{run}/children", None),
    "counts": (lambda p, _: p.runs.get_stats(), "runs/stats", None),
    "log lines": (lambda p, it: p.runs.list_logs(it["run"]), "runs/{run}/logs", None),
    "log line": (lambda p, it: p.runs.list_logs(it["run"])[0], None, ("runs", "logs", "{run}")),
    "events": (lambda p, _: p.event.list(), "events", ("events", "list")),
    "event": (lambda p, it: p.event.get(it["event"]), "events/{event}", ("events", "show", "{event}")),
    "crons": (lambda p, _: p.cron.list(), "crons", ("crons", "list")),
    "cron": (lambda p, it: p.cron.get(it["cron"]), None, ("crons", "show", "{cron}")),
    "cron preview": (lambda p, _: p.cron.preview("@daily"), "crons/preview?expression=@daily", None),
    "scheduled runs": (lambda p, _: p.scheduled.list(), "scheduled", ("scheduled", "list")),
    "scheduled run": (
        lambda p, it: p.scheduled.get(it["scheduled"]),
        None,
        ("scheduled", "update", "{scheduled}", "2d"),
    ),
    "filters": (lambda p, _: p.filters.list(), "filters", ("filters", "list")),
    "workers": (lambda p, _: p.workers.list(), "workers", ("workers", "list")),
    "worker": (lambda p, it: p.workers.get(it["worker"]), "workers/{worker}", ("workers", "show", "{worker}")),
    "workflows": (lambda p, _: p.workflows.list(), "workflows", ("workflows", "list")),
    "workflow": (lambda p, _: p.workflows.get("flow"), "workflows/flow", ("workflows", "show", "flow")),
    "versions": (lambda p, _: p.workflows.list_versions("flow"), "workflows/flow/versions", None),
    "version diff": (
        lambda p, it: p.workflows.compare("flow", int(it["version"]), int(it["version"])),
        "workflows/flow/diff?before={version}&after={version}",
        None,
    ),
    "workflow stats": (lambda p, _: p.workflows.get_stats("flow"), "workflows/flow/stats", None),
    "queues": (lambda p, _: p.metrics.get_queue_metrics(), "queues", None),
    "activity": (lambda p, _: p.metrics.get_activity(), None, ("top",)),
}


def test_python_rest_and_command_line_use_the_same_keys(
    api: Api, plait: Plait, shop: dict[str, str], command: Callable[..., Any]
) -> None:
    for kind, (ask, path, arguments) in QUESTIONS.items():
        keys = list_paths(ask(plait, shop), ".")
        assert keys, kind
        if path is not None:
            place, _, query = path.format(**shop).partition("?")
            assert list_paths(api.ask(place, **dict(parse_qsl(query))), ".") == keys, f"{kind} in REST"
        if arguments is not None:
            told = command(*(word.format(**shop) for word in arguments))
            assert list_paths(told, ".") == keys, f"{kind} on the command line"


def test_every_kind_of_error_attempt_and_payload_was_among_them(api: Api, plait: Plait, shop: dict[str, str]) -> None:
    keys = list_paths(api.ask(f"runs/{shop['run']}"), ".")
    assert {".tasks.attempts.error.type", ".tasks.error.message", ".tasks.output", ".metadata", ".input"} <= keys
    assert ".running.run_id" in list_paths(api.ask(f"workers/{shop['worker']}"), ".")
    assert ".runs.items.trigger_id" in list_paths(plait.event.get(shop["event"]), ".")


def test_orders_about_many_answer_alike(
    api: Api, plait: Plait, shop: dict[str, str], command: Callable[..., Any]
) -> None:
    keys = list_paths(plait.runs.bulk_cancel(filter=RunFilter(), dry_run=True))
    assert list_paths(api.order("runs/bulk/cancel", {"filter": {}, "dry_run": True})) == keys
    assert list_paths(command("runs", "cancel", "--all", "--dry-run")) == keys


def test_no_answer_has_a_word_of_its_own_for_what_others_name() -> None:
    def iter_answers(base: type) -> Iterator[type]:
        for kind in base.__subclasses__():
            yield kind
            yield from iter_answers(kind)

    for kind in iter_answers(Answer):
        if is_dataclass(kind):
            assert not FOREIGN & {field.name for field in fields(kind)}, kind
