"""``plait.runs``: asking about runs, cancelling them, replaying them."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from plait.features.base import on_engine, sync_twin
from plait.features.checks import check_limit
from plait.features.logs import LogPage, read_logs
from plait.features.refs import WorkflowRunRef
from plait.features.run_control import BulkCancelReplayOpts, BulkResult, RunControl
from plait.features.run_reader import FIRST_ID, RunFilter, build_filters, parse_run_id, read_details, read_status
from plait.features.run_views import ChildRun, RunDetails, RunSummary, build_summary
from plait.graph.triggers import read_child_key
from plait.types import WorkflowRunStatus

__all__ = ["BulkCancelReplayOpts", "BulkResult", "RunFilter", "RunsClient", "parse_run_id"]

Page = list[RunSummary]
"""Runs, newest first. (A name of its own: inside ``RunsClient``, ``list`` is the method.)"""


class RunsClient(RunControl):
    """Questions and orders about runs. All raise ``NotFoundError`` for unknown ids."""

    def get_run_ref(self, workflow_run_id: str) -> WorkflowRunRef:
        """A reference to a run by its id, to wait for its result. Asks nothing of the database."""
        return WorkflowRunRef(self._access, parse_run_id(workflow_run_id), "")

    # asking

    @on_engine
    async def aio_get(self, workflow_run_id: str) -> RunSummary:
        """One run."""
        row, definition = await self._read_run(workflow_run_id)
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
        """One run with its input and, for every task, status, output, error and attempts."""
        return await read_details(self._access, workflow_run_id)

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
        return await store.count_runs(*build_filters(filter or RunFilter(), None))

    count = sync_twin(aio_count)

    @on_engine
    async def aio_list_children(self, workflow_run_id: str) -> builtins.list[ChildRun]:
        """The runs that the tasks of a run started, oldest first."""
        store = await self._open_store()
        row, definition = await self._read_run(workflow_run_id)
        links = {link["run_id"]: link for link in await store.control.read_children([row["id"]])}
        rows = await store.list_given_runs(sorted(links))
        return [
            ChildRun(
                build_summary(found, found["workflow"]),
                definition.tasks[links[found["id"]]["parent_task"]].name,
                read_child_key(links[found["id"]]["key"]),
            )
            for found in rows
        ]

    list_children = sync_twin(aio_list_children)

    @on_engine
    async def aio_list_triggered(self, trigger_id: str, *, limit: int = 100, after: str | None = None) -> Page:
        """The runs that an event, a cron or a scheduled run started, or that are replays of a run with a new input;
        oldest first. ``after`` is the id of the last run of the page before."""
        store = await self._open_store()
        bound = FIRST_ID if after is None else parse_run_id(after)
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
        or not; ``limit`` 1 to 1000. A line is stored within a second; those of several tasks may come in late by that.
        """
        row, definition = await self._read_run(workflow_run_id)
        store = await self._open_store()
        return await read_logs(store, row["id"], definition, task=task, search=search, after=after, limit=limit)

    list_logs = sync_twin(aio_list_logs)
