"""What tasks log: stored apart from their outcomes, bounded, found again."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from plait import Context, Plait
from plait.client import get_access
from plait.errors import InvalidInputError, NotFoundError
from plait.worker import logs
from server.conftest import Api
from support.waiting import eventually

log = logging.getLogger("tests.tasks")


@pytest.fixture(autouse=True)
def _log_everything() -> Iterator[None]:
    log.setLevel(logging.DEBUG)
    yield
    log.setLevel(logging.NOTSET)


def wait_lines(plait: Plait, run_id: str, count: int, **options: Any) -> list[Any]:
    """The lines of a run, once there are so many."""

    def look() -> Any:
        lines = plait.runs.list_logs(run_id, limit=1000, **options)
        return lines if len(lines) >= count else None

    lines: list[Any] = eventually(look, f"{count} lines of run {run_id}") if count else look()
    return lines


def test_lines_of_both_kinds_of_tasks_are_stored_in_order(plait: Plait, work: Any) -> None:
    flow = plait.workflow(name="chatty")

    @flow.task()
    def first(input: Any, ctx: Context) -> None:
        for number in range(3):
            ctx.log(f"first {number}")

    @flow.task(parents=[first])
    async def second(input: Any, ctx: Context) -> None:
        await ctx.aio_log({"second": 1})

    work(flow)
    ref = flow.run_no_wait()
    ref.result()
    lines = wait_lines(plait, ref.workflow_run_id, 4)
    assert [(line.task_name, line.text, line.level, line.attempt_number) for line in lines] == [
        ("first", "first 0", "INFO", 1),
        ("first", "first 1", "INFO", 1),
        ("first", "first 2", "INFO", 1),
        ("second", "{'second': 1}", "INFO", 1),
    ]
    assert lines[0].at <= lines[-1].at


def test_lines_are_found_by_task_text_and_page(plait: Plait, work: Any, api: Api) -> None:
    flow = plait.workflow(name="chatty")

    @flow.task()
    def one(input: Any, ctx: Context) -> None:
        for number in range(10):
            ctx.log(f"Line {number}")

    @flow.task(parents=[one])
    def two(input: Any, ctx: Context) -> None:
        ctx.log("100 % of_it")

    work(flow)
    ref = flow.run_no_wait()
    run_id = ref.workflow_run_id
    ref.result()
    wait_lines(plait, run_id, 11)

    assert [line.text for line in plait.runs.list_logs(run_id, search="LINE 7")] == ["Line 7"]
    assert [line.text for line in plait.runs.list_logs(run_id, search="% of_")] == ["100 % of_it"]
    assert len(plait.runs.list_logs(run_id, task="two")) == 1
    found, after = [], None
    while page := plait.runs.list_logs(run_id, limit=3, after=after):
        found += [line.text for line in page]
        after = page[-1].cursor
    assert found == [*(f"Line {number}" for number in range(10)), "100 % of_it"]

    page = api.ask(f"runs/{run_id}/logs", limit=4, task=0)
    assert ([line["text"] for line in page["lines"]][-1], page["more"]) == ("Line 3", True)
    page = api.ask(f"runs/{run_id}/logs", after=page["next"], search="line", attempt=1)
    assert [line["text"] for line in page["lines"]] == [f"Line {number}" for number in range(4, 10)]
    assert api.ask(f"runs/{run_id}/logs", after=page["next"], search="line")["next"] == page["next"]
    assert api.ask(f"runs/{run_id}/tasks/0")["logs"]

    with pytest.raises(NotFoundError, match="did you mean 'two'"):
        plait.runs.list_logs(run_id, task="tow")
    for wrong in ({"after": "x"}, {"limit": 0}, {"search": "\0"}):
        with pytest.raises(InvalidInputError):
            plait.runs.list_logs(run_id, **wrong)


def test_every_attempt_has_its_own_lines(plait: Plait, work: Any) -> None:
    @plait.task(name="flaky", retries=1)
    def flaky(input: Any, ctx: Context) -> None:
        ctx.log("trying")
        if ctx.retry_count == 0:
            raise ValueError

    work(flaky)
    ref = flaky.run_no_wait()
    ref.result()
    assert [line.attempt_number for line in wait_lines(plait, ref.workflow_run_id, 2)] == [1, 2]


def test_what_a_task_logs_by_logging_is_stored_where_that_is_switched_on(plait: Plait, work: Any) -> None:
    @plait.task(name="native")
    def native(input: Any, ctx: Context) -> None:
        log.debug("%d rows", 5)
        logging.getLogger("plait.anything").error("Plait's own")
        try:
            raise ValueError("no such table")
        except ValueError:
            log.exception("load failed")

    worker = work(native, capture_logs=True)
    ref = native.run_no_wait()
    ref.result()
    lines = wait_lines(plait, ref.workflow_run_id, 2)
    assert [(line.level, line.text.splitlines()[0]) for line in lines] == [
        ("DEBUG", "5 rows"),
        ("ERROR", "load failed"),
    ]
    assert "ValueError: no such table" in lines[1].text
    worker.stop()
    log.error("outside of a task")

    work(native)
    ref = native.run_no_wait()
    ref.result()
    assert plait.runs.list_logs(ref.workflow_run_id) == []


def test_the_environment_switches_it_on(plait: Plait, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAIT_CAPTURE_LOGS", "1")
    assert plait.worker("w")._capture_logs
    assert not plait.worker("w", capture_logs=False)._capture_logs
    monkeypatch.setenv("PLAIT_CAPTURE_LOGS", "0")
    assert not plait.worker("w")._capture_logs


def test_an_attempt_that_writes_too_much_is_cut(plait: Plait, work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MOST_LINES", 20)

    @plait.task(name="loud")
    def loud(input: Any, ctx: Context) -> None:
        for number in range(1000):
            ctx.log(number)

    @plait.task(name="wide")
    def wide(input: Any, ctx: Context) -> None:
        for _ in range(19):
            ctx.log("x" * 100_000)

    work(loud, wide)
    ref = loud.run_no_wait()
    ref.result()
    lines = wait_lines(plait, ref.workflow_run_id, 21)
    assert len(lines) == 21
    assert lines[-1].level == "WARNING"
    assert lines[-1].text.startswith("… cut")

    ref = wide.run_no_wait()
    ref.result()
    lines = wait_lines(plait, ref.workflow_run_id, 19)
    assert lines[0].text.endswith("90000 characters left out")


def test_hostile_lines_are_stored_in_a_readable_form(plait: Plait, work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # What pytest captures of them goes into its report, which xdist could not send.
    monkeypatch.setattr(logging.getLogger("plait.task"), "propagate", False)

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    @plait.task(name="hostile")
    def hostile(input: Any, ctx: Context) -> None:
        for line in ("NUL \0", "surrogate \ud800", Broken(), "two\nlines", "\x1b[31mred", "", None):
            ctx.log(line)

    logging.raiseExceptions, before = False, logging.raiseExceptions
    try:
        work(hostile)
        ref = hostile.run_no_wait()
        ref.result()
    finally:
        logging.raiseExceptions = before
    assert [line.text for line in wait_lines(plait, ref.workflow_run_id, 7)] == [
        "NUL \\0",
        "surrogate \\ud800",
        "<Broken whose text cannot be made: RuntimeError>",
        "two\nlines",
        "\x1b[31mred",
        "",
        "None",
    ]


def test_lines_wait_out_an_outage_of_the_database(plait: Plait, work: Any, own_server: Any, tmp_path: Any) -> None:
    begun, gate = tmp_path / "begun", tmp_path / "gate"

    @plait.task(name="patient")
    async def patient(input: Any, ctx: Context) -> None:
        import asyncio  # noqa: PLC0415 - of the task

        ctx.log("before")
        begun.touch()
        while not gate.exists():
            await asyncio.sleep(0.01)
        ctx.log("during")

    work(patient)
    ref = patient.run_no_wait()
    eventually(begun.exists, "the task runs")
    own_server.stop(immediate=True)
    gate.touch()
    own_server.start()
    ref.result(timeout=60)
    assert [line.text for line in wait_lines(plait, ref.workflow_run_id, 2)] == ["before", "during"]


def test_lines_beyond_what_memory_may_hold_are_dropped_with_a_warning(
    plait: Plait, work: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logs, "PENDING_LINES", 5)

    @plait.task(name="fast")
    def fast(input: Any, ctx: Context) -> None:
        for number in range(100):
            ctx.log(number)

    work(fast)
    fast.run()
    eventually(lambda: "were dropped" in caplog.text, "a warning")


def test_sending_lines_again_adds_none(plait: Plait, database: Any) -> None:
    async def send() -> None:
        engine = await get_access(plait).open_engine()
        row = logs.LogRow(UUID(int=1), 5, 0, 1, 20, "once")
        await engine.store.dashboard.insert_logs([row, row])
        await engine.store.dashboard.insert_logs([row])

    get_access(plait).portal.call(send())
    assert database.count("log") == 1


def test_a_log_never_delays_the_outcome(plait: Plait, work: Any, database: Any) -> None:
    """The table is locked, as by a long migration: tasks that log end all the same."""
    import psycopg  # noqa: PLC0415 - a session of its own

    @plait.task(name="chatty")
    def chatty(input: Any, ctx: Context) -> str:
        ctx.log("hello")
        return "done"

    work(chatty)
    with psycopg.connect(database.url) as blocker:
        blocker.execute("LOCK TABLE plait.log IN ACCESS EXCLUSIVE MODE")
        ref = chatty.run_no_wait()
        assert ref.result(timeout=20) == "done"
        blocker.rollback()
    assert [line.text for line in wait_lines(plait, ref.workflow_run_id, 1)] == ["hello"]


def test_json_lines_are_for_programs(plait: Plait, work: Any) -> None:
    @plait.task(name="json")
    def task(input: Any, ctx: Context) -> None:
        ctx.log(json.dumps({"n": 2**70}))

    work(task)
    ref = task.run_no_wait()
    ref.result()
    assert json.loads(wait_lines(plait, ref.workflow_run_id, 1)[0].text) == {"n": 2**70}
