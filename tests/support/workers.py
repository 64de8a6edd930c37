"""Workers for tests: real processes that can be killed, and light ones on a thread of the test's own process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg

from plait import Plait, Worker
from plait.worker.identity import Timings
from support import launcher
from support.database import Database
from support.launcher import TESTS
from support.ledger import VARIABLE, Ledger
from support.waiting import DEADLINE_SECONDS, eventually

QUICK = Timings(heartbeat=0.2, lease=1.2, margin=0.3, grace=5.0)
"""Short enough that a lost worker is noticed within a test."""

STEADY = Timings(heartbeat=0.5, lease=4.0, margin=1.0, grace=5.0)
"""Where nothing may run again but what a lost worker held: the others keep their leases on a busy machine."""

CALM = Timings(heartbeat=1.0, lease=20.0, margin=2.0, grace=5.0)
"""A lease that no hiccup of a busy machine outlasts."""


class WorkerProcess:
    """A worker in a process of its own, running ``declare(plait)`` of a module in ``tests/flows``."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        log: Path,
        flow: str,
        *,
        slots: int = 8,
        timings: Timings = CALM,
        url: str | None = None,
        env: dict[str, str] | None = None,
        replaces: WorkerProcess | None = None,
        **options: Any,
    ) -> None:
        """``replaces``: a worker that ended, as a supervisor tells; while the database is away, none does."""
        self.database = database
        self.log = log
        env = dict(env or {})
        if replaces is not None:
            with suppress(psycopg.OperationalError, IndexError):
                env["PLAIT_REPLACES_WORKER"] = str(replaces.id)
        settings = {
            "slots": slots,
            "options": options,
            "timings": {name: getattr(timings, name) for name in timings.__slots__},
        }
        with log.open("ab") as output:
            self.process = launcher.start(
                ["-m", "support.run_worker", flow, json.dumps(settings)],
                cwd=TESTS,
                env={**os.environ, "DATABASE_URL": url or database.url, VARIABLE: str(ledger.path), **env},
                stdout=output,
                stderr=output,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_ready(self) -> WorkerProcess:
        """Wait until it has announced itself."""

        def look() -> bool:
            assert self.process.poll() is None, f"the worker ended with {self.process.returncode}:\n{self.read_log()}"
            return bool(self.database.value("SELECT count(*) FROM plait.worker WHERE pid = %s", self.pid))

        eventually(look, f"worker {self.pid} is ready")
        return self

    @property
    def id(self) -> Any:
        """The id it goes by now."""
        return self.database.value(
            "SELECT id FROM plait.worker WHERE pid = %s ORDER BY started_at DESC LIMIT 1", self.pid
        )

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(10)

    def terminate(self) -> None:
        """SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def wait(self, seconds: float = DEADLINE_SECONDS) -> int:
        """The exit code, once it ended."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"worker {self.pid} did not end within {seconds} s:\n{self.read_log()}") from None

    def read_log(self) -> str:
        return self.log.read_text(errors="replace")

    def close(self) -> None:
        if self.process.poll() is None:
            self.resume()
            self.kill()


class WorkerThread:
    """A worker on a thread of this process; its tasks see the test's own objects."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"worker-{worker.name}", daemon=True)
        self._thread.start()
        eventually(lambda: worker._session is not None or self.error is not None, "the worker runs")
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            self.worker.start()
        except BaseException as error:
            self.error = error

    def stop(self, *, hurry: bool = True) -> None:
        """Stop it and wait for its end. Raises what ended it, if anything did."""
        self.worker.stop(hurry=hurry)
        self._thread.join(DEADLINE_SECONDS)
        assert not self._thread.is_alive(), f"worker {self.worker.name} does not stop"
        error, self.error = self.error, None
        if error is not None:
            raise error


def serve(plait: Plait, *workflows: Any, slots: int = 20, timings: Timings = CALM, **options: Any) -> WorkerThread:
    """Start a worker on a thread for ``workflows`` (all, unless given)."""
    return WorkerThread(
        plait.worker("test", slots=slots, workflows=list(workflows) or None, timings=timings, **options)
    )
