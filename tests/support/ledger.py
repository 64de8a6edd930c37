"""What tasks really did, recorded outside PostgreSQL: the witness against which a faulted run is checked.

Every entry is one line appended with one ``write`` to a file opened with ``O_APPEND``, so that any number of threads
and processes share a ledger and a process killed at any moment loses nothing it had written.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from plait import Context

VARIABLE = "PLAIT_TEST_LEDGER"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing a task did. ``at`` is the machine's monotonic clock, the same for all processes."""

    run: str
    task: str
    attempt: int
    pid: int
    what: Literal["begin", "end"]
    at: float
    output: str = ""


class Ledger:
    """An append-only file of entries."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()
        self._entries: list[Entry] = []
        self._known = 0

    def read(self) -> list[Entry]:
        """All entries so far, in the order they were written. One that is being written is not among them."""
        with self.path.open("rb") as file:
            file.seek(self._known)
            whole, end, _ = file.read().rpartition(b"\n")
        self._known += len(whole) + len(end)
        self._entries += [Entry(**json.loads(line)) for line in whole.splitlines()]
        return list(self._entries)

    def select(self, task: str | None = None, what: str | None = None, run: Any = None) -> list[Entry]:
        """The entries of a task, a kind, a run."""
        return [
            entry
            for entry in self.read()
            if (task is None or entry.task == task)
            and (what is None or entry.what == what)
            and (run is None or entry.run == str(run))
        ]

    def count_begins(self) -> Counter[tuple[str, str]]:
        """How often each (run, task) began."""
        return Counter((entry.run, entry.task) for entry in self.read() if entry.what == "begin")


def record(ctx: Context, what: Literal["begin", "end"], output: Any = None) -> None:
    """Append an entry for the attempt of ``ctx`` to this process's ledger."""
    entry = Entry(
        ctx.workflow_run_id,
        ctx.task_name,
        ctx.attempt_number,
        os.getpid(),
        what,
        time.monotonic(),
        hash_output(output) if what == "end" else "",
    )
    descriptor = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND)
    try:
        os.write(descriptor, (json.dumps(asdict(entry)) + "\n").encode())
    finally:
        os.close(descriptor)


def hash_output(output: Any) -> str:
    """A short name for a JSON value."""
    return hashlib.sha256(json.dumps(output, sort_keys=True).encode()).hexdigest()[:16]
