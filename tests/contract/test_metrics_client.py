"""``plait.metrics``: counts of what waits and runs, and of what became of runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from plait import Context, EmptyModel, InvalidInputError, Plait, UserEventCondition
from plait.features import metrics
from plait.features.metrics import RunCounts, TaskCounts
from support.waiting import eventually

Work = Callable[..., Any]


@pytest.fixture
def flows(plait: Plait) -> Any:
    """Workflows that end in every way; ``door`` holds a task, ``never`` is waited for."""

    class Flows:
        door = threading.Event()

    @plait.task(name="held")
    def held(input: EmptyModel, ctx: Context) -> None:
        Flows.door.wait(30)

    @plait.task(name="parked", wait_for=[UserEventCondition("never")])
    def parked(input: EmptyModel, ctx: Context) -> None: ...

    pair = plait.workflow(name="pair")

    @pair.task()
    def first(input: EmptyModel, ctx: Context) -> None:
        if (input.model_extra or {}).get("fail"):
            raise ValueError("no")

    @pair.task(parents=[first])
    def second(input: EmptyModel, ctx: Context) -> None: ...

    Flows.held, Flows.parked, Flows.pair = held, parked, pair  # type: ignore[attr-defined]
    yield Flows
    Flows.door.set()


def test_queues_are_counted_by_workflow_and_task(plait: Plait, flows: Any, work: Work) -> None:
    assert plait.metrics.get_queue_metrics().queues == ()
    for _ in range(3):
        flows.pair.run_no_wait()
    for _ in range(4):
        flows.held.run_no_wait()
    flows.parked.run_no_wait()
    work(flows.parked)
    work(flows.held, slots=2)

    def look() -> Any:
        found = plait.metrics.get_queue_metrics()
        # What is ready is counted before what runs: a claim may come between the two.
        return found if (found.ready, found.running, found.waiting) == (5, 2, 1) else None

    found = eventually(look, "two run and one waits")
    counts = {(one.workflow, one.task): (one.ready, one.running, one.waiting) for one in found.queues}
    assert counts == {("held", "held"): (2, 2, 0), ("pair", "first"): (3, 0, 0), ("parked", "parked"): (0, 0, 1)}
    assert (found.ready, found.capped) == (5, False)
    assert [task.oldest_running_at is not None for task in found.queues] == [True, False, False]
    [pair] = plait.metrics.get_queue_metrics(workflow_names=["pair"]).queues
    assert pair.oldest_ready_at is not None
    stats = plait.metrics.get_task_stats()
    assert set(stats) == {"held:held", "pair:first", "parked:parked"}
    assert (stats["held:held"].queued.total, stats["held:held"].running.total) == (2, 2)
    assert stats["pair:first"].queued.oldest == pair.oldest_ready_at


def test_a_long_queue_is_counted_up_to_the_cap_and_says_so(
    plait: Plait, flows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "_FIRST_LOOK", 2)
    monkeypatch.setattr(metrics, "MOST_COUNTED", 5)
    for _ in range(7):
        flows.pair.run_no_wait()
    for _ in range(3):
        flows.held.run_no_wait()
    held, pair = plait.metrics.get_queue_metrics().queues
    assert (held.ready, held.capped) == (3, False)
    assert (pair.ready, pair.capped) == (5, True)
    monkeypatch.setattr(metrics, "_MOST_IN_ALL", 6)
    held, pair = plait.metrics.get_queue_metrics().queues
    assert [(held.ready, held.capped), (pair.ready, pair.capped)] == [(3, True), (3, True)]


def test_outcomes_of_runs_and_tasks_are_counted(plait: Plait, flows: Any, work: Work) -> None:
    empty = plait.metrics.get_task_metrics()
    assert (empty.runs, empty.tasks, empty.capped) == (RunCounts(), TaskCounts(), False)
    cancelled = flows.pair.run_no_wait()
    plait.runs.cancel(cancelled.workflow_run_id)
    worker = work(flows.pair)
    flows.pair.run()
    flows.pair.run_no_wait({"fail": True})
    eventually(lambda: plait.metrics.get_task_metrics().runs.failed == 1, "the run failed")
    worker.stop()
    flows.pair.run_no_wait()
    flows.held.run_no_wait()
    work(flows.held)
    eventually(lambda: plait.metrics.get_task_metrics().tasks.running == 1, "the task runs")
    found = plait.metrics.get_task_metrics()
    assert found.runs == RunCounts(queued=1, running=1, completed=1, failed=1, cancelled=1)
    # failed: `first`, and its child `second` cancelled; cancelled before its turn: both.
    assert found.tasks == TaskCounts(pending=1, queued=1, running=1, completed=2, failed=1, cancelled=3)
    of_one = plait.metrics.get_task_metrics(workflow_names=["held"])
    assert (of_one.runs, of_one.tasks) == (RunCounts(running=1), TaskCounts(running=1))
    assert plait.metrics.get_task_metrics(workflow_names=["nobody"]).runs == RunCounts()


def test_only_runs_of_the_given_time_are_counted(plait: Plait, flows: Any) -> None:
    flows.pair.run_no_wait()
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    assert plait.metrics.get_task_metrics(since=now - hour, until=now + hour).runs.queued == 1
    assert plait.metrics.get_task_metrics(since=now + hour, until=now + 2 * hour).runs.queued == 0
    before = plait.metrics.get_task_metrics(since=now - 2 * hour, until=now - hour)
    assert (before.runs.queued, before.tasks.queued) == (0, 0)
    assert plait.metrics.get_task_metrics(until=now + hour).since == now + hour - timedelta(days=1)
    everything = plait.metrics.get_task_metrics(
        since=datetime.min.replace(tzinfo=UTC), until=datetime.max.replace(tzinfo=UTC)
    )
    assert everything.runs.queued == 1


def test_of_too_many_runs_the_newest_are_counted_and_it_says_so(
    plait: Plait, flows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "MOST_COUNTED", 2)
    for _ in range(2):
        flows.pair.run_no_wait()
    assert plait.metrics.get_task_metrics().capped is False
    for _ in range(3):
        flows.held.run_no_wait()
    found = plait.metrics.get_task_metrics(workflow_names=["held", "pair"])
    assert (found.capped, found.runs.queued, found.tasks.queued) == (True, 3, 3)
    assert plait.metrics.get_task_metrics(workflow_names=["pair"]).runs.queued == 0


async def test_every_question_can_be_asked_from_a_loop(plait: Plait, flows: Any) -> None:
    await flows.pair.aio_run_no_wait()
    assert (await plait.metrics.aio_get_queue_metrics()).ready == 1
    assert (await plait.metrics.aio_get_task_metrics()).runs.queued == 1
    assert list(await plait.metrics.aio_get_task_stats()) == ["pair:first"]


def test_a_bad_question_is_refused(plait: Plait) -> None:
    now = datetime.now(UTC)
    questions: list[Callable[[], Any]] = [
        lambda: plait.metrics.get_task_metrics(since=now, until=now - timedelta(hours=1)),
        lambda: plait.metrics.get_task_metrics(since=now.replace(tzinfo=None)),
        lambda: plait.metrics.get_task_metrics(until="now"),  # type: ignore[arg-type]
        lambda: plait.metrics.get_task_metrics(workflow_names="pair"),
        lambda: plait.metrics.get_task_metrics(workflow_names=["\0"]),
        lambda: plait.metrics.get_queue_metrics(workflow_names=["\ud800"]),
    ]
    for ask in questions:
        with pytest.raises(InvalidInputError):
            ask()
