"""Cancelling and replaying runs: one, one task of one, many by id or by filter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import TypeAdapter

from plait.errors import InvalidInputError, NotFoundError, ReplayError
from plait.features.base import on_engine, sync_twin
from plait.features.checks import MAX_PAGE
from plait.features.refs import WorkflowRunRef
from plait.features.run_reader import (
    CANCELLED,
    UNFINISHED,
    UNSUCCESSFUL,
    RunFilter,
    RunReader,
    cancel_run,
    parse_run_id,
)
from plait.features.run_views import ACTIVE
from plait.graph.definition import Status, WorkflowDefinition
from plait.graph.triggers import RunTrigger, TriggerKind
from plait.ids import new_run_id
from plait.types import UNSET, WorkflowRunStatus, check_priority
from plait.values.encoding import encode_metadata, encode_value
from plait.wording import suggest

if TYPE_CHECKING:
    from asyncpg import Record

_ANY: TypeAdapter[Any] = TypeAdapter(Any)


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkCancelReplayOpts:
    """What a bulk order is about: runs by id, or all that match a filter. Exactly one of the two."""

    ids: Sequence[str] | None = None
    filters: RunFilter | None = None


@dataclass(frozen=True, slots=True)
class BulkResult:
    """``matched`` runs were meant (when dry, would be), ``done`` of them were cancelled or replayed, descendants that
    were cancelled with them included."""

    matched: int
    done: int


class RunControl(RunReader):
    """The orders of ``plait.runs``. All raise ``NotFoundError`` for unknown ids."""

    # cancelling

    @on_engine
    async def aio_cancel(self, workflow_run_id: str, *, reason: str = CANCELLED) -> bool:
        """Cancel a run with its child runs: in one transaction, whatever is not terminal becomes CANCELLED.

        Asynchronous code that runs gets ``CancelledError``, synchronous code sees ``ctx.is_cancelled``; what they
        return is discarded. Returns whether this ended the run: False when it had ended before.
        """
        return await cancel_run(self._access, workflow_run_id, _check_reason(reason))

    cancel = sync_twin(aio_cancel)

    @on_engine
    async def aio_cancel_task(self, workflow_run_id: str, task_name: str) -> None:
        """Cancel one task of a run, with the child runs it started; what depends on it is cancelled too, the rest of
        the run goes on.

        Returns when the order is stored. It is carried out by a worker: by that which runs the task, or by any when
        the task comes up. A task that is terminal already keeps its outcome. Raises ``InvalidInputError`` when the
        run has ended.
        """
        row, definition = await self._read_run(workflow_run_id)
        [task] = _find_tasks(definition, [task_name])
        engine = await self._access.open_engine()
        from plait.engine.repeat import repeat  # noqa: PLC0415 - asyncpg comes with it

        asked = await repeat(engine.store.control.cancel_task, row["id"], task)
        if asked is False:
            return
        if asked is None:
            raise InvalidInputError(
                f"run {workflow_run_id} has ended ({Status(row['status'] or 3).name}): nothing to cancel"
            )
        engine.hub.publish("cancel", [row["id"].hex])
        engine.hub.publish("timer", [])
        await engine.control.cancel_children(row["id"], task, task_name)

    cancel_task = sync_twin(aio_cancel_task)

    @on_engine
    async def aio_bulk_cancel(
        self,
        opts: BulkCancelReplayOpts | None = None,
        *,
        ids: Sequence[str] | None = None,
        filter: RunFilter | None = None,
        dry_run: bool = False,
        on_progress: Callable[[BulkResult], None] | None = None,
    ) -> BulkResult:
        """Cancel runs by id, or all active ones that match a filter; ``dry_run`` only counts them.

        ``on_progress`` is told how far it is, after every page, on the engine's thread: it must be quick.
        """
        engine = await self._access.open_engine()
        matched = done = 0
        async for page in self._iter_pages(opts, ids, filter, UNFINISHED):
            matched += len(page)
            if not dry_run:
                done += len(await engine.control.cancel_runs(page, CANCELLED))
            if on_progress is not None:
                on_progress(BulkResult(matched, done))
        return BulkResult(matched, done)

    bulk_cancel = sync_twin(aio_bulk_cancel)

    # replaying

    @on_engine
    async def aio_replay(
        self,
        workflow_run_id: str,
        *,
        from_start: bool = False,
        tasks: Sequence[str] | None = None,
        input: Any = UNSET,
        additional_metadata: Mapping[str, Any] | None = None,
        priority: int | None = None,
    ) -> WorkflowRunRef:
        """Run what did not complete again: failed and cancelled tasks and what depends on them. Completed outputs are
        kept and used; earlier attempts stay in the history.

        Args:
            from_start: all of it.
            tasks: these too, with what depends on them.
            input: another input. Then a *new* run is started, of the version that is served now, and remembers this
                one as its origin. ``additional_metadata`` and ``priority`` go with it; this run's own if left out.

        Raises ``ReplayError`` while the run is active, and when nothing of it is to be run again.
        """
        row, definition = await self._read_run(workflow_run_id)
        if input is not UNSET:
            if from_start or tasks:
                raise InvalidInputError("a replay with another input runs everything: leave out from_start and tasks")
            return await self._replay_as_new(row, definition, input, additional_metadata, priority)
        if additional_metadata is not None or priority is not None:
            raise InvalidInputError("additional_metadata and priority are for a replay with another input")
        if row["status"] == ACTIVE:
            raise ReplayError(f"run {workflow_run_id} is active: wait for its end, or cancel it, then replay it")
        chosen = _choose_tasks(from_start, _find_tasks(definition, tasks or ()))
        if not await (await self._access.open_engine()).control.replay_runs([row["id"]], chosen):
            again, _ = await self._read_run(workflow_run_id)
            if again["status"] == ACTIVE:
                raise ReplayError(f"run {workflow_run_id} is active: somebody else replayed it just now")
            raise ReplayError(
                f"every task of run {workflow_run_id} completed: say from_start=True, or tasks=[...] to run some again"
            )
        return WorkflowRunRef(self._access, row["id"], definition.name)

    replay = sync_twin(aio_replay)

    @on_engine
    async def aio_bulk_replay(
        self,
        opts: BulkCancelReplayOpts | None = None,
        *,
        ids: Sequence[str] | None = None,
        filter: RunFilter | None = None,
        from_start: bool = False,
        dry_run: bool = False,
        on_progress: Callable[[BulkResult], None] | None = None,
    ) -> BulkResult:
        """Replay runs by id, or all failed and cancelled ones that match a filter; ``dry_run`` only counts them. Runs
        that are active, or have nothing to run again, are left alone. ``on_progress``: see ``bulk_cancel``."""
        engine = await self._access.open_engine()
        matched = done = 0
        async for page in self._iter_pages(opts, ids, filter, UNSUCCESSFUL):
            matched += len(page)
            if not dry_run:
                done += len(await engine.control.replay_runs(page, _choose_tasks(from_start, ())))
            if on_progress is not None:
                on_progress(BulkResult(matched, done))
        return BulkResult(matched, done)

    bulk_replay = sync_twin(aio_bulk_replay)

    # within

    async def _iter_pages(
        self,
        opts: BulkCancelReplayOpts | None,
        ids: Sequence[str] | None,
        filter: RunFilter | None,
        default: Sequence[WorkflowRunStatus],
    ) -> AsyncIterator[Sequence[UUID]]:
        """The ids of a bulk order's runs, in pages."""
        if opts is not None:
            ids, filter = opts.ids, opts.filters
        if (ids is None) == (filter is None):
            raise InvalidInputError("give either ids=[...] or filter=RunFilter(...); an empty RunFilter() is all runs")
        if ids is not None:
            yield list(dict.fromkeys(parse_run_id(run_id) for run_id in ids))
            return
        assert filter is not None
        statuses = [status for status in filter.statuses or default if WorkflowRunStatus(status) in default]
        if not statuses:
            return
        wanted = replace(filter, statuses=statuses)
        before: UUID | None = None
        while rows := await self._list_rows(wanted, MAX_PAGE, before):
            before = rows[-1]["id"]
            yield [row["id"] for row in rows]

    async def _replay_as_new(
        self,
        row: Record,
        definition: WorkflowDefinition,
        input: Any,
        metadata: Mapping[str, Any] | None,
        priority: int | None,
    ) -> WorkflowRunRef:
        from plait.store.store import StartRow  # noqa: PLC0415 - asyncpg comes with it

        engine = await self._access.open_engine()
        where = f"workflow {definition.name!r}"
        declared = self._access.declared.get(definition.name)
        if declared is not None:
            data = declared.encode_input(input)
            version_id = (await engine.versions.register(declared.get_definition())).id
        else:
            limit = self._access.payload_limit
            data = encode_value(input, _ANY, where=where, root="input", limit=limit, error=InvalidInputError)
            version_id = await engine.store.control.read_served(definition.name) or row["version_id"]
        start = StartRow(
            new_run_id(),
            version_id,
            data,
            row["metadata"] if metadata is None else encode_metadata(metadata, where=where),
            row["priority"] if priority is None else check_priority(priority, f"{where}: priority", InvalidInputError),
            None,
            RunTrigger(TriggerKind.REPLAY, row["id"]),
        )
        [run_id] = await engine.starts.start_rows([start])
        return WorkflowRunRef(self._access, run_id, definition.name)


def _find_tasks(definition: WorkflowDefinition, names: Sequence[str]) -> list[int]:
    known = definition.index_by_name
    for name in names:
        if name not in known:
            raise NotFoundError(f"workflow {definition.name!r} has no task {name!r}{suggest(name, known)}")
    return [known[name] for name in names]


def _choose_tasks(from_start: bool, tasks: Collection[int]) -> Any:
    return lambda definition: range(len(definition.tasks)) if from_start else tasks


def _check_reason(reason: str) -> str:
    if not isinstance(reason, str) or "\x00" in reason or len(reason) > 10_000:
        raise InvalidInputError("reason must be a str of at most 10,000 characters without NUL")
    return reason.encode("utf-8", "backslashreplace").decode()
