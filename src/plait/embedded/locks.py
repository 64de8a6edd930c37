"""Lock files whose locks the kernel gives back when their holders die.

``flock`` belongs to the open file description: every process that inherited the descriptor holds the lock
too, and it ends with the last of them. Plait uses that twice: a fork of a user stays a user, and the lock
inherited by the postmaster tells whether any process of that server still lives (true across containers that
share the folder).
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POLL_SECONDS = 0.01


def open_owned(path: Path, flags: int) -> int:
    """Open a private file, creating it if needed, and leave it to the owner of its folder.

    Root working in somebody's project must not leave files behind that this somebody cannot open.
    """
    descriptor = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    if os.geteuid() == 0:
        owner, folder = os.fstat(descriptor), path.parent.stat()
        if owner.st_uid == 0 and folder.st_uid != 0:
            os.fchown(descriptor, folder.st_uid, folder.st_gid)
    return descriptor


class FileLock:
    """One open file description of a lock file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = open_owned(path, os.O_RDWR)

    def try_shared(self) -> bool:
        return self._try(fcntl.LOCK_SH)

    def try_exclusive(self) -> bool:
        return self._try(fcntl.LOCK_EX)

    def _try(self, operation: int) -> bool:
        try:
            fcntl.flock(self.descriptor, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unlock(self) -> None:
        """Give the lock back for every process that shares this description, forks included."""
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Drop this process's hold. A fork that inherited the descriptor keeps the lock."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def is_current(self) -> bool:
        """Whether the path still names this file; false after the folder was deleted or moved away."""
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self.descriptor))
        except OSError:
            return False


def wait_shared(path: Path, deadline: float) -> FileLock | None:
    """A shared lock on the file that ``path`` names now, or None at the deadline (``time.monotonic``)."""
    while True:
        lock = FileLock(path)
        while lock.is_current():
            if lock.try_shared():
                if lock.is_current():
                    return lock
                break
            if time.monotonic() >= deadline:
                lock.close()
                return None
            time.sleep(POLL_SECONDS)
        lock.close()


@contextmanager
def hold_exclusive(path: Path, deadline: float) -> Iterator[bool]:
    """Hold the lock for the block; yields False when the deadline (``time.monotonic``) came first."""
    lock = FileLock(path)
    try:
        taken = lock.try_exclusive()
        while not taken and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            taken = lock.try_exclusive()
        yield taken
        if taken:
            lock.unlock()  # a fork made meanwhile shares the description and must not keep the lock
    finally:
        lock.close()


def is_held(path: Path) -> bool:
    """Whether some process holds the file exclusively. Creates nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def count_shared(path: Path) -> int | None:
    """How many processes hold the file shared, from Linux's ``/proc/locks``; None where that is not known."""
    try:
        stat = os.stat(path)
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    name = f"{os.major(stat.st_dev):02x}:{os.minor(stat.st_dev):02x}:{stat.st_ino}"
    fields = (line.split() for line in lines)
    return sum(1 for f in fields if len(f) >= 6 and f[1] == "FLOCK" and f[3] == "READ" and f[5] == name)
