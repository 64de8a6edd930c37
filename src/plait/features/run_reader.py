"""Reading and cancelling one run, for whoever has its id: the clients, references, and who watches it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import UUID

from plait.engine.access import Access
from plait.errors import InvalidInputError, NotFoundError
from plait.features.checks import parse_id
from plait.features.run_rows import ACTIVE, TaskBuilder, read_summary
from plait.features.run_rows import read_status as read_row_status
from plait.features.run_views import RunDetails, TaskDetails
from plait.features.shapes import PREVIEW_BYTES, show_json
from plait.features.workers import read_capacities
from plait.graph.attempt import StoredVersion
from plait.graph.definition import WorkflowDefinition
from plait.graph.triggers import TriggerKind
from plait.types import WorkflowRunStatus
from plait.wording import shorten, suggest

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.store.store import Store

CANCELLED = "the run was cancelled"
"""The reason, unless another is given."""
_ENDING = re.compile("…?[0-9a-f]{4,12}")


async def read_run(access: Access, workflow_run_id: str) -> tuple[Record, WorkflowDefinition]:
    """A run and its definition (engine's loop). Raises ``NotFoundError``."""
    store = (await access.open_engine()).store
    row = await store.read_run(parse_run_id(workflow_run_id))
    if row is None:
        raise no_run(workflow_run_id)
    return row, (await store.read_version(row["version_id"])).definition


async def read_status(access: Access, workflow_run_id: str) -> WorkflowRunStatus:
    """Where a run stands (engine's loop). Raises ``NotFoundError``."""
    return read_row_status((await read_run(access, workflow_run_id))[0])


async def read_details(access: Access, workflow_run_id: str, *, previews: bool = False) -> RunDetails:
    """A run and all its tasks (engine's loop). ``previews``: without outputs. Raises ``NotFoundError``."""
    store, row, version = await read_view(access, workflow_run_id, previews=previews)
    builder = await _survey(store, row, version, 0 if previews else None, previews=previews)
    return RunDetails(
        **read_summary(row),
        description=version.definition.description,
        input=show_json(row["input"], previews, PREVIEW_BYTES, row["input_size"]),
        trigger_name=row["trigger_name"],
        trigger_task=await _name_parent_task(store, row),
        children=row["children"],
        replays=row["replays"],
        tasks=builder.build_all(),
    )


async def read_task(access: Access, workflow_run_id: str, task: str | int, *, previews: bool = False) -> TaskDetails:
    """One task of a run with everything (engine's loop). Raises ``NotFoundError``."""
    store, row, version = await read_view(access, workflow_run_id, previews=previews)
    index = find_task(version.definition, task)
    logged = bool(await store.logs.list(row["id"], [index], (0, -1), None, 1, None))
    limit = PREVIEW_BYTES if previews else None
    return (await _survey(store, row, version, limit, index, previews=previews, logs=logged)).build(index)


async def read_view(access: Access, workflow_run_id: str, *, previews: bool) -> tuple[Store, Record, StoredVersion]:
    """A run with what started it, and its version (engine's loop)."""
    store = (await access.open_engine()).store
    row = await store.runs.read_view(parse_run_id(workflow_run_id), PREVIEW_BYTES if previews else None)
    if row is None:
        raise no_run(workflow_run_id)
    return store, row, await store.read_version(row["version_id"])


async def cancel_run(access: Access, workflow_run_id: str, reason: str) -> bool:
    """Cancel a run with its child runs (engine's loop). Returns whether this ended it. Raises ``NotFoundError``."""
    row, _ = await read_run(access, workflow_run_id)
    await (await access.open_engine()).control.cancel_runs([row["id"]], reason)
    return bool(row["status"] == ACTIVE and (await read_run(access, workflow_run_id))[0]["status"] != ACTIVE)


def no_run(run_id: object) -> NotFoundError:
    return NotFoundError(f"there is no run {run_id}; `plait runs list` shows those there are")


def find_task(definition: WorkflowDefinition, task: str | int) -> int:
    """The index of a task by its name, or by its index. Raises ``NotFoundError``."""
    if isinstance(task, str):
        if task not in definition.index_by_name:
            near = suggest(task, definition.index_by_name)
            raise NotFoundError(f"workflow {definition.name!r} has no task {shorten(task)}{near}")
        return definition.index_by_name[task]
    if not 0 <= task < len(definition.tasks):
        count = len(definition.tasks)
        raise NotFoundError(f"workflow {definition.name!r} has {count} tasks: there is none at {task}")
    return task


def parse_run_id(text: str) -> UUID:
    """A run id from its text. Raises ``InvalidInputError`` when it is none."""
    try:
        return parse_id(text, "run")
    except InvalidInputError as error:
        if isinstance(text, str) and _ENDING.fullmatch(text):
            error.add_note(
                "the whole id, as plait runs list prints it: the dashboard shows only its end, and the button beside "
                "it on the run's page copies all of it"
            )
        raise


async def _survey(
    store: Store,
    row: Record,
    version: StoredVersion,
    output_bytes: int | None,
    task: int | None = None,
    *,
    previews: bool,
    logs: bool | None = None,
) -> TaskBuilder:
    rows = await store.runs.survey_tasks(row["id"], version.actions, output_bytes, task)
    queued = {version.actions[found["task"]] for found in rows if found["room"] == "ready"}
    capacities = await read_capacities(store, queued) if queued else {}
    off = await store.observation.list_switched_off() if any(found["awaited"] for found in rows) else ()
    switched_off = {found["expression"] for found in off}
    return TaskBuilder(row, version, rows, capacities, switched_off, previews=previews, logs=logs)


async def _name_parent_task(store: Store, row: Record) -> str | None:
    if row["trigger_kind"] != TriggerKind.PARENT or row["parent_version"] is None or row["trigger_task"] is None:
        return None
    tasks = (await store.read_version(row["parent_version"])).definition.tasks
    return str(tasks[row["trigger_task"]].name)
