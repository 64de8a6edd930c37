"""The processes of a system, seen from the runner: its client, which takes commands, and its workers."""

from __future__ import annotations

import json
import os
import select
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks.machine import read_tree_cpu
from benchmarks.peers.systems import NODE_MODULES, ROOT, System

STOP_SECONDS = 30
LOOK_SECONDS = 0.5  # how often is looked after the workers


class PeerError(Exception):
    """A process of a system ended. The message shows what it printed."""


class Team:
    """A client and its workers, for the time of a ``with`` block. What they print goes to ``log``."""

    def __init__(self, system: System, url: str, redis_url: str | None, folder: Path) -> None:
        self.system = system
        self.log = folder / f"{system.name}.log"
        executions = folder / f"{system.name}.executions"
        executions.touch()
        self._environment = {
            **os.environ,
            "PEERS_DATABASE_URL": url,
            "PEERS_REDIS_URL": redis_url or "",
            "PEERS_EXECUTIONS": str(executions),
            "PEERS_NODE_MODULES": str(NODE_MODULES.parent),
            "PYTHONPATH": str(ROOT),
        }
        self._client: subprocess.Popen[str] | None = None
        self._workers: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Team:
        self._client = self._start("client", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def start_workers(self) -> None:
        self._workers = [self._start("worker", stdin=subprocess.DEVNULL) for _ in range(self.system.workers)]

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Give the client a command and wait for its answer."""
        assert self._client is not None
        assert self._client.stdin is not None
        assert self._client.stdout is not None
        with suppress(BrokenPipeError):  # it ended, which shows below
            print(json.dumps({"do": do, **arguments}), file=self._client.stdin, flush=True)
        while not select.select([self._client.stdout], [], [], LOOK_SECONDS)[0]:
            if any(worker.poll() is not None for worker in self._workers):
                raise PeerError(f"its worker ended at {do!r}\n{self._read_log()}")
        if not (line := self._client.stdout.readline()):
            raise PeerError(f"its client ended at {do!r}\n{self._read_log()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def read_cpu(self) -> dict[str, float]:
        """CPU seconds so far of the client and of the workers, with all processes below them."""
        assert self._client is not None
        return {
            "client": read_tree_cpu(psutil.Process(self._client.pid)),
            "worker": sum(read_tree_cpu(psutil.Process(worker.pid)) for worker in self._workers),
        }

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._client is not None and self._client.stdin is not None:
            with suppress(BrokenPipeError):
                self._client.stdin.close()
            if kind is not None:
                self._client.terminate()
            self._stop(self._client)
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            self._stop(worker)

    def _start(self, role: str, **pipes: Any) -> subprocess.Popen[str]:
        with self.log.open("a") as log:
            return subprocess.Popen(
                self.system.get_command(role),
                cwd=ROOT,
                env=self._environment,
                text=True,
                **{"stdout": log, "stderr": log, **pipes},
            )

    def _stop(self, process: subprocess.Popen[str]) -> None:
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            print(f"  {self.system.title} did not stop within {STOP_SECONDS} s, and is killed")
            for each in (*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)):
                each.kill()
            process.wait()

    def _read_log(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-25:])
