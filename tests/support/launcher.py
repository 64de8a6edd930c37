"""Starts Python processes without the second that Python and its imports take: forks of one that has Plait imported.

``start(arguments, …)`` is ``subprocess.Popen([sys.executable, *arguments], …)``, and is just that where the forks of a
warm process would differ: on other systems than Linux, and with settings that Python reads only when it starts.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

TESTS = Path(__file__).parents[1]
UNDERSTOOD = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}


class Process(Protocol):
    """What forks and those of ``subprocess`` have in common."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Fork:
    """A process that is no child of ours; the launcher tells us of its end."""

    def __init__(self, pid: int, end: int, arguments: Sequence[str]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._end = end
        self._arguments = arguments

    def poll(self) -> int | None:
        """The exit code, or minus the number of the signal; None while it runs."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended. Raises ``subprocess.TimeoutExpired``."""
        code = self._look(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(list(self._arguments), timeout or 0.0)
        return code

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _look(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._end], [], [], seconds)[0]:
            data = os.read(self._end, 4)
            os.close(self._end)
            assert data, "the launcher is gone"
            (self.returncode,) = struct.unpack("i", data)
        return self.returncode

    def __del__(self) -> None:
        if self.returncode is None:
            os.close(self._end)


class Launcher:
    """Our end of the process that forks. It is started with the first fork, and ends with us."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair()
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self._settings = _list_settings(environment)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "support.run_launcher", str(theirs.fileno())],
                cwd=TESTS,
                env=environment,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        atexit.register(self.close)

    def can_start(self, arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
        """Whether a fork would be like a process of its own."""
        first = next((word for word in arguments if word != "-P"), "")
        return (first in ("-m", "-c", "-W") or not first.startswith("-")) and (
            _list_settings(environment) == self._settings
        )

    def start(
        self,
        arguments: Sequence[str],
        folder: Path | str,
        environment: Mapping[str, str],
        streams: Sequence[int],
        session: bool,
    ) -> Fork:
        request = {
            "arguments": list(arguments),
            "folder": str(folder),
            "environment": dict(environment),
            "session": session,
        }
        text = json.dumps(request).encode()
        reader, writer = os.pipe()
        with self._lock:
            socket.send_fds(self._socket, [struct.pack("i", len(text))], [*streams, writer])
            self._socket.sendall(text)
            (pid,) = struct.unpack("i", self._socket.recv(4))
        os.close(writer)
        return Fork(pid, reader, arguments)

    def close(self) -> None:
        """End it, and what it started."""
        self._socket.close()
        self._process.wait()


def _list_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """What Python reads only when it starts."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(("PYTHON", "LANG", "LC_", "LD_")) and name not in UNDERSTOOD
    }


_launchers: list[Launcher] = []


def start(
    arguments: Sequence[str],
    *,
    cwd: Path | str,
    env: Mapping[str, str],
    stdout: IO[bytes],
    stderr: IO[bytes],
    stdin: IO[bytes] | None = None,
    start_new_session: bool = False,
) -> Process:
    """``python *arguments`` in the background. Without ``stdin`` there is nothing to read."""
    if sys.platform == "linux":
        if not _launchers:
            _launchers.append(Launcher())
        if _launchers[0].can_start(arguments, env):
            with open(os.devnull, "rb") as nothing:
                streams = [stream.fileno() for stream in (stdin or nothing, stdout, stderr)]
                return _launchers[0].start(arguments, cwd, env, streams, start_new_session)
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=cwd,
        env=env,
        stdin=stdin or subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=start_new_session,
    )


def run(
    arguments: Sequence[str], *, cwd: Path | str, env: Mapping[str, str], input: str = "", timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """``python *arguments`` to its end."""
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        stdin.write(input.encode())
        stdin.seek(0)
        process = start(arguments, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        texts = []
        for file in (stdout, stderr):
            file.seek(0)
            texts.append(file.read().decode())
        return subprocess.CompletedProcess([sys.executable, *arguments], code, *texts)
