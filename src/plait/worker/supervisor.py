"""A light parent of worker processes: starts them, starts them again when they die, passes signals on."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Protocol

from plait.worker.child import Child, describe_end

logger = logging.getLogger("plait.supervisor")

PROVEN_SECONDS = 2.0
"""A process that served for this long is replaced at once when it dies; others after growing pauses."""

LONGEST_PAUSE = 30.0
"""Seconds between two starts of a process that keeps dying."""

KILL_MARGIN = 25.0
"""Seconds that a process has on top of its grace, to store its last results, before it is killed."""

STALL_SECONDS = 60.0
"""A process whose engine shows no sign of life for this long is killed: its lease has ended long before that, and what
it holds runs elsewhere."""

_LOOK_SECONDS = 5.0
EXIT_USAGE = 2
_WATCH_SECONDS = 0.5


class Watcher(Protocol):
    """Tells what changed since it was last asked; see ``plait dev``."""

    def find_changes(self) -> list[str]: ...


class Supervisor:
    """Keeps ``processes`` children running until it is told to stop.

    Args:
        command: what to execute for child k (1, 2, …).
        processes: how many.
        environment: added to the children's environment.
        grace: how long a child may take to stop, in seconds; past that and a margin it is killed.
        watcher: changes of the code start the children anew, and one whose code is broken waits for them.

    The first child is started alone: if it ends by itself before it was ready, its exit code becomes the
    supervisor's, as it would end the same way every time. After that a child that dies is replaced.
    """

    def __init__(
        self,
        command: Callable[[int], Sequence[str]],
        *,
        processes: int = 1,
        environment: Mapping[str, str] | None = None,
        grace: float = 30.0,
        watcher: Watcher | None = None,
    ) -> None:
        self._command = command
        self._environment = {**os.environ, **(environment or {})}
        self._grace = grace
        self._watcher = watcher
        self._watch_at = 0.0
        self._look_at = 0.0
        self._children = [Child(number) for number in range(1, processes + 1)]
        self._selector = selectors.DefaultSelector()
        self._proven = False
        """Whether any child ever got ready."""
        self._signals: list[int] = []
        self._stopping = False
        self._exit_code = 0

    def run(self) -> int:
        """Supervise until the end; returns the exit code. For the main thread: it handles SIGTERM and SIGINT."""
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        self._selector.register(reader, selectors.EVENT_READ)
        old_wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        previous = {
            signal.SIGTERM: signal.signal(signal.SIGTERM, self._note_signal),
            signal.SIGINT: signal.signal(signal.SIGINT, self._note_signal),
            signal.SIGCHLD: signal.signal(signal.SIGCHLD, _wake),
        }
        try:
            while self._take_turn():
                self._wait(reader)
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(old_wakeup)
            for child in self._children:
                child.kill()
            self._selector.close()
            os.close(reader)
            os.close(writer)
        return self._exit_code

    def find_obstacle(self) -> str | None:
        """Why not all processes take tasks; None when they do. From any thread."""
        if self._stopping:
            return "the worker is stopping"
        missing = [child.number for child in self._children if child.ready_at is None or child.asked]
        return f"process {', '.join(map(str, missing))} of {len(self._children)} takes no tasks" if missing else None

    def _take_turn(self) -> bool:
        """Do what is due. False: all is over."""
        while self._signals:
            self._stop(self._signals.pop(0))
        for child in self._children:
            self._look_after(child)
        self._end_stalled()
        if self._stopping:
            return any(child.process is not None for child in self._children)
        if self._watcher is not None and time.monotonic() >= self._watch_at:
            self._follow_changes(self._watcher)
        for child in self._children:
            if child.start_at is not None and child.start_at <= time.monotonic() and self._may_start(child):
                child.start(self._command(child.number), self._environment)
                assert child.link is not None
                self._selector.register(child.link, selectors.EVENT_READ, child)
        return True

    def _end_stalled(self) -> None:
        """Kill processes whose engine does not run any more, though they live: a task holds the interpreter, or the
        engine is stuck."""
        now = time.monotonic()
        if now < self._look_at:
            return
        stood_still = now > self._look_at + _LOOK_SECONDS  # with the children perhaps: they are to be heard first
        self._look_at = now + _LOOK_SECONDS
        for child in self._children:
            if child.ready_at is None or child.asked:
                continue
            if stood_still:
                child.heard_at = now
            elif now - child.heard_at > STALL_SECONDS and self._listen(child) and now - child.heard_at > STALL_SECONDS:
                why = "a task holds the interpreter, or it was stopped"
                child.kill(f"has shown no sign of life for {STALL_SECONDS:g} s ({why})")
                self._look_after(child)

    def _may_start(self, child: Child) -> bool:
        return self._proven or child is self._children[0]

    def _wait(self, wakeup: int) -> None:
        moments = [child.kill_at for child in self._children if child.kill_at is not None]
        if any(child.ready_at is not None for child in self._children):
            moments.append(self._look_at)
        if not self._stopping:
            moments += [
                child.start_at for child in self._children if child.start_at is not None and self._may_start(child)
            ]
            if self._watcher is not None:
                moments.append(self._watch_at)
        timeout = max(0.0, min(moments) - time.monotonic()) if moments else None
        for key, _ in self._selector.select(timeout):
            if key.fd == wakeup:
                os.read(wakeup, 4096)
            elif not self._listen(key.data):
                self._drop_link(key.data)

    def _listen(self, child: Child) -> bool:
        goes_on = child.read_link()
        self._proven = self._proven or child.ready_at is not None
        return goes_on

    def _drop_link(self, child: Child) -> None:
        if child.link is not None:
            self._selector.unregister(child.link)
            child.link.close()
            child.link = None

    # ends

    def _look_after(self, child: Child) -> None:
        if child.process is None:
            return
        code = child.poll()
        if code is None:
            if child.kill_at is not None and time.monotonic() >= child.kill_at:
                child.kill_at = None
                child.kill()
                self._look_after(child)
            return
        self._listen(child)  # it may have got ready a moment before it died
        self._drop_link(child)
        pid = child.process.pid
        child.forget(code)
        if self._stopping:
            if code not in (0, -signal.SIGTERM):
                logger.warning("process %d (pid %d) %s while stopping", child.number, pid, describe_end(code))
                self._exit_code = self._exit_code or 1
        elif child.asked:  # its code changed
            child.start_at = time.monotonic()
        else:
            self._choose_next(child, pid, code)

    def _choose_next(self, child: Child, pid: int, code: int) -> None:
        """What follows the end of a process that nobody asked to end."""
        if child.ready_at is None and self._watcher is not None and (code == EXIT_USAGE or (self._proven and code > 0)):
            logger.warning("not started: waiting for a change of the code")
            return
        if child.ready_at is None and code >= 0 and not self._proven:
            self._exit_code = code or 1
            self._stopping = True
            return
        pause = 0.0
        if child.ready_at is not None and time.monotonic() - child.ready_at >= PROVEN_SECONDS:
            child.failures = 0
        else:
            pause = min(LONGEST_PAUSE, 0.25 * 2.0 ** min(child.failures, 10))
            child.failures += 1
        child.start_at = time.monotonic() + pause
        when = f"in {pause:g} s" if pause else "now"
        logger.warning("process %d (pid %d) %s; the next starts %s", child.number, pid, describe_end(code), when)

    # stops and changes

    def _note_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signals.append(number)

    def _stop(self, number: int) -> None:
        again = self._stopping
        self._stopping = True
        logger.info("%s: %s", signal.Signals(number).name, "again, ending now" if again else "stopping")
        for child in self._children:
            child.terminate(KILL_MARGIN + (0.0 if again else self._grace))

    def _follow_changes(self, watcher: Watcher) -> None:
        self._watch_at = time.monotonic() + _WATCH_SECONDS
        changes = watcher.find_changes()
        if not changes:
            return
        more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
        logger.info("changed: %s%s; starting again", ", ".join(changes[:3]), more)
        for child in self._children:
            child.failures = 0
            if child.process is None:
                child.start_at = time.monotonic()
            elif not child.asked:
                child.terminate(KILL_MARGIN + self._grace)


def _wake(_number: int, _frame: FrameType | None) -> None:
    """A handler has to be there, so that the signal reaches the wake-up descriptor."""
