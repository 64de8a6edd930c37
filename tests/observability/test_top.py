"""``plait top``: the picture as lines, printed once, and live on a real pseudo-terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from observability.conftest import BRISK
from plait import Context, EmptyModel, Plait
from plait.cli.top_view import build_picture, draw_bar, share_rows
from plait.features.activity import Activity, BusyTask, BusyWorker, Pace, QueueMetrics, SlowTask, TaskQueue
from plait.features.workers import WorkerStatus, WorkerSummary
from support.database import Database
from support.waiting import DEADLINE_SECONDS

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
COMMAND = [sys.executable, "-P", "-m", "plait", "top"]


@pytest.fixture
def plait(database: Database) -> Iterator[Plait]:
    plait = Plait(database.url)
    yield plait
    plait.close()


# the picture


def make_worker(number: int, status: WorkerStatus = WorkerStatus.ACTIVE) -> BusyWorker:
    summary = WorkerSummary(
        f"id-{number}", f"worker-{number}", status, "host", number, 10, 5, {}, {}, "0", NOW, None, 1.0
    )
    return BusyWorker(summary, (BusyTask("etl", "load", 5, NOW),))


def make_activity(workers: int = 3, workflows: int = 3, slow: int = 3) -> Activity:
    queues = [
        TaskQueue(f"flow-{n}", "task", ready=n, running=1, oldest_ready_at=NOW - timedelta(seconds=n))
        for n in range(workflows)
    ]
    return Activity(
        NOW,
        (Pace(10, 1200, 12), Pace(60, 90, 0), Pace(300, 0, 0)),
        tuple(make_worker(n) for n in range(workers)),
        QueueMetrics(tuple(queues)),
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
    assert (lines[1].kind, lines[1].text) == ("warning", "1 worker is silent for longer than the lease")


def test_names_of_others_cannot_move_the_cursor() -> None:
    queue = TaskQueue("evil\x1b[2J\nname", "task", ready=1)
    lines = build_picture(Activity(NOW, (), (), QueueMetrics((queue,)), ()), width=100, height=None)
    assert not [line for line in lines if "\x1b" in line.text or "\n" in line.text]


def test_rows_are_shared_so_that_each_table_has_some() -> None:
    assert share_rows([10, 1, 10], 11) == [5, 1, 5]
    assert share_rows([10, 10, 10], 0) == [2, 2, 2]
    assert share_rows([1, 0, 2], 100) == [1, 0, 2]
    assert share_rows([], 5) == []


def test_a_bar_is_as_full_as_the_slots() -> None:
    assert [draw_bar(used, 4, 4, unicode=False) for used in (0, 1, 4, 9)] == ["....", "#...", "####", "####"]
    assert draw_bar(0, 0, 3) == "░░░"


# the command


@pytest.fixture
def busy(plait: Plait, work: Any) -> Iterator[Any]:
    """A worker that runs one task, has ended one, and lacks the code of a third."""
    gate, begun = threading.Event(), threading.Event()

    @plait.task(name="hold")
    def hold(input: EmptyModel, ctx: Context) -> None:
        begun.set()
        gate.wait(60)

    @plait.task(name="quick")
    def quick(input: EmptyModel, ctx: Context) -> None: ...

    @plait.task(name="unserved")
    def unserved(input: EmptyModel, ctx: Context) -> None: ...

    work(hold, quick, timings=BRISK, slots=4)
    unserved.run_no_wait()
    quick.run()
    hold.run_no_wait()
    assert begun.wait(30)
    yield gate
    gate.set()


def run_top(database: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "DATABASE_URL": database.url, "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        [*COMMAND, *arguments], env=env, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False
    )


def test_one_picture_for_scripts(database: Database, plait: Plait, busy: Any) -> None:
    database.wait("SELECT bool_or(pace[5] = 1) FROM plait.worker")
    done = run_top(database, "-o", "json")
    assert done.returncode == 0, done.stderr
    picture = json.loads(done.stdout)
    assert [(pace["seconds"], pace["ended"], pace["failed"]) for pace in picture["paces"]][-1] == (300, 1, 0)
    (worker,) = picture["workers"]
    assert (worker["slots"], worker["slots_in_use"], worker["status"]) == (4, 1, "ACTIVE")
    assert [(task["workflow_name"], task["running"]) for task in worker["running"]] == [("hold", 1)]
    queues = {queue["workflow_name"]: (queue["ready"], queue["running"]) for queue in picture["queues"]}
    assert queues == {"hold": (0, 1), "unserved": (1, 0)}
    assert [task["task_name"] for task in picture["slowest"]] == ["hold"]
    text = run_top(database, "--once").stdout
    assert re.search(r"^unserved +1 +0 +0 ", text, re.M)


def test_without_a_terminal_it_says_what_to_do_instead(database: Database) -> None:
    done = run_top(database)
    assert done.returncode == 2, done.stderr
    assert "plait top --once" in done.stderr


class Screen:
    """``plait top`` on a pseudo-terminal; what it shows is the last frame it has drawn."""

    def __init__(self, database: Database, *, rows: int = 24, columns: int = 120) -> None:
        self.master, slave = pty.openpty()
        self.resize(rows, columns, told=False)
        self.before = termios.tcgetattr(slave)
        env = {**os.environ, "DATABASE_URL": database.url, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
        for variable in ("COLUMNS", "LINES", "NO_COLOR"):
            env.pop(variable, None)
        self.process = subprocess.Popen(
            [*COMMAND, "--every", "100ms"], env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        self._slave = slave
        self.output = ""

    def resize(self, rows: int, columns: int, *, told: bool = True) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if told:
            self.process.send_signal(signal.SIGWINCH)

    def press(self, key: str) -> None:
        os.write(self.master, key.encode())

    def read(self) -> None:
        """Take over what it has written."""
        if select.select([self.master], [], [], 0.05)[0]:
            self.output += os.read(self.master, 65536).decode(errors="replace")

    @property
    def frame(self) -> str:
        """The last whole frame, without colours."""
        frames = self.output.split("\x1b[H")
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", frames[-2] if len(frames) > 2 else frames[-1])

    def wait_for(self, wanted: Callable[[str], Any]) -> str:
        """Wait until a frame is as wanted; frames come only when something has changed."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            for one in (self.frame, self._strip(self.output.split("\x1b[H")[-1])):
                if wanted(one):
                    return one
            self.read()
        raise AssertionError(f"no such frame, the last is\n{self.frame}")

    @staticmethod
    def _strip(text: str) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)

    def wait(self) -> int:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read()
        return self.process.wait(1)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._slave)
        os.close(self.master)


@pytest.fixture
def screen(database: Database) -> Iterator[Callable[..., Screen]]:
    screens: list[Screen] = []

    def start(**size: int) -> Screen:
        screens.append(Screen(database, **size))
        return screens[-1]

    yield start
    for one in screens:
        one.close()


def test_it_is_live_adapts_to_the_terminal_and_leaves_it_as_it_was(screen: Callable[..., Screen], busy: Any) -> None:
    top = screen(rows=24, columns=120)
    frame = top.wait_for(lambda text: "hold.hold" in text and "unserved" in text)
    assert "1 of 4" in frame
    assert "q quit" in frame
    busy.set()
    top.wait_for(lambda text: "0 of 4" in text and "RUNS THE LONGEST" not in text)
    top.resize(8, 40)
    small = top.wait_for(lambda text: "q quit" in text and max(map(len, text.splitlines())) <= 40)
    assert len(small.splitlines()) <= 8
    top.press("p")
    top.wait_for(lambda text: "p go on  paused" in text)
    top.press("p")
    top.wait_for(lambda text: "p pause" in text)
    top.press("q")
    assert top.wait() == 0
    assert "\x1b[2J" not in top.output, "it never clears the screen: that would flicker"
    assert top.output.count("\x1b[?1049h") == top.output.count("\x1b[?1049l") == 1
    assert termios.tcgetattr(top._slave) == top.before


def test_ctrl_c_ends_it_in_order(screen: Callable[..., Screen], database: Database) -> None:
    top = screen()
    top.wait_for(lambda text: "there are no workers" in text)
    os.killpg(top.process.pid, signal.SIGINT)
    assert top.wait() == 0
    assert "Traceback" not in top.output
    assert termios.tcgetattr(top._slave) == top.before


def test_it_says_so_when_the_database_does_not_answer_and_goes_on(
    screen: Callable[..., Screen], own_server: Any, database: Database
) -> None:
    top = screen()
    top.wait_for(lambda text: "there are no workers" in text)
    own_server.stop(immediate=True)
    top.wait_for(lambda text: " old: PostgreSQL at " in text)
    own_server.start()
    top.wait_for(lambda text: "q quit" in text)
    top.press("q")
    assert top.wait() == 0
