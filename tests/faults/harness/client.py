"""Somebody who triggers runs of all kinds, and knows which of them were acknowledged."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from flows import mixed
from flows.steps import Number
from plait import Plait
from plait.errors import DatabaseUnavailableError, ReplayError

KINDS = ("pipeline", "approval", "parent", "heavy", "pipeline")


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
    ) -> None:
        self.acknowledged: list[str] = []
        self.uncertain = 0
        """Triggers that raised: their runs may be stored or not."""
        self.meddled: set[str] = set()
        self.error: BaseException | None = None
        self._plait = Plait(url)
        self._flows = mixed.declare(self._plait)
        self._chance = chance
        self._kinds = kinds
        self._most = most
        self._pause = pause
        self._meddle = meddle
        self._stop = threading.Event()
        self._later: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._work, name="client", daemon=True)
        self._thread.start()

    @property
    def is_bounded(self) -> bool:
        """Whether it stops by itself."""
        return self._most is not None

    def stop(self) -> None:
        """Trigger no more, and wait for what is under way."""
        self._stop.set()
        self.join()

    def join(self, seconds: float = 90.0) -> None:
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"the client hangs after {len(self.acknowledged)} triggers"
        self._plait.close()
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
