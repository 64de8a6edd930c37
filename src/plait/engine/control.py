"""Cancelling and replaying runs. Everything runs on the engine's loop."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from plait.engine.repeat import PATIENCE, repeat
from plait.faultpoints import reach
from plait.graph.definition import STATUS_BY_CODE, Status, WorkflowDefinition
from plait.graph.replay import plan_replay
from plait.maintenance.canceller import cancel_page
from plait.store.hints import Hub
from plait.store.store import Store

if TYPE_CHECKING:
    from asyncpg import Record

ReplayChoice = Callable[[WorkflowDefinition], Collection[int]]
"""Which tasks of a run to replay besides those that did not complete."""

CONTROL_BATCH = 200
"""Runs that are cancelled or replayed in one commit."""


class Control:
    """Requests about existing runs. ``note_cancelled`` gets the runs that a request ended."""

    def __init__(self, store: Store, hub: Hub, *, note_cancelled: Callable[[Sequence[UUID]], None]) -> None:
        self._store = store
        self._hub = hub
        self._note_cancelled = note_cancelled

    async def cancel_runs(self, run_ids: Sequence[UUID], reason: str) -> list[UUID]:
        """Cancel runs, ``CONTROL_BATCH`` in a transaction, and then their descendants. Returns those that this ended.

        From the first commit on no task of a descendant begins any more, and none gets further children. They are ended
        here for up to ``PATIENCE`` seconds; what is left then, or is being started in a user's transaction that is
        still open, is ended by whoever runs the maintenance.
        """
        ended: list[UUID] = []
        for start in range(0, len(run_ids), CONTROL_BATCH):
            page = run_ids[start : start + CONTROL_BATCH]
            ended += await repeat(self._store.control.cancel_runs, page, reason)
            reach("cancel committed")
            # All of them: when a request is sent again, because its reply was lost, it ends nothing.
            names = [run_id.hex for run_id in page]
            self._hub.publish("cancel", names)
            self._hub.publish("done", names)
            ended += await self._cancel_descendants(page)
        self._note_cancelled(ended)
        return ended

    async def _cancel_descendants(self, run_ids: Sequence[UUID]) -> list[UUID]:
        ended: list[UUID] = []
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            _, untouched = await repeat(self._store.control.read_cancellations, run_ids)
            if not untouched:
                return ended
            page, looked_at = await repeat(cancel_page, self._store.control, self._hub)
            ended += page
            if not looked_at:  # somebody else is at it
                await asyncio.sleep(0.01)
        self._hub.publish("orders", [])
        return ended

    async def replay_runs(self, run_ids: Sequence[UUID], choose: ReplayChoice | None = None) -> list[UUID]:
        """Replay ended runs: what did not complete, and the tasks that ``choose`` adds. Returns those replayed; runs
        that are active or have nothing to run again are left alone."""
        replayed: list[UUID] = []
        for start in range(0, len(run_ids), CONTROL_BATCH):
            page = list(dict.fromkeys(run_ids[start : start + CONTROL_BATCH]))
            rows = await self._store.control.read_replayable(page)
            plans = [plan for row in rows if (plan := await self._plan_replay(row, choose)) is not None]
            if plans:
                reach("replay planned")
                again = await self._send_plans(plans)
                reach("replay committed")
                self._publish_replayed({row["id"]: row["version_id"] for row in rows}, again)
                replayed += again
        return replayed

    async def _send_plans(self, plans: Sequence[dict[str, Any]]) -> list[UUID]:
        """Replay by plans. When they had to be sent again, the lost reply may have told of runs that are active now."""
        calls = 0

        async def send() -> list[UUID]:
            nonlocal calls
            calls += 1
            return await self._store.control.replay_runs(json.dumps(plans))

        replayed = await repeat(send)
        if calls > 1 and len(replayed) < len(plans):
            rows = await self._store.control.read_replayable([UUID(plan["run_id"]) for plan in plans])
            replayed += [row["id"] for row in rows if row["status"] == 0 and row["id"] not in replayed]
        return replayed

    async def _plan_replay(self, row: Record, choose: ReplayChoice | None) -> dict[str, Any] | None:
        if row["status"] == 0:
            return None
        definition = (await self._store.read_version(row["version_id"])).definition
        outcomes: dict[int, Status] = {
            task: STATUS_BY_CODE[code] for task, code in zip(row["tasks"] or (), row["outcomes"] or (), strict=True)
        }
        plan = plan_replay(definition, outcomes, choose(definition) if choose else ())
        if not plan.tasks:
            return None
        return {
            "run_id": str(row["id"]),
            "finished_at": row["finished_at"].isoformat(),
            "tasks": plan.tasks,
            "ready": plan.ready,
            "pending": plan.pending,
            "worst": int(plan.worst),
            # What completed and runs again all the same starts child runs of its own anew.
            "anew": [task for task in plan.tasks if outcomes.get(task) is Status.COMPLETED],
        }

    def _publish_replayed(self, version_of: Mapping[UUID, int], replayed: Sequence[UUID]) -> None:
        if replayed:
            self._hub.publish("changed", [run_id.hex for run_id in replayed])
        actions: set[int] = set()
        for run_id in replayed:
            version = self._store.get_version(version_of[run_id]) if run_id in version_of else None
            actions.update(version.actions if version is not None else ())
        if actions:
            self._hub.publish("ready", [str(action) for action in actions])
            self._hub.publish("timer", [])
