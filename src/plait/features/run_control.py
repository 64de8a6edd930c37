"""Cancelling and replaying runs: one, one task of one, many by id or by filter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from pydantic import TypeAdapter

from plait.engine.repeat import repeat
from plait.errors import InvalidInputError, ReplayError
from plait.features.base import FeatureClient, on_engine, sync_twin
from plait.features.planned import plan_by_name
from plait.features.refs import WorkflowRunRef
from plait.features.run_reader import CANCELLED, cancel_run, find_task, parse_run_id, read_run
from plait.features.run_rows import ACTIVE
from plait.features.run_search import UNFINISHED, UNSUCCESSFUL, RunFilter, build_search, choose_runs, search_runs
from plait.features.shapes import Answer, Id
from plait.graph.definition import Status, WorkflowDefinition
from plait.graph.triggers import RunTrigger, TriggerKind
from plait.ids import new_run_id
from plait.types import UNSET, WorkflowRunStatus, check_index_key, check_priority
from plait.values.encoding import encode_metadata, encode_value

if TYPE_CHECKING:
    from asyncpg import Record

PAGE = 500
"""Runs that a bulk request deals with at a time."""
MOST_SEARCHES = 10
"""Pages, besides full ones, that a bounded bulk request looks at."""
_ANY: TypeAdapter[Any] = TypeAdapter(Any)


class _Bounds(NamedTuple):
    """About how many runs a bulk request deals with at most, and where it goes on."""

    most: int | None
    before: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkCancelReplayOpts:
    """The runs of a bulk request: by id, or all that match a filter. Give exactly one of the two."""

    ids: Sequence[str] | None = None
    filters: RunFilter | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkResult(Answer):
    """What a bulk request did. ``matched``: how many runs it was about. ``done``: how many were cancelled or replayed,
    descendants that were cancelled with them included. ``next``: where it stopped, if ``most`` ended it; pass it as
    ``before`` to go on.
    """

    matched: int
    done: int
    dry_run: bool
    next: Id | None = None


class RunControl(FeatureClient):
    """The requests of ``plait.runs`` that start or change runs. All raise ``NotFoundError`` for unknown ids."""

    @on_engine
    async def aio_create(
        self,
        workflow_name: str,
        input: Any = UNSET,
        additional_metadata: Mapping[str, Any] | None = None,
        priority: int | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> WorkflowRunRef:
        """Start a run of a workflow by its name: of the version that is declared in this process, else of the one that
        is served. If you have the workflow's code, use ``workflow.run_no_wait``, which knows the type of the input.
        """
        from plait.store.store import StartRow  # noqa: PLC0415 - asyncpg comes with it

        key = check_index_key(idempotency_key, "idempotency_key")
        planned = await plan_by_name(self._access, workflow_name, input, additional_metadata, priority)
        engine = await self._access.open_engine()
        row = StartRow(new_run_id(), planned.version_id, planned.input, planned.metadata, planned.priority, key)
        [run_id] = await engine.starts.start_rows([row])
        return WorkflowRunRef(self._access, run_id, workflow_name)

    create = sync_twin(aio_create)

    # cancelling

    @on_engine
    async def aio_cancel(self, workflow_run_id: str, *, reason: str = CANCELLED) -> bool:
        """Cancel a run with its child runs: whatever is not terminal becomes CANCELLED, of the run in one transaction,
        of its descendants right after it.

        When it returns, the run has ended, no task of a descendant begins any more, and the descendants have ended,
        too, with two exceptions: when there are so many that it takes more than ten seconds, and when one is being
        started in a transaction of yours that is still open. Those the workers' maintenance ends as soon as it can.
        Asynchronous code that runs gets ``CancelledError``, synchronous code sees ``ctx.is_cancelled``; what they
        return is discarded. Returns True if this call ended the run, False if it had ended before.
        """
        return await cancel_run(self._access, workflow_run_id, _check_reason(reason))

    cancel = sync_twin(aio_cancel)

    @on_engine
    async def aio_cancel_task(self, workflow_run_id: str, task_name: str | int) -> None:
        """Cancel one task of a run, with the child runs it started; what depends on it is cancelled too, the rest of
        the run goes on.

        Returns when the request is stored. A worker carries it out: the one that runs the task, or any worker once it
        is the task's turn. A task that has already ended keeps its outcome. Raises ``InvalidInputError`` when the run
        has ended.
        """
        row, definition = await read_run(self._access, workflow_run_id)
        task = find_task(definition, task_name)
        engine = await self._access.open_engine()
        asked = await repeat(engine.store.control.cancel_task, row["id"], task)
        if asked is False:
            return
        if asked is None:
            raise InvalidInputError(
                f"run {workflow_run_id} has ended ({Status(row['status'] or 3).name}): nothing to cancel"
            )
        engine.hub.publish("cancel", [row["id"].hex])
        engine.hub.publish("timer", [])

    cancel_task = sync_twin(aio_cancel_task)

    @on_engine
    async def aio_bulk_cancel(
        self,
        opts: BulkCancelReplayOpts | None = None,
        *,
        ids: Sequence[str] | None = None,
        filter: RunFilter | None = None,
        dry_run: bool = False,
        reason: str = CANCELLED,
        most: int | None = None,
        before: str | None = None,
        on_progress: Callable[[BulkResult], None] | None = None,
    ) -> BulkResult:
        """Cancel the active ones of the runs with these ids, or all active ones that match a filter; ``dry_run`` only
        counts them.

        With a filter it goes on until no run is left. With ``most`` it stops after about that many; pass the answer's
        ``next`` as ``before`` to go on. ``on_progress`` is called with the result so far after every page, on the
        engine's thread: it must be quick.
        """
        engine = await self._access.open_engine()

        async def cancel(page: Sequence[UUID]) -> int:
            return len(await engine.control.cancel_runs(page, _check_reason(reason)))

        chosen = _choose_runs(opts, ids, filter)
        return await self._deal(chosen, UNFINISHED, _Bounds(most, before), None if dry_run else cancel, on_progress)

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
        """Run again what did not complete: failed and cancelled tasks, and the tasks that depend on them. The outputs
        of completed tasks are kept and used; earlier attempts stay in the history.

        Args:
            from_start: run all tasks again.
            tasks: run these again too, and the tasks that depend on them.
            input: another input. This starts a *new* run, of the version that is served now, which names this one as
                its origin. ``additional_metadata`` and ``priority`` can be given with it; if left out, they are those
                of this run.

        Raises ``ReplayError`` while the run is active, while its child runs are still being cancelled, and when it has
        no task to run again.
        """
        row, definition = await read_run(self._access, workflow_run_id)
        if input is not UNSET:
            if from_start or tasks:
                raise InvalidInputError("a replay with another input runs every task: leave out from_start and tasks")
            return await self._replay_as_new(row, definition, input, additional_metadata, priority)
        if additional_metadata is not None or priority is not None:
            raise InvalidInputError("additional_metadata and priority need another input: pass input= too")
        if row["status"] == ACTIVE:
            raise ReplayError(f"run {workflow_run_id} is active: wait for its end, or cancel it, then replay it")
        chosen = _choose_tasks(from_start, [find_task(definition, task) for task in tasks or ()])
        if not await (await self._access.open_engine()).control.replay_runs([row["id"]], chosen):
            again, _ = await read_run(self._access, workflow_run_id)
            if again["status"] == ACTIVE:
                raise ReplayError(f"run {workflow_run_id} is active: somebody else replayed it just now")
            if await (await self._open_store()).control.is_being_cancelled(row["id"]):
                raise ReplayError(
                    f"run {workflow_run_id} is still being cancelled, with its child runs or with the run whose task "
                    "started it: replay it when that is done. (A child run that is being started in a transaction of "
                    "yours holds it up until that transaction ends)"
                )
            raise ReplayError(
                f"every task of run {workflow_run_id} completed: pass from_start=True or tasks=[...] to run some again"
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
        most: int | None = None,
        before: str | None = None,
        on_progress: Callable[[BulkResult], None] | None = None,
    ) -> BulkResult:
        """Replay the failed and cancelled ones of the runs with these ids, or all of those that match a filter;
        ``dry_run`` only counts them. With ``from_start``, also completed ones that were named by id. The other
        arguments are those of ``bulk_cancel``.
        """
        engine = await self._access.open_engine()

        async def replay(page: Sequence[UUID]) -> int:
            return len(await engine.control.replay_runs(page, _choose_tasks(from_start, ())))

        chosen = _choose_runs(opts, ids, filter)
        allowed = (
            (*UNSUCCESSFUL, WorkflowRunStatus.COMPLETED) if from_start and chosen.filters is None else UNSUCCESSFUL
        )
        return await self._deal(chosen, allowed, _Bounds(most, before), None if dry_run else replay, on_progress)

    bulk_replay = sync_twin(aio_bulk_replay)

    # within

    async def _deal(
        self,
        chosen: BulkCancelReplayOpts,
        allowed: Sequence[WorkflowRunStatus],
        bounds: _Bounds,
        carry_out: Callable[[Sequence[UUID]], Awaitable[int]] | None,
        tell: Callable[[BulkResult], None] | None,
    ) -> BulkResult:
        """Deal with the chosen runs of allowed statuses, page by page; without ``carry_out`` they are only counted."""
        result = BulkResult(matched=0, done=0, dry_run=carry_out is None)
        most = bounds.most if chosen.ids is None else None
        searches = 0
        async for page, following in self._iter_pages(chosen, allowed, bounds.before):
            done = await carry_out(page) if page and carry_out is not None else 0
            result = replace(result, matched=result.matched + len(page), done=result.done + done)
            if tell is not None and page:
                tell(result)
            searches += 1
            if most is not None and (result.matched >= most or searches >= most // PAGE + MOST_SEARCHES):
                return replace(result, next=None if following is None else str(following))
        return result

    async def _iter_pages(
        self, chosen: BulkCancelReplayOpts, allowed: Sequence[WorkflowRunStatus], before: str | None
    ) -> AsyncIterator[tuple[Sequence[UUID], UUID | None]]:
        """The ids of a bulk request's runs, in pages, each with where the next begins."""
        if chosen.ids is not None:
            given = list(dict.fromkeys(parse_run_id(run_id) for run_id in chosen.ids))
            ids = await choose_runs(await self._open_store(), given, allowed)
            for start in range(0, len(ids), PAGE):
                yield ids[start : start + PAGE], None
            return
        assert chosen.filters is not None
        statuses = [one for one in chosen.filters.statuses or allowed if WorkflowRunStatus(one) in allowed]
        if not statuses:
            return
        place = None if before is None else parse_run_id(before)
        search = build_search(replace(chosen.filters, statuses=statuses), place)
        following: UUID | None = search.before
        while following is not None:
            found = await search_runs(await self._open_store(), search._replace(before=following), PAGE)
            following = found.next
            yield [row["id"] for row in found.rows], following

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


def _choose_runs(
    opts: BulkCancelReplayOpts | None, ids: Sequence[str] | None, filter: RunFilter | None
) -> BulkCancelReplayOpts:
    chosen = BulkCancelReplayOpts(ids=ids, filters=filter) if opts is None else opts
    if (chosen.ids is None) == (chosen.filters is None):
        raise InvalidInputError("give either ids=[...] or filter=RunFilter(...); an empty RunFilter() matches all runs")
    return chosen


def _choose_tasks(from_start: bool, tasks: Collection[int]) -> Any:
    return lambda definition: range(len(definition.tasks)) if from_start else tasks


def _check_reason(reason: str) -> str:
    if not isinstance(reason, str) or "\x00" in reason or len(reason) > 10_000:
        raise InvalidInputError("reason must be a str of at most 10,000 characters without NUL")
    return reason.encode("utf-8", "backslashreplace").decode()
