"""A run to look at: lines on a terminal, a picture in a notebook, until it has ended."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest

from plait import Context, EmptyModel, Plait
from plait.errors import DefinitionError, NotFoundError, ResultTimeoutError
from plait.features.watch import LineScreen, NotebookScreen, RunWatch
from support.workers import WorkerThread

Work = Callable[..., WorkerThread]
MISSING = "01993b6e-0000-7000-8000-000000000000"


@pytest.fixture
def gate() -> threading.Event:
    return threading.Event()


@pytest.fixture
def flow(plait: Plait, gate: threading.Event) -> Any:
    flow = plait.workflow(name="Watched")

    @flow.task()
    def first(input: EmptyModel, ctx: Context) -> int:
        gate.wait(60)
        return 1

    @flow.task(parents=[first])
    async def second(input: EmptyModel, ctx: Context) -> int:
        raise ValueError("broken \x1b[31m<b>\nsecond line")

    @flow.task(parents=[second])
    async def third(input: EmptyModel, ctx: Context) -> int:
        return 1

    return flow


def test_a_program_sees_a_line_for_every_change(
    flow: Any, work: Work, gate: threading.Event, capsys: pytest.CaptureFixture[str]
) -> None:
    gate.set()
    work(flow)
    ref = flow.run_no_wait()
    ref.watch()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"run {ref.workflow_run_id} of Watched"
    assert re.fullmatch(r"COMPLETED  first  [\d.]+ m?s", next(line for line in lines if line.startswith("COMPLETED")))
    assert any(re.fullmatch(r"FAILED     second  \d+ ms  ValueError: broken \\x1b\[31m<b>", line) for line in lines)
    assert any(line.startswith("CANCELLED  third") for line in lines)
    assert re.fullmatch(r"Watched  FAILED  [\d.]+ m?s", lines[-1])


def test_what_has_not_changed_is_not_told_again(flow: Any, plait: Plait, capsys: pytest.CaptureFixture[str]) -> None:
    details = plait.runs.get_details(flow.run_no_wait().workflow_run_id)
    screen = LineScreen()
    for _ in range(2):
        screen.show(details, details.run.created_at)
    assert capsys.readouterr().out == f"run {details.run.workflow_run_id} of Watched\nQUEUED     first\n"


class Recorder:
    """Stands for ``IPython.display``: what a cell would show."""

    def __init__(self, on_show: Callable[[], None]) -> None:
        self.shown: list[dict[str, str]] = []
        self.made = 0
        self._on_show = on_show

    def display(self, data: dict[str, str], *, raw: bool, display_id: bool) -> Recorder:
        assert raw
        assert display_id
        self.made += 1
        self.update(data, raw=True)
        return self

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.shown.append(data)
        self._on_show()


async def test_a_notebook_has_one_picture_that_changes_until_the_run_has_ended(
    flow: Any, work: Work, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_when_seen_running() -> None:
        if "Running" in recorder.shown[-1]["text/html"]:
            gate.set()

    recorder = Recorder(open_when_seen_running)
    monkeypatch.setattr("plait.features.watch.importlib.import_module", lambda name: recorder)
    ref = await flow.aio_run_no_wait()
    work(flow)
    await RunWatch(ref._access, ref._run_id, None, NotebookScreen()).aio_run()
    assert recorder.made == 1
    last = recorder.shown[-1]
    assert last["text/plain"].startswith("Watched  FAILED")
    assert last["text/html"].count("<svg") == 1
    assert "second: ValueError: broken \\x1b[31m&lt;b&gt;" in last["text/html"]


async def test_watching_blocks_neither_the_loop_nor_goes_on_beyond_its_time(flow: Any, plait: Plait) -> None:
    ref = await flow.aio_run_no_wait()
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    with pytest.raises(ResultTimeoutError, match=f"run {ref.workflow_run_id} did not end within 0.01 s; it goes on"):
        await ref.aio_watch(timeout=0.01)
    ticking.cancel()
    assert ticks > 1
    assert await ref.aio_status() == "QUEUED"


def test_a_reference_shows_the_run_as_it_is_now(flow: Any, work: Work, gate: threading.Event, plait: Plait) -> None:
    ref = flow.run_no_wait()
    assert ref._repr_html_().count("Queued") == 1
    assert ref._repr_html_().count("Pending") == 2
    gate.set()
    work(flow)
    with pytest.raises(Exception, match="failed in 1 task"):
        ref.result()
    shown = plait.runs.get_run_ref(ref.workflow_run_id)._repr_html_()
    assert "Watched  FAILED" in shown
    assert shown.count("Completed") == shown.count("Cancelled") == 1


def test_a_reference_to_no_run_says_so_where_it_would_show_it(plait: Plait) -> None:
    ref = plait.runs.get_run_ref(MISSING)
    assert f"there is no run {MISSING}" in ref._repr_html_()
    with pytest.raises(NotFoundError, match=MISSING):
        ref.watch()


def test_a_reference_without_a_database_says_so() -> None:
    plait = Plait("postgresql://nobody@127.0.0.1:1/none")
    html = plait.runs.get_run_ref(MISSING)._repr_html_()
    plait.close()
    assert html.startswith("<pre>&lt;WorkflowRunRef")
    assert "127.0.0.1" in html or "does not answer" in html


async def test_a_standalone_task_can_be_watched_where_a_loop_runs(
    plait: Plait, work: Work, capsys: pytest.CaptureFixture[str]
) -> None:
    @plait.task(name="hello")
    async def hello(input: EmptyModel, ctx: Context) -> int:
        return 1

    work(hello)
    ref = hello.run_no_wait()
    ref.watch(timeout=60)
    assert "hello  COMPLETED" in capsys.readouterr().out
    assert "Completed" in ref._repr_html_()


def test_a_run_of_very_many_tasks_is_counted_where_it_would_be_drawn(plait: Plait) -> None:
    flow = plait.workflow(name="Chain")
    last = None
    for number in range(1_001):
        last = flow.task(name=f"t{number}", parents=[last] if last else [])(lambda input, ctx: None)
    html = flow.run_no_wait()._repr_html_()
    assert "<svg" not in html
    assert "1,001 tasks: 1 QUEUED, 1,000 PENDING" in html


def test_a_task_on_the_loop_may_not_block_it_by_watching(plait: Plait, work: Work) -> None:
    other = plait.workflow(name="Other")

    @other.task()
    async def one(input: EmptyModel, ctx: Context) -> int:
        return 1

    @plait.task(name="blocking")
    async def blocking(input: EmptyModel, ctx: Context) -> str:
        ref = await other.aio_run_no_wait()
        try:
            ref.watch()
        except DefinitionError as error:
            return str(error)
        return "it blocked"

    work(other, blocking)
    assert "write await aio_watch()" in blocking.run()
