"""Statements about what there is besides runs: workflows, workers, filters; and how much of everything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from plait.store.connection import LinkPool
from plait.store.statements import load_sql

if TYPE_CHECKING:
    from asyncpg import Record


class Action(NamedTuple):
    """A task's code by its names."""

    workflow: str
    task: str


class CatalogStore:
    """Looking at workflows, workers and counts; managing filters."""

    def __init__(self, pool: LinkPool) -> None:
        self._pool = pool
        self._actions: dict[int, Action] = {}

    # workflows

    async def list_workflows(self, after: str, name_contains: str | None, limit: int) -> list[Record]:
        """A page of workflows by name, each with its served version, else its newest."""
        return await self._pool.fetch(load_sql("list_workflows"), after, name_contains, limit)

    async def read_workflow(self, name: str) -> Record | None:
        """The served version of a workflow, else its newest."""
        return await self._pool.fetchrow(load_sql("read_workflow"), name, None)

    async def read_version(self, version_id: int) -> Record | None:
        """A version of any workflow."""
        return await self._pool.fetchrow(load_sql("read_workflow"), None, version_id)

    async def list_versions(self, name: str, below: int, limit: int) -> list[Record]:
        """Versions of a workflow, newest first."""
        return await self._pool.fetch(load_sql("list_versions"), name, below, limit)

    async def list_names(self, limit: int) -> list[str]:
        """Names of workflows, in order."""
        return [row["workflow"] for row in await self._pool.fetch(load_sql("list_names"), limit)]

    async def read_actions(self, ids: Sequence[int]) -> dict[int, Action]:
        """Workflow and task of actions, cached for ever: they never change."""
        missing = [action_id for action_id in ids if action_id not in self._actions]
        if missing:
            for row in await self._pool.fetch(load_sql("read_actions"), missing):
                self._actions[row["id"]] = Action(row["workflow"], row["task"])
        return {action_id: self._actions[action_id] for action_id in ids if action_id in self._actions}

    # workers

    async def survey_workers(self, limit: int, *, ended: bool) -> list[Record]:
        """Workers, last started first, with how many tasks each holds."""
        return await self._pool.fetch(load_sql("survey_workers"), limit, ended)

    async def read_worker(self, worker_id: UUID) -> Record | None:
        """One worker."""
        return await self._pool.fetchrow(load_sql("read_worker"), worker_id)

    async def list_held(self, worker_id: UUID, limit: int) -> list[Record]:
        """The tasks that a worker holds, the longest running first."""
        return await self._pool.fetch(load_sql("list_held"), worker_id, limit)

    # counts

    async def count_ready(self, actions: Sequence[int] | None, cap: int) -> list[Record]:
        """Ready tasks by action, counted up to ``cap`` each. Actions that have none are left out."""
        return await self._pool.fetch(load_sql("count_ready"), actions, cap)

    async def count_held(self, cap: int) -> list[Record]:
        """Running and waiting tasks by action, among the first ``cap`` of either room."""
        return await self._pool.fetch(load_sql("count_held"), cap)

    async def count_outcomes(self, first: UUID, below: UUID, workflows: Sequence[str] | None, cap: int) -> list[Record]:
        """What became of runs with ids in a range and of their tasks; the newest ``cap`` are looked at."""
        return await self._pool.fetch(load_sql("count_outcomes"), first, below, workflows, cap)

    # filters

    async def create_filter(self, *columns: Any) -> Record | None:
        """Store a filter: id, workflow, scope, expression, payload as JSON text."""
        return await self._pool.fetchrow(load_sql("create_filter"), *columns)

    async def read_filter(self, filter_id: UUID) -> Record | None:
        """One filter."""
        return await self._pool.fetchrow(load_sql("read_filter"), filter_id)

    async def list_filters(
        self, after: UUID, workflows: Sequence[str] | None, scopes: Sequence[str] | None, limit: int
    ) -> list[Record]:
        """A page of filters."""
        return await self._pool.fetch(load_sql("list_filters"), after, workflows, scopes, limit)

    async def update_filter(
        self, filter_id: UUID, expression: str | None, scope: str | None, payload: str | None
    ) -> Record | None:
        """Change a filter that was not declared; None when there is no such one."""
        return await self._pool.fetchrow(load_sql("update_filter"), filter_id, expression, scope, payload)

    async def delete_filter(self, filter_id: UUID) -> bool:
        """Drop a filter that was not declared; whether there was one."""
        return await self._pool.fetchrow(load_sql("delete_filter"), filter_id) is not None
