"""The keeper: the small detached process that starts PostgreSQL and stops it after its last user.

It is not PostgreSQL's user: it holds ``keeper.lock`` while it lives and waits until it can take
``users.lock`` exclusively. Only with that lock in hand it stops the server for being idle, so nobody can
arrive in between. Started as a plain script (``run_keeper.py``), so that nothing but the standard library is
loaded.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from pathlib import Path

from plait.embedded.cluster import Cluster
from plait.embedded.instance import Instance
from plait.embedded.locks import FileLock, open_owned
from plait.errors import EmbeddedPostgresError

EXIT_FAILED = 1
EXIT_OTHER_KEEPER = 75
_POLL_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 30.0
_LARGEST_LOG_BYTES = 10 * 1024 * 1024


class Keeper:
    """Serves one instance folder until its users are gone, it is told to stop, or the folder vanishes."""

    def __init__(self, instance: Instance, binaries: Path, *, linger_seconds: float, start_seconds: float) -> None:
        self.instance = instance
        self.cluster = Cluster(instance, binaries)
        self.linger_seconds = linger_seconds
        self.start_seconds = start_seconds
        self.stop_asked = False
        self._wakeup = _watch_signals(self)
        self._lock = FileLock(instance.keeper_lock)
        self._users = FileLock(instance.users_lock)
        self._restart_at = 0.0
        self._failures = 0

    def take_office(self) -> bool:
        """Become the keeper of the folder; False if another process is (and stays) it."""
        limit = time.monotonic() + 0.5  # a user that looks whether a keeper lives holds the lock for microseconds
        while not self._lock.try_exclusive():
            if time.monotonic() > limit:
                return False
            time.sleep(0.005)
        os.ftruncate(self._lock.descriptor, 0)
        os.pwrite(self._lock.descriptor, f"{os.getpid()}\n".encode(), 0)
        return True

    def start(self) -> None:
        self.cluster.start(time.monotonic() + self.start_seconds)

    def serve(self) -> None:
        """Return when the server has to stop: told so, folder gone, or idle (``users.lock`` held)."""
        idle_since: float | None = None
        last_arrival = 0
        while not self.stop_asked and self._is_intact():
            if self._users.try_exclusive():
                now, arrival = time.monotonic(), os.fstat(self._users.descriptor).st_mtime_ns
                if idle_since is None or arrival != last_arrival:
                    idle_since, last_arrival = now, arrival
                if now - idle_since >= self.linger_seconds:
                    break  # with the lock held: who comes now waits for the end, then starts anew
                self._users.unlock()
            else:
                idle_since = None
                self._restart_if_needed()
            self._bound_log()
            self._wait()

    def close(self) -> None:
        """Stop the server, then stop being the keeper, then let users in again: in this order."""
        # A clean shutdown could not write the files of a folder that was deleted or moved.
        self.cluster.stop(fast_seconds=60 if self._is_intact() else 0)
        self._lock.close()
        self._users.close()

    def _is_intact(self) -> bool:
        """Whether it is still the keeper of the folder: others see the lock files that are held here."""
        return self._lock.is_current() and self._users.is_current()

    def _restart_if_needed(self) -> None:
        now = time.monotonic()
        if self.cluster.is_running():
            if now - self._restart_at > _LONGEST_PAUSE_SECONDS * 2:
                self._failures = 0
            return
        if now < self._restart_at:
            return
        self._failures += 1
        self._restart_at = now + min(_LONGEST_PAUSE_SECONDS, 0.25 * 2**self._failures)
        _say("PostgreSQL stopped unexpectedly while it had users; starting it again")
        try:
            self.start()
        except (EmbeddedPostgresError, OSError) as error:
            _say(f"{error}\nNext try in {self._restart_at - now:.1f} s")

    def _bound_log(self) -> None:
        """Keep two files of bounded size. PostgreSQL appends to the log, so it can be cut underneath."""
        log = self.instance.log_file
        try:
            if log.stat().st_size > _LARGEST_LOG_BYTES:
                kept = open_owned(log.with_name(log.name + ".1"), os.O_WRONLY | os.O_TRUNC)
                with os.fdopen(kept, "wb") as file:
                    file.write(log.read_bytes())
                os.truncate(log, 0)
        except OSError as error:
            _say(f"could not shorten the log: {error}")

    def _wait(self) -> None:
        """Until a signal (a child that ended included) or the next look at the locks."""
        ready, _, _ = select.select([self._wakeup], [], [], _POLL_SECONDS)
        if ready:
            os.read(self._wakeup, 4096)


def _watch_signals(keeper: Keeper) -> int:
    """Make SIGTERM and SIGINT ask for the stop, and every signal wake the returned descriptor."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def ask_stop(*_: object) -> None:
        keeper.stop_asked = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask_stop)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    return reader


def _say(text: str) -> None:
    """Write to the log. A full disk must not end the keeper."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    with contextlib.suppress(OSError):
        os.write(1, f"{stamp} [{os.getpid()}] keeper: {text}\n".encode(errors="replace"))


def _report(pipe: int, code: int, message: str = "") -> None:
    """Tell the starter how the start went; it may be gone by now (Ctrl-C), which is no reason to stop."""
    with contextlib.suppress(BrokenPipeError):
        os.write(pipe, f"{code} {message}"[:30_000].encode(errors="replace"))
    os.close(pipe)


def _detach(instance: Instance) -> None:
    """Leave the starter's session, folder and terminal: Ctrl-C and a closed window are not for the keeper."""
    os.setsid()
    os.chdir("/")
    os.umask(0o077)
    log = open_owned(instance.log_file, os.O_WRONLY | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(log)
    os.close(nothing)


def _keep(instance: Instance, binaries: Path, linger: float, timeout: float, report: int) -> None:
    """The detached process: report the outcome of the start as ``<exit code> <message>``, then serve."""
    _detach(instance)
    keeper: Keeper | None = None
    try:
        keeper = Keeper(instance, binaries, linger_seconds=linger, start_seconds=timeout)
        if not keeper.take_office():
            _report(report, EXIT_OTHER_KEEPER, "another keeper is running")
            return
        keeper.start()
    except Exception as error:
        message = str(error) if isinstance(error, EmbeddedPostgresError) else f"{type(error).__name__}: {error}"
        _say(message)
        _report(report, EXIT_FAILED, message)
        if keeper is None:
            return
        if not keeper.cluster.is_running():
            keeper.close()
            return
        # Not ready in time, a long recovery perhaps: it goes on, for those who try again.
    else:
        _report(report, 0)
    try:
        keeper.serve()
    finally:
        keeper.close()


def main(arguments: list[str]) -> int:
    """Arguments: instance folder, bin folder, linger and start limit (seconds). 0 once the server runs."""
    instance, binaries, linger, timeout = (
        Instance(Path(arguments[0])),
        Path(arguments[1]),
        *map(float, arguments[2:4]),
    )
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(reader)
        _keep(instance, binaries, linger, timeout, writer)
        return 0
    os.close(writer)
    with os.fdopen(reader) as pipe:
        code, _, message = (pipe.read() or f"{EXIT_FAILED} the keeper died, see {instance.log_file}").partition(" ")
    if message:
        print(message, file=sys.stderr)
    return int(code)
