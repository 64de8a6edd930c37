"""``plait.runs``: asking about runs, cancelling them, replaying them."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import TypeAdapter

from plait.errors import InvalidInputError, NotFoundError, ReplayError
from plait.feature_client import FeatureClient, on_engine, sync_twin
from plait.features.checks import MAX_PAGE, check_limit, check_texts, parse_id
from plait.features.logs import LogPage, read_logs
from plait.features.run_views import ACTIVE, ChildRun, RunDetails, RunSummary, build_details, build_summary
from plait.graph.definition import Status, WorkflowDefinition
from plait.ids import bound_run_id, new_run_id
from plait.refs import WorkflowRunRef
from plait.triggers import RunTrigger, TriggerKind
from plait.types import UNSET, WorkflowRunStatus, check_priority
from plait.values import encode_metadata, encode_value
from plait.wording import suggest

if TYPE_CHECKING:
    from asyncpg import Record


__all__ = ["BulkCancelReplayOpts", "BulkResult", "RunFilter", "RunsClient", "parse_run_id"]

CLOCK_SLACK = timedelta(hours=25)
"""How far the clock of who made a run's id may be off for the run to be found by time: an hour, and a time zone."""
_FIRST_ID, _LAST_ID = UUID(int=0), UUID(int=2**128 - 1)
_ANY: TypeAdapter[Any] = TypeAdapter(Any)

UNFINISHED = (WorkflowRunStatus.QUEUED, WorkflowRunStatus.RUNNING)
UNSUCCESSFUL = (WorkflowRunStatus.FAILED, WorkflowRunStatus.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs: triggered within ``since`` and ``until``, with one of ``statuses``, of one of ``workflow_names``, and
    whose metadata contains all of ``additional_metadata``. What is left out does not matter."""

    since: datetime | None = None
    until: datetime | None = None
    statuses: Sequence[WorkflowRunStatus] | None = None
    workflow_names: Sequence[str] | None = None
    additional_metadata: Mapping[str, Any] | None = None


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


Page = list[RunSummary]
"""Runs, newest first. (A name of its own: inside ``RunsClient``, ``list`` is the method.)"""


class RunsClient(FeatureClient):
    """Questions and orders about runs. All raise ``NotFoundError`` for unknown ids."""

    def get_run_ref(self, workflow_run_id: str) -> WorkflowRunRef:
        """A reference to a run by its id, to wait for its result. Asks nothing of the database."""
        return WorkflowRunRef(self._plait, parse_run_id(workflow_run_id), "")

    # asking

    @on_engine
    async def aio_get(self, workflow_run_id: str) -> RunSummary:
        """One run."""
        row, definition = await self._read(workflow_run_id)
        return build_summary(row, definition.name)

    get = sync_twin(aio_get)

    @on_engine
    async def aio_get_status(self, workflow_run_id: str) -> WorkflowRunStatus:
        """Where a run stands."""
        row, definition = await self._read(workflow_run_id)
        return build_summary(row, definition.name).status

    get_status = sync_twin(aio_get_status)

    @on_engine
    async def aio_get_result(self, workflow_run_id: str) -> dict[str, Any]:
        """Wait for a run and return each task's output by name; raises as ``WorkflowRunRef.result`` does."""
        return await self.get_run_ref(workflow_run_id).aio_result()

    get_result = sync_twin(aio_get_result)

    @on_engine
    async def aio_get_details(self, workflow_run_id: str) -> RunDetails:
        """One run with its input and, for every task, status, output, error and attempts."""
        store = await self._open_store()
        row, _ = await self._read(workflow_run_id)
        version = await store.read_version(row["version_id"])
        return build_details(row, version, await store.read_tasks(row["id"], version.actions))

    get_details = sync_twin(aio_get_details)

    @on_engine
    async def aio_list(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        statuses: Sequence[WorkflowRunStatus] | None = None,
        workflow_names: Sequence[str] | None = None,
        additional_metadata: Mapping[str, Any] | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> Page:
        """A page of runs, newest first; ``before`` is the id of the last run of the page before.

        Args:
            since, until: bounds of the time they were triggered.
            statuses, workflow_names: any of these.
            additional_metadata: runs whose metadata contains all of this.
            limit: 1 to 1000.
        """
        wanted = RunFilter(
            since=since,
            until=until,
            statuses=statuses,
            workflow_names=workflow_names,
            additional_metadata=additional_metadata,
        )
        before_id = None if before is None else parse_run_id(before)
        rows = await self._list_rows(wanted, check_limit(limit), before_id)
        return [build_summary(row, row["workflow"]) for row in rows]

    list = sync_twin(aio_list)

    @on_engine
    async def aio_count(self, filter: RunFilter | None = None) -> int:
        """How many runs match. Reads all between the filter's bounds of time."""
        store = await self._open_store()
        return await store.count_runs(*_build_filters(filter or RunFilter(), None))

    count = sync_twin(aio_count)

    @on_engine
    async def aio_list_children(self, workflow_run_id: str) -> builtins.list[ChildRun]:
        """The runs that the tasks of a run started, oldest first."""
        store = await self._open_store()
        row, definition = await self._read(workflow_run_id)
        links = {link["run_id"]: link["parent_task"] for link in await store.control.read_children([row["id"]])}
        rows = await store.list_given_runs(sorted(links))
        return [
            ChildRun(build_summary(found, found["workflow"]), definition.tasks[links[found["id"]]].name)
            for found in rows
        ]

    list_children = sync_twin(aio_list_children)

    @on_engine
    async def aio_list_triggered(self, trigger_id: str, *, limit: int = 100, after: str | None = None) -> Page:
        """The runs that an event, a cron or a scheduled run started, or that are replays of a run with a new input;
        oldest first. ``after`` is the id of the last run of the page before."""
        store = await self._open_store()
        bound = _FIRST_ID if after is None else parse_run_id(after)
        rows = await store.list_triggered(parse_run_id(trigger_id), bound, limit)
        return [build_summary(row, row["workflow"]) for row in rows]

    list_triggered = sync_twin(aio_list_triggered)

    @on_engine
    async def aio_list_logs(
        self,
        workflow_run_id: str,
        *,
        task: str | None = None,
        search: str | None = None,
        after: str | None = None,
        limit: int = 500,
    ) -> LogPage:
        """A page of what the tasks of a run logged, oldest first.

        ``after`` is the ``cursor`` of the last line of the page before, ``search`` a text that lines hold, in capitals
        or not; ``limit`` 1 to 1000. A line is stored within a second; those of different tasks may come in late by that.
        """
        row, definition = await self._read(workflow_run_id)
        store = await self._open_store()
        return await read_logs(store, row["id"], definition, task=task, search=search, after=after, limit=limit)

    list_logs = sync_twin(aio_list_logs)

    # cancelling

    @on_engine
    async def aio_cancel(self, workflow_run_id: str, *, reason: str = "the run was cancelled") -> bool:
        """Cancel a run with its child runs: in one transaction, whatever is not terminal becomes CANCELLED.

        Asynchronous code that runs gets ``CancelledError``, synchronous code sees ``ctx.is_cancelled``; what they
        return is discarded. Returns whether this ended the run: False when it had ended before.
        """
        row, _ = await self._read(workflow_run_id)
        engine = await self._plait.open_engine()
        return row["id"] in await engine.cancel_runs([row["id"]], _check_reason(reason))

    cancel = sync_twin(aio_cancel)

    @on_engine
    async def aio_cancel_task(self, workflow_run_id: str, task_name: str) -> None:
        """Cancel one task of a run, with the child runs it started; what depends on it is cancelled too, the rest of
        the run goes on.

        Returns when the order is stored. It is carried out by a worker: by that which runs the task, or by any when
        the task comes up. A task that is terminal already keeps its outcome. Raises ``InvalidInputError`` when the
        run has ended.
        """
        row, definition = await self._read(workflow_run_id)
        [task] = _find_tasks(definition, [task_name])
        engine = await self._plait.open_engine()
        if not await engine.store.control.cancel_task(row["id"], task):
            raise InvalidInputError(
                f"run {workflow_run_id} has ended ({Status(row['status'] or 3).name}): nothing to cancel"
            )
        engine.hub.publish("cancel", [row["id"].hex])
        engine.hub.publish("timer", [])
        links = await engine.store.control.read_children([row["id"]])
        children = [link["run_id"] for link in links if link["parent_task"] == task]
        if children:
            await engine.cancel_runs(children, f"the task that started it, {task_name!r}, was cancelled")

    cancel_task = sync_twin(aio_cancel_task)

    @on_engine
    async def aio_bulk_cancel(
        self,
        opts: BulkCancelReplayOpts | None = None,
        *,
        ids: Sequence[str] | None = None,
        filter: RunFilter | None = None,
        dry_run: bool = False,
    ) -> BulkResult:
        """Cancel runs by id, or all active ones that match a filter; ``dry_run`` only counts them."""
        engine = await self._plait.open_engine()
        matched = done = 0
        async for page in self._iter_pages(opts, ids, filter, UNFINISHED):
            matched += len(page)
            if not dry_run:
                done += len(await engine.cancel_runs(page, "the run was cancelled"))
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
        row, definition = await self._read(workflow_run_id)
        if input is not UNSET:
            if from_start or tasks:
                raise InvalidInputError("a replay with another input runs everything: leave out from_start and tasks")
            return await self._replay_as_new(row, definition, input, additional_metadata, priority)
        if additional_metadata is not None or priority is not None:
            raise InvalidInputError("additional_metadata and priority are for a replay with another input")
        if row["status"] == ACTIVE:
            raise ReplayError(f"run {workflow_run_id} is active: wait for its end, or cancel it, then replay it")
        chosen = _choose_tasks(from_start, _find_tasks(definition, tasks or ()))
        if not await (await self._plait.open_engine()).replay_runs([row["id"]], chosen):
            again = await self.aio_get(workflow_run_id)
            if again.status in UNFINISHED:
                raise ReplayError(f"run {workflow_run_id} is active: somebody else replayed it just now")
            raise ReplayError(
                f"every task of run {workflow_run_id} completed: say from_start=True, or tasks=[...] to run some again"
            )
        return WorkflowRunRef(self._plait, row["id"], definition.name)

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
    ) -> BulkResult:
        """Replay runs by id, or all failed and cancelled ones that match a filter; ``dry_run`` only counts them. Runs
        that are active, or have nothing to run again, are left alone."""
        engine = await self._plait.open_engine()
        matched = done = 0
        async for page in self._iter_pages(opts, ids, filter, UNSUCCESSFUL):
            matched += len(page)
            if not dry_run:
                done += len(await engine.replay_runs(page, _choose_tasks(from_start, ())))
        return BulkResult(matched, done)

    bulk_replay = sync_twin(aio_bulk_replay)

    # within

    async def _read(self, workflow_run_id: str) -> tuple[Record, WorkflowDefinition]:
        store = await self._open_store()
        row = await store.read_run(parse_run_id(workflow_run_id))
        if row is None:
            raise NotFoundError(f"there is no run {workflow_run_id}; `plait runs list` shows those there are")
        return row, (await store.read_version(row["version_id"])).definition

    async def _list_rows(self, wanted: RunFilter, limit: int, before: UUID | None) -> builtins.list[Record]:
        store = await self._open_store()
        last, *rest, first = _build_filters(wanted, before)
        return await store.list_runs(last, *rest, limit, first)

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
            for page in _split(list(dict.fromkeys(parse_run_id(run_id) for run_id in ids))):
                yield page
            return
        assert filter is not None
        statuses = [status for status in filter.statuses or default if WorkflowRunStatus(status) in default]
        if not statuses:
            return
        wanted = RunFilter(
            since=filter.since,
            until=filter.until,
            statuses=statuses,
            workflow_names=filter.workflow_names,
            additional_metadata=filter.additional_metadata,
        )
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

        engine = await self._plait.open_engine()
        where = f"workflow {definition.name!r}"
        workflow = self._plait.declared.get(definition.name)
        if workflow is not None:
            data = workflow.encode_input(input)
            version_id = (await engine.register(workflow)).id
        else:
            limit = self._plait.payload_limit
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
        [run_id] = await engine.start_rows([start])
        return WorkflowRunRef(self._plait, run_id, definition.name)


def parse_run_id(text: str) -> UUID:
    """A run id from its text. Raises ``InvalidInputError`` when it is none."""
    return parse_id(text, "run")


def _build_filters(wanted: RunFilter, before: UUID | None) -> tuple[Any, ...]:
    """A filter as the arguments of ``list_runs.sql``: the id it ends below, …, the id it begins with."""
    statuses, begun = _translate_statuses(wanted.statuses)
    below = [] if before is None else [before]
    below.append(bound_run_id(wanted.until + CLOCK_SLACK) if wanted.until else _LAST_ID)
    return (
        min(below),
        check_texts(wanted.workflow_names, "workflow_names") or None,
        statuses,
        begun,
        wanted.since,
        wanted.until,
        encode_metadata(wanted.additional_metadata, where="additional_metadata"),
        bound_run_id(wanted.since - CLOCK_SLACK) if wanted.since else _FIRST_ID,
    )


def _translate_statuses(statuses: Sequence[WorkflowRunStatus] | None) -> tuple[list[int] | None, bool | None]:
    if not statuses:
        return None, None
    try:
        names = {WorkflowRunStatus(status) for status in statuses}
    except ValueError as error:
        raise InvalidInputError(f"statuses: {error}; there are {', '.join(WorkflowRunStatus)}") from None
    open_names = names & set(UNFINISHED)
    codes = [int(Status[name]) for name in names - open_names]
    begun = None if len(open_names) != 1 else WorkflowRunStatus.RUNNING in open_names
    return ([*codes, ACTIVE] if open_names else codes), begun


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


def _split(ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(ids), MAX_PAGE):
        yield ids[start : start + MAX_PAGE]
