"""Which systems are measured, and how each is started."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv-peers"
NODE_MODULES = VENV / "node" / "node_modules"
SHAPES = ("single", "diamond")


@dataclass(frozen=True)
class System:
    """One system. ``choice`` says in one line how its guide was followed; the documentation prints it."""

    name: str
    title: str
    choice: str
    shapes: tuple[str, ...] = ("single",)
    workers: int = 1  # processes of its own; 0 where the client's process runs the tasks
    redis: bool = False  # instead of PostgreSQL

    def get_command(self, role: str) -> list[str]:
        """The client or the worker process of this system."""
        if self.name == "graphile":
            return [str(NODE_MODULES / ".bin" / "node"), str(Path(__file__).with_name("graphile.mjs")), role]
        python = sys.executable if self.name == "plait" else str(VENV / "bin" / "python")
        return [python, "-m", "benchmarks.peers.protocol", self.name, role]

    def find_missing(self) -> str | None:
        """What is not on this machine, or None."""
        if self.redis and shutil.which("redis-server") is None:
            return "there is no redis-server (Debian, Ubuntu: apt install redis-server)"
        if not Path(self.get_command("client")[0]).exists():
            return "npm did not install it" if self.name == "graphile" else f"{VENV.name} is missing: make bench-peers"
        return None


SYSTEMS = (
    System(
        "plait",
        "Plait",
        "one worker process with 400 slots; all runs in one `run_many`",
        shapes=SHAPES,
    ),
    System(
        "pgqueuer",
        "pgqueuer",
        "`pgq run` with batches of 100, `pgq autovac`, its durable tables, asyncpg; all jobs in one `enqueue`",
    ),
    System(
        "awa",
        "awa-pg",
        "400 workers (three times as quick here as its default of 50), queue storage; all jobs in one "
        "`enqueue_many_copy`",
    ),
    System(
        "procrastinate",
        "Procrastinate",
        "its asynchronous worker with a concurrency of 30; all jobs in one `batch_defer`",
    ),
    System(
        "dbos",
        "DBOS",
        "the client's process runs the workflows, started directly (quicker than its queues); "
        "a single task is a workflow without steps",
        shapes=SHAPES,
        workers=0,
    ),
    System(
        "celery",
        "Celery with Redis",
        "a process a core (`prefork`), prefetch multiplier 128, results in Redis; a `group` of tasks, "
        "a chain with a chord; tasks are plain functions, it has no asynchronous ones; not durable",
        shapes=SHAPES,
        redis=True,
    ),
    System(
        "graphile",
        "Graphile Worker",
        "24 jobs at a time, a local queue of 500, completions in batches, on Node.js; all jobs in one `addJobs`",
    ),
)
