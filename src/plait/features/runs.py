"""``plait.runs``: asking about runs, cancelling them, replaying them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from plait.errors import NotFoundError
from plait.features.base import on_engine, sync_twin
from plait.features.checks import MAX_PAGE, check_limit
from plait.features.logs import LogLine, read_logs
from plait.features.refs import WorkflowRunRef
from plait.features.run_control import BulkCancelReplayOpts, BulkResult, RunControl
from plait.features.run_reader import find_task, parse_run_id, read_details, read_run, read_status, read_task, read_view
from plait.features.run_rows import build_summary
from plait.features.run_search import FIRST_ID, RunFilter, build_search, search_runs
from plait.features.run_stats import MOST_BARS, RunCount, RunStats, read_stats
from plait.features.run_views import ChildRun, RunDetails, RunSummary, TaskDetails
from plait.features.shapes import Page
from plait.graph.triggers import read_child_key
from plait.types import WorkflowRunStatus

__all__ = ["BulkCancelReplayOpts", "BulkResult", "RunFilter", "RunsClient", "parse_run_id"]


class RunsClient(RunControl):
    """Questions and requests about runs. All raise ``NotFoundError`` for unknown ids."""

    def get_run_ref(self, workflow_run_id: str) -> WorkflowRunRef:
        """A reference to a run by its id, to wait for its result. Does not use the database."""
        return WorkflowRunRef(self._access, parse_run_id(workflow_run_id), "")

    # asking

    @on_engine
    async def aio_get(self, workflow_run_id: str) -> RunSummary:
        """One run."""
        row, definition = await read_run(self._access, workflow_run_id)
        return build_summary(row, definition.name)

    get = sync_twin(aio_get)

    @on_engine
    async def aio_get_status(self, workflow_run_id: str) -> WorkflowRunStatus:
        """Where a run stands."""
        return await read_status(self._access, workflow_run_id)

    get_status = sync_twin(aio_get_status)

    @on_engine
    async def aio_get_result(self, workflow_run_id: str) -> dict[str, Any]:
        """Wait for a run and return each task's output by name; raises as ``WorkflowRunRef.result`` does."""
        return await self.get_run_ref(workflow_run_id).aio_result()

    get_result = sync_twin(aio_get_result)

    @on_engine
    async def aio_get_details(self, workflow_run_id: str) -> RunDetails:
        """One run with its input and, for every task, status, output, error, attempts, and why it waits."""
        return await read_details(self._access, workflow_run_id, previews=self._previews)

    get_details = sync_twin(aio_get_details)

    @on_engine
    async def aio_get_task(self, workflow_run_id: str, task: str | int) -> TaskDetails:
        """One task of a run, by its name or its ``index``; of this one, ``logs`` says whether it logged anything."""
        return await read_task(self._access, workflow_run_id, task, previews=self._previews)

    get_task = sync_twin(aio_get_task)

    @on_engine
    async def aio_list(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        statuses: Sequence[WorkflowRunStatus] | None = None,
        workflow_names: Sequence[str] | None = None,
        additional_metadata: Mapping[str, Any] | None = None,
        triggers: Sequence[str] | None = None,
        triggered_by: str | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> Page[RunSummary]:
        """A page of runs, newest first.

        A page looks at a bounded number of runs, whatever the filter. So it may have fewer than ``limit`` runs, even
        none, and still not be the last. Go on with ``before=page.next`` until that is None, or use ``iterate``.

        Args:
            since, until: triggered at or after ``since`` and before ``until``, by the clock of whoever triggered them.
            statuses, workflow_names: any of these.
            additional_metadata: runs whose metadata contains all of this; a string is compared as text.
            triggers: started by any of these: ``PARENT``, ``EVENT``, ``CRON``, ``SCHEDULED``, ``REPLAY``.
            triggered_by: started by the event, cron or scheduled run with this id, or replays of the run with it.
            limit: 1 to 1000.
            before: ``next`` of the page before, or the id of a run: older ones.
        """
        wanted = RunFilter(
            since=since,
            until=until,
            statuses=statuses,
            workflow_names=workflow_names,
            additional_metadata=additional_metadata,
            triggers=triggers,
            triggered_by=triggered_by,
        )
        return await self.aio_search(wanted, limit=limit, before=before)

    list = sync_twin(aio_list)

    @on_engine
    async def aio_search(
        self, filter: RunFilter | None = None, *, limit: int = 50, before: str | None = None
    ) -> Page[RunSummary]:
        """``list`` with its filter in one object."""
        search = build_search(filter or RunFilter(), None if before is None else parse_run_id(before))
        found = await search_runs(await self._open_store(), search, check_limit(limit))
        following = None if found.next is None else str(found.next)
        return Page(tuple(build_summary(row) for row in found.rows), following, found.cut)

    search = sync_twin(aio_search)

    def iterate(self, filter: RunFilter | None = None) -> Iterator[RunSummary]:
        """All runs that match, newest first, read page by page. If few runs match, it looks at every run between
        ``since`` and ``until`` while you go on asking.
        """
        before: str | None = None
        while True:
            page = self.search(filter, limit=MAX_PAGE, before=before)
            yield from page
            if (before := page.next) is None:
                return

    async def aio_iterate(self, filter: RunFilter | None = None) -> AsyncIterator[RunSummary]:
        """``iterate`` without blocking the loop."""
        before: str | None = None
        while True:
            page = await self.aio_search(filter, limit=MAX_PAGE, before=before)
            for run in page:
                yield run
            if (before := page.next) is None:
                return

    @on_engine
    async def aio_count(self, filter: RunFilter | None = None) -> RunCount:
        """How many runs match. Counts the newest up to a limit; if there are more, the answer is ``capped``."""
        stats = await read_stats(await self._open_store(), filter or RunFilter(), 1)
        return RunCount(stats.counts.total, stats.capped)

    count = sync_twin(aio_count)

    @on_engine
    async def aio_get_stats(self, filter: RunFilter | None = None, *, bars: int = 48) -> RunStats:
        """Counts per status and a histogram, over the newest of the runs that match; ``bars`` 1 to 200."""
        return await read_stats(await self._open_store(), filter or RunFilter(), check_limit(bars, most=MOST_BARS))

    get_stats = sync_twin(aio_get_stats)

    @on_engine
    async def aio_list_children(
        self, workflow_run_id: str, *, limit: int = 100, after: str | None = None
    ) -> Page[ChildRun]:
        """A page of the runs that the tasks of a run started, oldest first; ``limit`` 1 to 1000, ``after`` is ``next``
        of the page before."""
        store = await self._open_store()
        row, definition = await read_run(self._access, workflow_run_id)
        place = FIRST_ID if after is None else parse_run_id(after)
        rows = await store.runs.list_children(row["id"], place, check_limit(limit))
        children = tuple(
            ChildRun(
                run=build_summary(found),
                task=definition.tasks[found["parent_task"]].name,
                child_key=read_child_key(found["key"]),
            )
            for found in rows
        )
        return Page(children, children[-1].run.id if len(children) == limit else None)

    list_children = sync_twin(aio_list_children)

    @on_engine
    async def aio_list_logs(
        self,
        workflow_run_id: str,
        *,
        task: str | None = None,
        attempt: int | None = None,
        search: str | None = None,
        after: str | None = None,
        limit: int = 500,
    ) -> Page[LogLine]:
        """A page of what the tasks of a run logged, oldest first.

        ``after`` is the ``cursor`` of the last line of the page before, ``search`` a text that lines contain, in upper
        or lower case; ``limit`` 1 to 1000. A line is stored within a second, so with several tasks an older line may
        appear up to a second late.
        """
        row, definition = await read_run(self._access, workflow_run_id)
        store = await self._open_store()
        return await read_logs(
            store, row["id"], definition, task=task, attempt=attempt, search=search, after=after, limit=limit
        )

    list_logs = sync_twin(aio_list_logs)

    # for downloads

    @on_engine
    async def aio_read_input(self, workflow_run_id: str) -> bytes:
        """The input of a run, as the JSON that is stored."""
        return bytes((await read_run(self._access, workflow_run_id))[0]["input"])

    @on_engine
    async def aio_read_payload(self, workflow_run_id: str, task: str | int, what: Literal["output", "error"]) -> bytes:
        """The output or the error of a task, as the JSON that is stored."""
        store, row, version = await read_view(self._access, workflow_run_id, previews=True)
        index = find_task(version.definition, task)
        found = await store.runs.survey_tasks(row["id"], version.actions, None, index)
        for attempt in reversed([one for one in found if one["task"] == index and one["room"] == "attempt"]):
            if attempt["output"] is not None or attempt["error"] is not None:
                if attempt[what] is not None:
                    return bytes(attempt[what])
                break
        raise NotFoundError(f"task {version.definition.tasks[index].name!r} of run {workflow_run_id} has no {what}")
