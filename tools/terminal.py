"""Commands in a terminal, as a person would see them: what stands on the screen in the end, without colours."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pyte

COLUMNS = 110
WIDEST = 260  # of the screen: a line that a program did not break is not broken here either
LINES = 120  # more than any command here prints, so that nothing scrolls away
DEADLINE_SECONDS = 120.0

_STABLE = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "ID"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?(Z|\+\d\d:\d\d)?"), "MOMENT"),
    (re.compile(r"\b\d\d:\d\d:\d\d\.\d{3}\b"), "MOMENT"),
    (re.compile(r"\b\d+(\.\d+)? (ms|s|m|h)( \d+ (ms|s|m))*\b"), "TIME"),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
    (re.compile(r"(?<![\w<])/[\w.+-]+(/[\w.+-]+)*"), "PATH"),
    (re.compile(r"\s+"), " "),
)


class TerminalError(AssertionError):
    """A command did not do what was expected of it. The message shows its screen."""


def run_in_terminal(command: str, folder: Path, environment: Mapping[str, str]) -> tuple[str, int]:
    """Run a line of bash in a terminal of 110 columns; what the screen shows at its end, and its exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    process = subprocess.Popen(
        ["bash", "-c", command],
        cwd=folder,
        env=dict(environment),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    screen = pyte.Screen(WIDEST, LINES)
    stream = pyte.ByteStream(screen)
    end = time.monotonic() + DEADLINE_SECONDS
    try:
        while data := _read(ours, end):
            stream.feed(data)
        code = process.wait(max(end - time.monotonic(), 0.1))
    except (TimeoutError, subprocess.TimeoutExpired):
        process.kill()
        process.wait()
        raise TerminalError(f"$ {command}\ndid not end; it shows\n{_read_screen(screen)}") from None
    finally:
        os.close(ours)
    return _read_screen(screen), code


def _read(terminal: int, end: float) -> bytes:
    if not select.select([terminal], [], [], max(end - time.monotonic(), 0))[0]:
        raise TimeoutError
    try:
        return os.read(terminal, 65_536)
    except OSError:  # the other side was closed by the last process that had it
        return b""


def _read_screen(screen: pyte.Screen) -> str:
    return "\n".join(line.rstrip() for line in screen.display).rstrip()


def keep_stable(line: str) -> str:
    """A line without what differs each time: ids, times, ports and paths, and how wide its columns are."""
    for pattern, stable in _STABLE:
        line = pattern.sub(stable, line)
    return line.strip()


def compare(expected: str, shown: str) -> bool:
    """Whether the stable parts of two outputs are the same. A line ``…`` in the expected one stands for any lines."""
    wanted = [keep_stable(line) for line in expected.strip().splitlines()]
    pattern = "".join("(?:.*\n)*?" if line == "…" else re.escape(line) + "\n" for line in wanted)
    found = "".join(keep_stable(line) + "\n" for line in shown.strip().splitlines())
    return re.fullmatch(pattern, found) is not None


class Background:
    """A command that stays, such as ``plait dev``, and what it has printed so far."""

    def __init__(self, command: str, folder: Path, environment: Mapping[str, str]) -> None:
        self.command = command
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        """What it has printed so far."""
        with self._news:
            return "".join(self._lines)

    def count(self, text: str) -> int:
        """How many lines hold ``text``."""
        return self.output.count(text)

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until ``holds`` of what it printed. Raises ``TerminalError``."""
        end = time.monotonic() + DEADLINE_SECONDS
        with self._news:
            while not holds():
                if not self._reader.is_alive() or not self._news.wait(max(end - time.monotonic(), 0)):
                    raise TerminalError(f"$ {self.command}\ndid not get to: {what}\n{''.join(self._lines)}")

    def stop(self) -> int:
        """Ctrl-C for it; its exit code."""
        if self._process.poll() is None:
            self._process.terminate()
        code = self._process.wait(DEADLINE_SECONDS)
        self._reader.join(DEADLINE_SECONDS)
        return code

    def _collect(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                with self._news:
                    self._lines.append(line)
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()
