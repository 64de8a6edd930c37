"""``plait.workflows``: which workflows the database knows, and what they look like."""

from __future__ import annotations

import builtins
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from plait.errors import InvalidInputError, NotFoundError, OperationError
from plait.features.base import FeatureClient, on_engine, sync_twin
from plait.features.checks import check_limit, check_text
from plait.graph.conditions import describe_groups
from plait.graph.definition import ConditionGroups, TaskKind, WorkflowDefinition
from plait.wording import shorten, suggest

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.store.store import Store

_LAST_VERSION = 2**31 - 1
_MOST_NAMES = 1000


@dataclass(frozen=True, slots=True)
class WorkflowSummary:
    """One workflow as its served version declares it, or its newest where none is served (``served_at`` is None).

    ``created_at`` is when that version was stored, ``served_at`` when a worker last announced it.
    """

    name: str
    description: str | None
    version_id: int
    created_at: datetime
    served_at: datetime | None
    task_count: int
    on_events: tuple[str, ...]
    crons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WorkflowVersion:
    """One stored definition of a workflow. ``served_at`` is None unless events, crons and schedules start this one."""

    version_id: int
    digest: str
    created_at: datetime
    served_at: datetime | None
    task_count: int


@dataclass(frozen=True, slots=True)
class WorkflowTask:
    """One task of a workflow. Durations are seconds. Conditions are text for people, None where there are none."""

    name: str
    kind: TaskKind
    parents: tuple[str, ...]
    retries: int
    backoff_factor: float | None
    backoff_max_seconds: float | None
    backoff_jitter: bool
    execution_timeout: float
    schedule_timeout: float | None
    wait_for: str | None
    skip_if: str | None
    cancel_if: str | None


@dataclass(frozen=True, slots=True)
class WorkflowCron:
    """A timetable that was declared with a workflow."""

    name: str
    expression: str
    timezone: str
    catch_up: str
    input: Any


@dataclass(frozen=True, slots=True)
class WorkflowFilter:
    """A filter that was declared with a workflow. ``plait.filters`` also knows those made at run time."""

    expression: str
    scope: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class WorkflowDetails:
    """One version of a workflow with its tasks, in graph order, hooks last."""

    name: str
    description: str | None
    version_id: int
    digest: str
    created_at: datetime
    served_at: datetime | None
    default_priority: int
    input_schema: dict[str, Any] | None
    tasks: tuple[WorkflowTask, ...]
    on_events: tuple[str, ...]
    crons: tuple[WorkflowCron, ...]
    filters: tuple[WorkflowFilter, ...]


WorkflowPage = list[WorkflowSummary]
"""Workflows in order of their names. (A name of its own: inside ``WorkflowsClient``, ``list`` is the method.)"""


class WorkflowsClient(FeatureClient):
    """Questions about the workflows that this database has met: a worker served them, or a program ran them.

    What this process itself declares is ``plait.declared``.
    """

    @on_engine
    async def aio_list(
        self, *, limit: int = 50, after: str | None = None, name_contains: str | None = None
    ) -> WorkflowPage:
        """A page of workflows in order of their names.

        Args:
            limit: 1 to 1000.
            after: the name of the last workflow of the page before.
            name_contains: only those with this in their name, in capitals or not.
        """
        wanted = check_text(name_contains, "name_contains") if name_contains else None
        place = check_text(after, "after") if after else ""
        store = await self._open_store()
        return [_build_summary(row) for row in await store.catalog.list_workflows(place, wanted, check_limit(limit))]

    list = sync_twin(aio_list)

    @on_engine
    async def aio_get(self, name: str) -> WorkflowDetails:
        """A workflow by name: the version that is served, else the newest. Raises ``NotFoundError``."""
        return _build_details(await find_workflow(await self._open_store(), name))

    get = sync_twin(aio_get)

    @on_engine
    async def aio_list_versions(
        self, name: str, *, limit: int = 50, before: int | None = None
    ) -> builtins.list[WorkflowVersion]:
        """Versions of a workflow, newest first; ``before`` is the ``version_id`` of the last of the page before.

        Raises ``NotFoundError``.
        """
        store = await self._open_store()
        await find_workflow(store, name)
        below = _LAST_VERSION if before is None else _check_version(before)
        rows = await store.catalog.list_versions(name, below, check_limit(limit))
        return [
            WorkflowVersion(row["id"], row["digest"], row["created_at"], row["served_at"], row["tasks"]) for row in rows
        ]

    list_versions = sync_twin(aio_list_versions)

    @on_engine
    async def aio_get_version(self, name_or_id: str | int) -> WorkflowDetails:
        """One version by its ``version_id`` (an int); by a name (a str) as ``get`` does. Raises ``NotFoundError``."""
        store = await self._open_store()
        if isinstance(name_or_id, str):
            return _build_details(await find_workflow(store, name_or_id))
        row = await store.catalog.read_version(_check_version(name_or_id))
        if row is None:
            raise NotFoundError(
                f"there is no workflow version {name_or_id}; plait.workflows.list_versions(name) has all"
            )
        return _build_details(row)

    get_version = sync_twin(aio_get_version)


async def find_workflow(store: Store, name: str) -> Record:
    """The served version of a workflow, else its newest. Raises ``NotFoundError`` with a name that is alike."""
    row = await store.catalog.read_workflow(check_text(name, "workflow name"))
    if row is None:
        near = suggest(name, await store.catalog.list_names(_MOST_NAMES))
        raise NotFoundError(
            f"there is no workflow {shorten(name)}{near}: a workflow is known once a worker served it or a program ran "
            "it; `plait workflows list` shows those there are"
        )
    return row


def _check_version(version_id: object) -> int:
    if isinstance(version_id, int) and not isinstance(version_id, bool) and 0 < version_id <= _LAST_VERSION:
        return version_id
    raise InvalidInputError(f"{shorten(version_id)} is no workflow version: give the version_id of one, a whole number")


def _build_summary(row: Record) -> WorkflowSummary:
    # Not as a definition: a list must not fail because one of them was stored by a newer Plait.
    data = json.loads(row["definition"])
    return WorkflowSummary(
        row["workflow"],
        data.get("description"),
        row["id"],
        row["created_at"],
        row["served_at"],
        len(data["tasks"]),
        tuple(data.get("on_events", ())),
        tuple(cron["expression"] for cron in data.get("crons", ())),
    )


def _build_details(row: Record) -> WorkflowDetails:
    try:
        definition = WorkflowDefinition.from_json(row["definition"])
    except ValueError as failure:
        raise OperationError(
            f"version {row['id']} of workflow {row['workflow']!r} was stored by a newer Plait ({failure}): "
            "upgrade Plait here"
        ) from failure
    return WorkflowDetails(
        definition.name,
        definition.description,
        row["id"],
        row["digest"],
        row["created_at"],
        row["served_at"],
        definition.default_priority,
        definition.input_schema,
        tuple(_build_task(definition, index) for index in range(len(definition.tasks))),
        definition.on_events,
        tuple(
            WorkflowCron(cron.name, cron.expression, cron.timezone, cron.catch_up, json.loads(cron.input))
            for cron in definition.crons
        ),
        tuple(WorkflowFilter(one.expression, one.scope, json.loads(one.payload)) for one in definition.filters),
    )


def _build_task(definition: WorkflowDefinition, index: int) -> WorkflowTask:
    task = definition.tasks[index]

    def describe(groups: ConditionGroups) -> str | None:
        return describe_groups(definition, index, groups) if groups else None

    return WorkflowTask(
        task.name,
        task.kind,
        tuple(definition.tasks[parent].name for parent in task.parents),
        task.retries,
        task.backoff_factor,
        task.backoff_max_seconds,
        task.backoff_jitter,
        task.execution_timeout,
        task.schedule_timeout,
        describe(task.wait_for),
        describe(task.skip_if),
        describe(task.cancel_if),
    )
