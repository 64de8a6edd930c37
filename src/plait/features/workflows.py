"""``plait.workflows``: which workflows the database knows, and what they look like."""

from __future__ import annotations

import builtins
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from plait.errors import InvalidInputError, NotFoundError, OperationError
from plait.features.base import FeatureClient, on_engine, sync_twin
from plait.features.checks import check_limit, check_text
from plait.features.shapes import PREVIEW_BYTES, Answer, Json, MaybeJsonObject, Page, make_page, show_json
from plait.features.versions import VersionDiff, compare_definitions
from plait.features.workers import read_live
from plait.features.workflow_stats import MOST_MEASURED, WorkflowStats, read_workflow_stats
from plait.graph.conditions import describe_groups
from plait.graph.definition import ConditionGroups, TaskKind, WorkflowDefinition
from plait.wording import shorten, suggest

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.store.store import Store

_LAST_VERSION = 2**31 - 1
_MOST_NAMES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowSummary(Answer):
    """One workflow as its served version declares it, or its newest where none is served (``served_at`` is None).

    ``created_at`` is when that version was stored, ``served_at`` when it last came to be served. ``crons`` are
    expressions.
    """

    name: str
    description: str | None
    version_id: int
    created_at: datetime
    served_at: datetime | None
    task_count: int
    on_events: tuple[str, ...]
    crons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowVersion(Answer):
    """One stored definition of a workflow. ``served_at`` is None unless events, crons and schedules start this one."""

    id: int
    digest: str
    created_at: datetime
    served_at: datetime | None
    task_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowTask(Answer):
    """One task of a workflow; ``index`` is its place in the order of the graph. Durations are seconds. Conditions are
    text for people, None where there are none."""

    index: int
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


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowCron(Answer):
    """A timetable that was declared with a workflow."""

    name: str
    expression: str
    timezone: str
    catch_up: str
    input: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowFilter(Answer):
    """A filter that was declared with a workflow. ``plait.filters`` also knows those made at run time."""

    scope: str
    expression: str
    payload: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowDetails(Answer):
    """One version of a workflow with its tasks, in graph order, hooks last. ``workers`` counts the live workers that
    have code of it."""

    name: str
    description: str | None
    version_id: int
    digest: str
    created_at: datetime
    served_at: datetime | None
    task_count: int
    default_priority: int
    input_schema: MaybeJsonObject
    tasks: tuple[WorkflowTask, ...]
    on_events: tuple[str, ...]
    crons: tuple[WorkflowCron, ...]
    filters: tuple[WorkflowFilter, ...]
    workers: int


class WorkflowsClient(FeatureClient):
    """Questions about the workflows that this database has met: a worker served them, or a program ran them.

    What this process itself declares is ``plait.declared``.
    """

    @on_engine
    async def aio_list(
        self, *, limit: int = 50, after: str | None = None, name_contains: str | None = None
    ) -> Page[WorkflowSummary]:
        """A page of workflows in order of their names.

        Args:
            limit: 1 to 1000.
            after: the name of the last workflow of the page before.
            name_contains: only workflows with this in their name; upper or lower case does not matter.
        """
        wanted = check_text(name_contains, "name_contains") if name_contains else None
        place = check_text(after, "after") if after else ""
        store = await self._open_store()
        rows = await store.catalog.list_workflows(place, wanted, check_limit(limit))
        return make_page([_build_summary(row) for row in rows], limit, "name")

    list = sync_twin(aio_list)

    @on_engine
    async def aio_get(self, name: str) -> WorkflowDetails:
        """A workflow by name: the version that is served, else the newest. Raises ``NotFoundError``."""
        store = await self._open_store()
        return await self._build_details(store, await find_workflow(store, name))

    get = sync_twin(aio_get)

    @on_engine
    async def aio_list_versions(
        self, name: str, *, limit: int = 50, before: int | None = None
    ) -> Page[WorkflowVersion]:
        """Versions of a workflow, newest first; ``before`` is the ``id`` of the last of the page before.

        Raises ``NotFoundError``.
        """
        store = await self._open_store()
        await find_workflow(store, name)
        below = _LAST_VERSION if before is None else _check_version(before)
        rows = await store.catalog.list_versions(name, below, check_limit(limit))
        return make_page([_build_version(row) for row in rows], limit)

    list_versions = sync_twin(aio_list_versions)

    @on_engine
    async def aio_get_version(self, name_or_id: str | int) -> WorkflowDetails:
        """One version by its ``version_id`` (an int); by a name (a str) as ``get`` does. Raises ``NotFoundError``."""
        store = await self._open_store()
        if isinstance(name_or_id, str):
            return await self._build_details(store, await find_workflow(store, name_or_id))
        row = await store.catalog.read_version(_check_version(name_or_id))
        if row is None:
            raise NotFoundError(
                f"there is no workflow version {name_or_id}; plait.workflows.list_versions(name) has all"
            )
        return await self._build_details(store, row)

    get_version = sync_twin(aio_get_version)

    @on_engine
    async def aio_compare(self, name: str, before: int, after: int) -> VersionDiff:
        """What changed from one version of a workflow to another, by their ids. Raises ``NotFoundError``."""
        store = await self._open_store()
        definitions: builtins.list[WorkflowDefinition] = []
        for version_id in (before, after):
            definition = (await store.read_version(_check_version(version_id))).definition
            if definition.name != name:
                raise NotFoundError(f"workflow version {version_id} is one of {definition.name!r}, not of {name!r}")
            definitions.append(definition)
        changes, tasks = compare_definitions(*definitions)
        return VersionDiff(workflow=name, before=before, after=after, changes=changes, tasks=tasks)

    compare = sync_twin(aio_compare)

    @on_engine
    async def aio_get_stats(self, name: str, *, last: int = 500) -> WorkflowStats:
        """How the newest finished runs of a workflow went: at most ``last`` of them, 1 to 2000, among the newest runs
        of all workflows. Raises ``NotFoundError``."""
        store = await self._open_store()
        row = await find_workflow(store, name)
        version = await store.read_version(row["id"])
        return await read_workflow_stats(store, version, check_limit(last, most=MOST_MEASURED))

    get_stats = sync_twin(aio_get_stats)

    async def _build_details(self, store: Store, row: Record) -> WorkflowDetails:
        definition = _read_definition(row)
        actions = set((await store.read_version(row["id"])).actions)
        workers = sum(not actions.isdisjoint(worker["actions"]) for worker in await read_live(store))
        return WorkflowDetails(
            name=definition.name,
            description=definition.description,
            version_id=row["id"],
            digest=row["digest"],
            created_at=row["created_at"],
            served_at=row["served_at"],
            task_count=len(definition.tasks),
            default_priority=definition.default_priority,
            input_schema=definition.input_schema,
            tasks=tuple(_build_task(definition, index) for index in range(len(definition.tasks))),
            on_events=definition.on_events,
            crons=tuple(
                WorkflowCron(
                    name=cron.name,
                    expression=cron.expression,
                    timezone=cron.timezone,
                    catch_up=cron.catch_up,
                    input=show_json(cron.input.encode(), self._previews, PREVIEW_BYTES),
                )
                for cron in definition.crons
            ),
            filters=tuple(
                WorkflowFilter(
                    scope=one.scope,
                    expression=one.expression,
                    payload=show_json(one.payload.encode(), self._previews, PREVIEW_BYTES),
                )
                for one in definition.filters
            ),
            workers=workers,
        )


async def find_workflow(store: Store, name: str) -> Record:
    """The served version of a workflow, else its newest. Raises ``NotFoundError``, which suggests a similar name."""
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
    raise InvalidInputError(f"{shorten(version_id)} is not a workflow version: give its id, a whole number")


def _build_summary(row: Record) -> WorkflowSummary:
    # Not as a definition: a list must not fail because one of them was stored by a newer Plait.
    data = json.loads(row["definition"])
    return WorkflowSummary(
        name=row["workflow"],
        description=data.get("description"),
        version_id=row["id"],
        created_at=row["created_at"],
        served_at=row["served_at"],
        task_count=len(data["tasks"]),
        on_events=tuple(data.get("on_events", ())),
        crons=tuple(cron["expression"] for cron in data.get("crons", ())),
    )


def _read_definition(row: Record) -> WorkflowDefinition:
    try:
        return WorkflowDefinition.from_json(row["definition"])
    except ValueError as failure:
        raise OperationError(
            f"version {row['id']} of workflow {row['workflow']!r} was stored by a newer Plait ({failure}): "
            "upgrade Plait here"
        ) from failure


def _build_version(row: Record) -> WorkflowVersion:
    return WorkflowVersion(
        id=row["id"],
        digest=row["digest"],
        created_at=row["created_at"],
        served_at=row["served_at"],
        task_count=row["tasks"],
    )


def _build_task(definition: WorkflowDefinition, index: int) -> WorkflowTask:
    task = definition.tasks[index]

    def describe(groups: ConditionGroups) -> str | None:
        return describe_groups(definition, index, groups) if groups else None

    return WorkflowTask(
        index=index,
        name=task.name,
        kind=task.kind,
        parents=tuple(definition.tasks[parent].name for parent in task.parents),
        retries=task.retries,
        backoff_factor=task.backoff_factor,
        backoff_max_seconds=task.backoff_max_seconds,
        backoff_jitter=task.backoff_jitter,
        execution_timeout=task.execution_timeout,
        schedule_timeout=task.schedule_timeout,
        wait_for=describe(task.wait_for),
        skip_if=describe(task.skip_if),
        cancel_if=describe(task.cancel_if),
    )
