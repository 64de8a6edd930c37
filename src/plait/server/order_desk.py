"""Orders about runs: start, cancel, replay; one or many."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from plait.errors import InvalidInputError, NotFoundError
from plait.features.base import on_engine
from plait.features.planned import plan_by_name
from plait.ids import new_run_id
from plait.server.desk_base import DeskBase
from plait.server.models.common import Done, Started
from plait.server.models.runs import BulkOrder, BulkResult, CancelOrder, ReplayOrder, TriggerOrder
from plait.server.payloads import parse_json, parse_object
from plait.server.run_desk import RunDesk, Search, no_run, read_filter
from plait.types import UNSET, WorkflowRunStatus, check_index_key

if TYPE_CHECKING:
    from plait.client import Plait

PAGE = 500
MOST_MATCHED = 5_000
"""Runs that one bulk order deals with; whoever asked goes on."""
MOST_COUNTED = 100_000
MOST_SEARCHES = 10
BY_PERSON = "cancelled in the dashboard"

CANCELLABLE = (WorkflowRunStatus.QUEUED, WorkflowRunStatus.RUNNING)
REPLAYABLE = (WorkflowRunStatus.FAILED, WorkflowRunStatus.CANCELLED)


class OrderDesk(DeskBase):
    """Changes the course of runs."""

    def __init__(self, plait: Plait, runs: RunDesk) -> None:
        super().__init__(plait)
        self._runs = runs

    @on_engine
    async def trigger(self, order: TriggerOrder) -> Started:
        """Start a run of the version of a workflow that is served, or declared here."""
        from plait.store.store import StartRow  # noqa: PLC0415 - asyncpg comes with it

        metadata = None if order.metadata is None else parse_object(order.metadata, "metadata")
        key = check_index_key(order.idempotency_key, "idempotency_key")
        given = parse_json(order.input, "input")
        checked = await plan_by_name(self._access, order.workflow, given, metadata, order.priority)
        engine = await self._access.open_engine()
        row = StartRow(new_run_id(), checked.version_id, checked.input, checked.metadata, checked.priority, key)
        [run_id] = await engine.starts.start_rows([row])
        return Started(id=run_id)

    @on_engine
    async def cancel(self, run_id: UUID, order: CancelOrder) -> Done:
        """Cancel a run with its child runs."""
        return Done(done=await self._plait.runs.aio_cancel(str(run_id), reason=order.reason or BY_PERSON))

    @on_engine
    async def cancel_task(self, run_id: UUID, task: int) -> Done:
        """Cancel one task."""
        await self._plait.runs.aio_cancel_task(str(run_id), (await self._name_tasks(run_id, [task]))[0])
        return Done(done=True)

    @on_engine
    async def replay(self, run_id: UUID, order: ReplayOrder) -> Started:
        """Run again what did not complete, or all with another input as a new run."""
        ref = await self._plait.runs.aio_replay(
            str(run_id),
            from_start=order.from_start,
            tasks=await self._name_tasks(run_id, order.tasks),
            input=UNSET if order.input is None else parse_json(order.input, "input"),
            additional_metadata=None if order.metadata is None else parse_object(order.metadata, "metadata"),
            priority=order.priority,
        )
        return Started(id=UUID(ref.workflow_run_id))

    @on_engine
    async def bulk_cancel(self, order: BulkOrder) -> BulkResult:
        """Cancel many runs."""
        if order.from_start:
            raise InvalidInputError("from_start is for replaying")

        async def cancel(ids: Sequence[UUID]) -> int:
            return len(await (await self._access.open_engine()).control.cancel_runs(ids, BY_PERSON))

        return await self._deal(order, CANCELLABLE, cancel)

    @on_engine
    async def bulk_replay(self, order: BulkOrder) -> BulkResult:
        """Replay many runs."""

        async def replay(ids: Sequence[UUID]) -> int:
            names = [str(run_id) for run_id in ids]
            return (await self._plait.runs.aio_bulk_replay(ids=names, from_start=order.from_start)).done

        return await self._deal(order, REPLAYABLE, replay)

    async def _deal(
        self,
        order: BulkOrder,
        allowed: Sequence[WorkflowRunStatus],
        carry_out: Callable[[Sequence[UUID]], Awaitable[int]],
    ) -> BulkResult:
        if (order.ids is None) == (order.filter is None):
            raise InvalidInputError("give either ids or filter; an empty filter is all runs")
        if order.ids is not None:
            return await self._deal_with_ids(list(dict.fromkeys(order.ids)), allowed, order.dry_run, carry_out)
        assert order.filter is not None
        statuses = [status for status in order.filter.status or allowed if status in allowed]
        if not statuses:
            return BulkResult(matched=0, done=0, next=None)
        wanted = read_filter(order.filter.model_copy(update={"status": statuses}), order.before)
        return await self._deal_with_matches(wanted, order.dry_run, carry_out)

    async def _deal_with_ids(
        self,
        ids: Sequence[UUID],
        allowed: Sequence[WorkflowRunStatus],
        dry_run: bool,
        carry_out: Callable[[Sequence[UUID]], Awaitable[int]],
    ) -> BulkResult:
        wanted = await self._runs.choose(ids, allowed)
        done = 0
        if not dry_run:
            for start in range(0, len(wanted), PAGE):
                done += await carry_out(wanted[start : start + PAGE])
        return BulkResult(matched=len(wanted), done=done, next=None)

    async def _deal_with_matches(
        self, wanted: Search, dry_run: bool, carry_out: Callable[[Sequence[UUID]], Awaitable[int]]
    ) -> BulkResult:
        matched = done = 0
        most = MOST_COUNTED if dry_run else MOST_MATCHED
        following: UUID | None = None
        for _ in range(most // PAGE + MOST_SEARCHES):
            found = await self._runs.search(wanted, PAGE)
            ids = [row["id"] for row in found.rows]
            matched += len(ids)
            if ids and not dry_run:
                done += await carry_out(ids)
            following = found.next
            if following is None or matched >= most:
                break
            wanted = wanted._replace(before=following)
        return BulkResult(matched=matched, done=done, next=following)

    async def _name_tasks(self, run_id: UUID, tasks: Sequence[int]) -> list[str]:
        if not tasks:
            return []
        store = await self._open_store()
        row = await store.read_run(run_id)
        if row is None:
            raise no_run(run_id)
        specs = (await store.read_version(row["version_id"])).definition.tasks
        if wrong := [task for task in tasks if task >= len(specs)]:
            raise NotFoundError(f"run {run_id} has {len(specs)} tasks: there is none at {wrong[0]}")
        return [specs[task].name for task in tasks]
