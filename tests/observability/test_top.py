"""``plait top``: one picture for scripts, and live on a real pseudo-terminal."""

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
import termios
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from observability.conftest import BRISK
from plait import Context, EmptyModel, Plait
from support import launcher
from support.database import Database
from support.waiting import DEADLINE_SECONDS

COMMAND = ["-P", "-m", "plait", "top"]


@pytest.fixture
def plait(database: Database) -> Iterator[Plait]:
    plait = Plait(database.url)
    yield plait
    plait.close()


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
    env = {**os.environ, "DATABASE_URL": database.url}
    return launcher.run([*COMMAND, *arguments], cwd=launcher.TESTS, env=env, timeout=DEADLINE_SECONDS)


def test_one_picture_for_scripts(database: Database, plait: Plait, busy: Any) -> None:
    database.wait("SELECT bool_or(pace[5] = 1) FROM plait.worker")
    done = run_top(database, "-o", "json")
    assert done.returncode == 0, done.stderr
    picture = json.loads(done.stdout)
    assert [(pace["seconds"], pace["ended"], pace["failed"]) for pace in picture["paces"]][-1] == (300, 1, 0)
    (worker,) = picture["workers"]
    assert (worker["slots"], worker["slots_in_use"], worker["status"]) == (4, 1, "ACTIVE")
    assert [(task["workflow"], task["running"]) for task in worker["running"]] == [("hold", 1)]
    queues = {queue["workflow"]: (queue["ready"], queue["running"]) for queue in picture["queues"]["queues"]}
    assert queues == {"hold": (0, 1), "unserved": (1, 0)}
    assert [task["task"] for task in picture["slowest"]] == ["hold"]
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
        env = {**os.environ, "DATABASE_URL": database.url, "TERM": "xterm-256color"}
        for variable in ("COLUMNS", "LINES", "NO_COLOR"):
            env.pop(variable, None)
        with open(slave, "r+b", buffering=0, closefd=False) as terminal:
            self.process = launcher.start(
                [*COMMAND, "--every", "100ms"],
                cwd=launcher.TESTS,
                env=env,
                stdin=terminal,
                stdout=terminal,
                stderr=terminal,
                start_new_session=True,
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
    top.wait_for(lambda text: all(part in text for part in ("hold.hold", "unserved", "1 of 4", "q quit")))
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
