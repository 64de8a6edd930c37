"""Somebody who triggers runs of all kinds, and knows which of them were acknowledged."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import threading
from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from flows import mixed
from flows.steps import Number
from plait import Plait
from plait.errors import DatabaseUnavailableError, ReplayError
from support import launcher

KINDS = ("pipeline", "approval", "parent", "heavy", "pipeline")


class Client(Protocol):
    """What a storm asks of whoever triggers runs. ``uncertain``: triggers that were not acknowledged, whose runs may be
    stored or not; ``meddled``: runs that were cancelled or replayed."""

    @property
    def acknowledged(self) -> Sequence[str]: ...
    @property
    def uncertain(self) -> int: ...
    @property
    def meddled(self) -> Set[str]: ...
    def check(self) -> None:
        """Raise what has ended it before its time."""

    def finish(self) -> None: ...


class LoadClient:
    """Triggers runs one after the other from a thread, until it is told to stop or has triggered ``most``.

    ``meddle``: the share of runs that it cancels at once or a little later, and replays; they complete in the end.
    """

    def __init__(
        self,
        url: str,
        chance: random.Random,
        *,
        kinds: Sequence[str] = KINDS,
        most: int | None = None,
        pause: float = 0.01,
        meddle: float = 0.0,
        retries: int = 0,
    ) -> None:
        self.acknowledged: list[str] = []
        self.uncertain = 0
        self.meddled: set[str] = set()
        self.error: BaseException | None = None
        self._plait = Plait(url)
        self._flows = mixed.declare(self._plait, retries=retries)
        self._chance = chance
        self._kinds = kinds
        self._most = most
        self._pause = pause
        self._meddle = meddle
        self._stop = threading.Event()
        self._later: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._work, name="client", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait for the last trigger, which is the next one if there is no other end."""
        if self._most is None:
            self._stop.set()
        self._thread.join(90)
        assert not self._thread.is_alive(), f"the client hangs after {len(self.acknowledged)} triggers"
        self._plait.close()
        self.check()

    def check(self) -> None:
        if self.error is not None:
            raise self.error

    def _work(self) -> None:
        try:
            asyncio.run(self._trigger())
        except BaseException as error:
            self.error = error

    async def _trigger(self) -> None:
        number = 0
        while not self._stop.is_set() and (self._most is None or number < self._most):
            kind = self._kinds[number % len(self._kinds)]
            try:
                ref = await getattr(self._flows, kind).aio_run_no_wait(Number(n=number))
            except DatabaseUnavailableError:
                self.uncertain += 1
            else:
                self.acknowledged.append(ref.workflow_run_id)
                if self._chance.random() < self._meddle:
                    self.meddled.add(ref.workflow_run_id)
                    self._do_later(self._cancel_and_replay(ref.workflow_run_id))
            if kind == "approval":
                # Stored or not: a run nobody was told of waits for it, too.
                self._do_later(self._approve(number))
            number += 1
            await asyncio.sleep(self._pause)
        if self._later:
            await asyncio.gather(*self._later)

    def _do_later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _approve(self, number: int) -> None:
        await asyncio.sleep(self._chance.random() * 0.2)  # before or after the task has come to wait for it
        await _insist(self._plait.event.aio_push, f"go:{number}", {"yes": False})
        await _insist(self._plait.event.aio_push, f"go:{number}", {"yes": True})

    async def _cancel_and_replay(self, run_id: str) -> None:
        await asyncio.sleep(self._chance.random() * 0.3)
        await _insist(self._plait.runs.aio_cancel, run_id)
        await asyncio.sleep(self._chance.random() * 0.3)
        with suppress(ReplayError):  # it had completed before it was cancelled
            await _insist(self._plait.runs.aio_replay, run_id)


async def _insist(call: Callable[..., Any], *arguments: Any) -> None:
    """Call again while the database is away."""
    while True:
        try:
            await call(*arguments)
            return
        except DatabaseUnavailableError:
            await asyncio.sleep(0.1)


class ProcessClient:
    """A client in a process of its own (``run_client``): triggers ``count`` runs and cancels and replays some of them.
    If it is killed, another goes on."""

    def __init__(self, url: str, folder: Path, count: int, env: dict[str, str], *, retries: int) -> None:
        self._folder = folder
        self._arguments = ["-m", "faults.harness.run_client", str(folder / "journal.jsonl"), str(count), str(retries)]
        self._environment = {**os.environ, "DATABASE_URL": url, **env}
        self._process = self._start()

    @property
    def acknowledged(self) -> list[str]:
        return [line["run"] for line in self._read() if "run" in line]

    @property
    def uncertain(self) -> int:
        return sum("begun" in line for line in self._read()) - len(self.acknowledged)

    @property
    def meddled(self) -> set[str]:
        return {line["meddled"] for line in self._read() if "meddled" in line}

    def check(self) -> None:
        """``finish`` looks at how it ended."""

    def finish(self) -> None:
        """Wait until it has done all, starting it again where it died."""
        while (code := self._process.wait(60)) != 0:
            assert code == -signal.SIGKILL, (self._folder / "client.log").read_text()
            self._process = self._start()

    def _read(self) -> list[dict[str, Any]]:
        journal = self._folder / "journal.jsonl"
        return [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []

    def _start(self) -> launcher.Process:
        with (self._folder / "client.log").open("ab") as log:
            return launcher.start(self._arguments, cwd=launcher.TESTS, env=self._environment, stdout=log, stderr=log)
