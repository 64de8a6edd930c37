"""One worker process under a supervisor, seen from both sides.

Parent and child share a socket pair. The child writes to it once it takes tasks; it reads the end of file
that comes when the parent is gone, however it went, and then drains. So no worker outlives its supervisor.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from uuid import UUID

logger = logging.getLogger("plait.supervisor")

# The worker reads the first (worker.py); it is spelled out here so that the parent loads none of it.
REPLACES_VARIABLE = "PLAIT_REPLACES_WORKER"
LINK_VARIABLE = "PLAIT_SUPERVISOR_LINK"

_ID_BYTES = 16
"""A worker says its id when it begins to take tasks, when a lost lease made it take another id, and every few
seconds, as a sign that its engine runs."""


class Child:
    """One place for a worker process, and the process that has it now.

    Attributes: ``number`` (1, 2, …); ``start_at``, when its next process is due on the monotonic clock, None
    while it has one or waits for something else; ``asked``, whether it was told to stop, and ``kill_at``, when it is
    killed then;
    ``ready_at``, since when its process takes tasks; ``heard_at``, when it last said so; ``failures``, processes in
    a row that did not serve.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: subprocess.Popen[bytes] | None = None
        self.link: socket.socket | None = None
        self.start_at: float | None = 0.0
        self.asked = False
        self.kill_at: float | None = None
        self.ready_at: float | None = None
        self.heard_at = 0.0
        self.failures = 0
        self._replaces: UUID | None = None
        self._heard = b""

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a process as the worker that replaces the last one that was ready, if that died."""
        ours, theirs = socket.socketpair()
        ids = {LINK_VARIABLE: str(theirs.fileno())}
        if self._replaces is not None:
            ids[REPLACES_VARIABLE] = str(self._replaces)
        # A process group of its own: Ctrl-C reaches the parent only, which passes it on once.
        self.process = subprocess.Popen(
            list(command),
            env={**environment, **ids},
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            process_group=0,
        )
        theirs.close()
        ours.setblocking(False)
        self.link = ours
        self.asked = False
        self._heard = b""
        self.start_at = self.kill_at = self.ready_at = None

    def read_link(self) -> bool:
        """Take note of what the process said. False: it said the last (how it ended, ``poll`` tells)."""
        if self.link is None:
            return False
        try:
            data = self.link.recv(4096)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._heard += data
        while len(self._heard) >= _ID_BYTES:
            self._replaces, self._heard = UUID(bytes=self._heard[:_ID_BYTES]), self._heard[_ID_BYTES:]
            self.heard_at = time.monotonic()
            self.ready_at = self.ready_at or self.heard_at
        return bool(data)

    def poll(self) -> int | None:
        """How its process ended; None while it runs. What a process that died leaves in its group, started by its
        tasks, goes with it: those tasks run again. What wants to outlive it has a session of its own."""
        assert self.process is not None
        if self.process.returncode is None:
            # Not reaped yet, so that its number is nobody else's.
            end = os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if end is not None and not (end.si_code == os.CLD_EXITED and end.si_status == 0):
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.poll()

    def terminate(self, patience: float) -> None:
        """Ask the process to stop; it is due to be killed after ``patience`` seconds."""
        if self.process is not None:
            self.asked = True
            self.process.send_signal(signal.SIGTERM)
            self.kill_at = time.monotonic() + patience

    def kill(self, why: str = "does not stop") -> None:
        """End the process, whatever it does."""
        if self.process is not None and self.poll() is None:
            logger.error("process %d (pid %d) %s: killing it", self.number, self.process.pid, why)
            self.process.kill()
            with suppress(ChildProcessError):
                os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
            self.poll()

    def forget(self, code: int) -> None:
        """Its process ended with ``code``: with 0 it handed back all it held, nothing is to be replaced."""
        self.process = self.kill_at = None
        if code == 0:
            self._replaces = None


class ParentLink:
    """The child's end of the link. Watches the parent from a thread of its own, from the beginning."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._socket = socket.socket(fileno=descriptor)
        threading.Thread(target=self._watch, name="plait-parent", daemon=True).start()

    @classmethod
    def open(cls) -> ParentLink | None:
        """The link of this process to its supervisor; None when it has none."""
        descriptor = os.environ.pop(LINK_VARIABLE, "")
        return cls(int(descriptor)) if descriptor else None

    def tell_ready(self, worker_id: UUID) -> None:
        """This worker takes tasks now, under this id. A supervisor that does not read is not waited for."""
        try:
            self._socket.send(worker_id.bytes, socket.MSG_DONTWAIT)
        except OSError:
            logger.debug("the supervisor is gone")

    def _watch(self) -> None:
        try:
            while self._socket.recv(16):
                pass
        except OSError:
            pass
        logger.warning("the supervisor is gone: stopping")
        os.kill(os.getpid(), signal.SIGTERM)


def describe_end(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
