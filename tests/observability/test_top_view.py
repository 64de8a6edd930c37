"""The picture of ``plait top`` as lines, whatever shows them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from plait.cli.top_view import build_picture, draw_bar, share_rows
from plait.features.activity import (
    Activity,
    BusyTask,
    BusyWorker,
    SlowTask,
    TaskQueue,
    build_pace,
    build_queue_metrics,
)
from plait.features.workers import WorkerStatus

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def make_worker(number: int, status: WorkerStatus = WorkerStatus.ACTIVE) -> BusyWorker:
    return BusyWorker(
        id=f"id-{number}",
        name=f"worker-{number}",
        status=status,
        host="host",
        pid=number,
        slots=10,
        slots_in_use=5,
        labels={},
        serves={},
        plait_version="0",
        started_at=NOW,
        ended_at=None,
        heartbeat_age=1.0,
        running=(BusyTask("etl", "load", 5, NOW),),
    )


def make_activity(workers: int = 3, workflows: int = 3, slow: int = 3) -> Activity:
    queues = [
        TaskQueue(f"flow-{n}", "task", ready=n, running=1, oldest_ready_at=NOW - timedelta(seconds=n))
        for n in range(workflows)
    ]
    return Activity(
        NOW,
        (build_pace(10, 1200, 12), build_pace(60, 90, 0), build_pace(300, 0, 0)),
        tuple(make_worker(n) for n in range(workers)),
        build_queue_metrics(queues, ()),
        tuple(SlowTask(f"run-{n}", "etl", "load", 1, "id-1", NOW - timedelta(minutes=n)) for n in range(slow)),
    )


@pytest.mark.parametrize("height", [1, 5, 8, 15, 24, 60])
@pytest.mark.parametrize("width", [20, 80, 200])
def test_the_picture_is_never_larger_than_the_screen(width: int, height: int) -> None:
    lines = build_picture(make_activity(50, 50, 50), width=width, height=height)
    assert len(lines) <= height
    assert max(len(line.text) for line in lines) <= width
    assert lines[0].text.startswith("slots ")


def test_the_picture_says_what_goes_on() -> None:
    text = "\n".join(line.text for line in build_picture(make_activity(), width=140, height=None))
    assert "15 of 30   3 workers   3 ready   3 running   0 waiting" in text
    assert re.search(r"attempts +120/s +1\.5/s +0\.0/s", text)
    assert re.search(r"failed +1\.0% +0\.0% +-", text)
    assert re.search(r"^flow-2 +2 +1 +0 +2\.0 s$", text, re.M)
    assert re.search(r"^worker-1 +ACTIVE +host pid 1 +5/10 +etl\.load 5$", text, re.M)
    assert re.search(r"^etl\.load +2 m 00 s +1 +worker-1 +run-2$", text, re.M)


def test_tasks_of_a_workflow_are_added_up_and_the_oldest_of_them_counts() -> None:
    queues = (
        TaskQueue("flow", "first", ready=2, oldest_ready_at=NOW - timedelta(seconds=3)),
        TaskQueue("flow", "second", ready=3, waiting=1, oldest_ready_at=NOW - timedelta(seconds=50)),
        TaskQueue("flow", "third", running=4),
    )
    lines = build_picture(Activity(NOW, (), (), build_queue_metrics(queues, ()), ()), width=140, height=None)
    assert re.search(r"^flow +5 +4 +1 +50\.0 s$", "\n".join(line.text for line in lines), re.M)


def test_what_has_no_room_is_counted() -> None:
    text = "\n".join(line.text for line in build_picture(make_activity(3, 30, 3), width=140, height=24))
    (hidden,) = re.findall(r"^\.\.\. (\d+) more$", text, re.M)
    assert text.count("flow-") + int(hidden) == 30
    assert text.index("flow-29") < text.index("flow-28"), "the longest queue first"


def test_silent_workers_are_a_warning_and_their_slots_no_room() -> None:
    activity = make_activity(0)
    late = Activity(NOW, activity.paces, (make_worker(1), make_worker(2, WorkerStatus.LATE)), activity.queues, ())
    lines = build_picture(late, width=140, height=None)
    assert "5 of 10   1 worker " in lines[0].text
    assert (lines[1].kind, lines[1].text) == ("warning", "1 worker is past the lease without a heartbeat")


def test_names_of_others_cannot_move_the_cursor() -> None:
    queue = TaskQueue("evil\x1b[2J\nname", "task", ready=1)
    lines = build_picture(Activity(NOW, (), (), build_queue_metrics((queue,), ()), ()), width=100, height=None)
    assert not [line for line in lines if "\x1b" in line.text or "\n" in line.text]


def test_rows_are_shared_so_that_each_table_has_some() -> None:
    assert share_rows([10, 1, 10], 11) == [5, 1, 5]
    assert share_rows([10, 10, 10], 0) == [2, 2, 2]
    assert share_rows([1, 0, 2], 100) == [1, 0, 2]
    assert share_rows([], 5) == []


def test_a_bar_is_as_full_as_the_slots() -> None:
    assert [draw_bar(used, 4, 4, unicode=False) for used in (0, 1, 4, 9)] == ["....", "#...", "####", "####"]
    assert draw_bar(0, 0, 3) == "░░░"
