"""Starting runs. Everything runs on the engine's loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import partial
from uuid import UUID

from plait.engine.control import Control
from plait.engine.repeat import PATIENCE, persist, repeat_briefly
from plait.engine.requests import RunRequest
from plait.engine.versions import Versions
from plait.errors import PARENT_ENDED, InvalidInputError, KeyHeldError, ParentEndedError, UnknownVersionError
from plait.faultpoints import reach
from plait.graph.triggers import read_child_key
from plait.store.batcher import Batcher
from plait.store.connection import iter_backoff
from plait.store.hints import Hub
from plait.store.store import KEY_HELD, StartRow, Store
from plait.values.encoding import decode_json
from plait.wording import shorten

START_BATCH = 1000
START_BYTES = 16 << 20
"""Most bytes of input in one commit of triggers, a single larger run aside."""

QUIET_SECONDS = 0.01
"""After so long without a trigger, a lone one carries its hint in its own commit: a round trip less until its first
task starts. Not oftener, for all commits with a notification wait for each other."""
CROWDED_SECONDS, CROWDED_PAUSE = 0.005, 1.0
"""A trigger with its hint that took so long met others that wait: for the pause hints use their own connection."""


class Starts:
    """Starts runs durably; concurrent calls share commits."""

    def __init__(self, store: Store, hub: Hub, versions: Versions, control: Control) -> None:
        self._store = store
        self._hub = hub
        self._versions = versions
        self._control = control
        self._plain, self._keyed = (
            Batcher[StartRow, UUID | None](
                self._write, cap=START_BATCH, weigh=lambda row: len(row.input), heaviest=START_BYTES
            )
            for _ in range(2)
        )
        """Runs with keys go in commits of their own: these wait, a little, for other transactions that hold a key."""
        self._last_start = 0.0

    async def start_runs(self, requests: Sequence[RunRequest]) -> list[UUID]:
        """Start runs durably; returns when they are committed, with the effective ids in order.

        Sent again while the database is away for up to ``PATIENCE`` seconds, inside a task for as long as its worker's
        lease; then raises ``DatabaseUnavailableError``. The run ids make that harmless.
        """
        run_ids = await self.start_rows(await self.prepare_rows(requests))
        found = {
            run_id: request
            for request, run_id in zip(requests, run_ids, strict=True)
            if run_id != request.run_id and request.trigger is not None
        }
        if found:
            await self._take_up_children(found)
        return run_ids

    async def start_rows(self, rows: Sequence[StartRow]) -> list[UUID]:
        """Start runs of stored versions; as ``start_runs``. Raises ``ParentEndedError`` for child runs whose parent
        task does not run any more, and ``KeyHeldError`` when a transaction that stays open holds one of their keys."""
        answers = await persist((self._keyed if any(map(_read_key, rows)) else self._plain).submit, rows)
        if KEY_HELD in answers:
            answers = await self._ask_again(rows, answers)
        run_ids = [run_id for run_id in answers if run_id is not None]
        if len(run_ids) < len(rows):
            raise ParentEndedError(PARENT_ENDED)
        return run_ids

    async def _ask_again(self, rows: Sequence[StartRow], answers: Sequence[UUID | None]) -> list[UUID | None]:
        """Those whose key was held, until none is, or for up to ``PATIENCE`` seconds."""
        answers, deadline = list(answers), time.monotonic() + PATIENCE
        delays = iter_backoff(ceiling=0.5)
        while held := [place for place, answer in enumerate(answers) if answer == KEY_HELD]:
            if time.monotonic() > deadline:
                raise await self._explain_held(rows[held[0]], len(rows) - len(held))
            await asyncio.sleep(next(delays))
            for place, answer in zip(held, await self._keyed.submit([rows[place] for place in held]), strict=True):
                answers[place] = answer
        return answers

    async def _explain_held(self, row: StartRow, others: int) -> KeyHeldError:
        name = (await self._store.read_version(row.version_id)).definition.name
        if row.idempotency_key is not None:
            what = f"the idempotency key {shorten(row.idempotency_key)} of workflow {name!r}"
        else:
            what = (
                f"the key of this child run of workflow {name!r}: an earlier attempt of the same task started it there,"
            )
        also = f" The {others} other runs of this call were started." if others else ""
        return KeyHeldError(
            f"a transaction that has been open for more than {PATIENCE:g} s holds {what} and was neither committed nor "
            f"rolled back. No run was started under this key.{also} End that transaction (pg_stat_activity shows those "
            "that are 'idle in transaction'), then trigger again"
        )

    async def prepare_rows(self, requests: Sequence[RunRequest]) -> list[StartRow]:
        """Requests as rows, their workflow versions stored."""
        rows = []
        for request in requests:
            version = self._versions.find(request.definition) or await self._versions.register(request.definition)
            rows.append(
                StartRow(
                    request.run_id,
                    version.id,
                    request.input,
                    request.metadata,
                    request.priority,
                    request.idempotency_key,
                    request.trigger,
                )
            )
        return rows

    async def _take_up_children(self, found: Mapping[UUID, RunRequest]) -> None:
        """Child runs of an earlier attempt were found: those that did not complete run again.

        Refuses one that the order of the calls found and that was started with another input. Runs that an idempotency
        key found, and that somebody else started, are left alone.
        """
        own = []
        for row in await self._store.control.read_inputs(list(found)):
            request = found[row["id"]]
            trigger = request.trigger
            if trigger is None or row["trigger_id"] != trigger.id:
                continue
            own.append(row["id"])
            by_order = read_child_key(trigger.child_key or "") is None and not request.idempotency_key
            if by_order and row["input"] != request.input and decode_json(row["input"]) != decode_json(request.input):
                raise InvalidInputError(
                    f"workflow {request.definition.name!r}: an earlier attempt of this task started its child run "
                    f"{row['id']} by this call, with another input. Where the order or the inputs of child runs may "
                    f"differ from attempt to attempt, give each a child_key"
                )
        if own:
            await self._control.replay_runs(own)

    async def _write(self, rows: list[StartRow]) -> list[UUID | None]:
        now = time.monotonic()
        quiet, self._last_start = len(rows) == 1 and now - self._last_start > QUIET_SECONDS, now
        try:
            started = await repeat_briefly(partial(self._store.start_runs, notify=quiet), rows)
            reach("start committed")
        except UnknownVersionError:
            self._versions.forget()
            raise
        if quiet and time.monotonic() - now > CROWDED_SECONDS:
            self._last_start = now + CROWDED_PAUSE
        self._hub.publish("ready", self._root_actions(rows), elsewhere=not quiet)
        if self._have_schedule_timeouts(rows):
            self._hub.publish("timer", [])  # the timers sleep until the next one they know of
        return started

    def _have_schedule_timeouts(self, rows: list[StartRow]) -> bool:
        versions = [self._store.get_version(version_id) for version_id in {row.version_id for row in rows}]
        return any(
            version.definition.tasks[root].schedule_timeout is not None
            for version in versions
            if version is not None
            for root in version.definition.roots
        )

    def _root_actions(self, rows: list[StartRow]) -> list[str]:
        actions: set[int] = set()
        for version_id in {row.version_id for row in rows}:
            version = self._store.get_version(version_id)
            if version is not None:
                actions.update(version.actions[root] for root in version.definition.roots)
        return [str(action) for action in actions]


def _read_key(row: StartRow) -> str | None:
    """What a transaction of somebody else's may hold."""
    return row.idempotency_key or (row.trigger.child_key if row.trigger is not None else None)
