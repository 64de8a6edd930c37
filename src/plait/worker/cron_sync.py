"""Makes the crons in the database those that the code of a starting worker declares."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from plait.graph.cron import check_cron
from plait.ids import new_run_id
from plait.store.schedules import CronRow
from plait.values.encoding import encode_metadata

if TYPE_CHECKING:
    from plait.declaration.workflow import BaseWorkflow
    from plait.engine.engine import Engine

_FIELDS = ("name", "expression", "timezone", "catch_up", "bound_us", "input", "metadata", "priority")


async def sync_crons(engine: Engine, workflows: Sequence[BaseWorkflow[Any]]) -> None:
    """Insert what is new, update what has changed, delete what is declared no longer. One read if all is as it was.

    Of several versions of a workflow that are served at a time, the crons are those of the worker that started last.
    """
    store = engine.store.schedules
    stored: dict[str, set[tuple[Any, ...]]] = {workflow.name: set() for workflow in workflows}
    for found in await store.list_declared_crons(list(stored)):
        stored[found["workflow"]].add(_describe(found.__getitem__))
    for workflow in workflows:
        rows = _make_rows(workflow)
        if {_describe(row.__getattribute__) for row in rows} != stored[workflow.name]:
            _, now = await store.find_version(workflow.name)
            timetables = [check_cron(row.expression, row.timezone, f"workflow {workflow.name!r}") for row in rows]
            timed = [replace(row, next_at=it.next_fire(now)) for row, it in zip(rows, timetables, strict=True)]
            await engine.change_schedule(store.sync_crons, workflow.name, timed)


def _describe(read: Callable[[str], Any]) -> tuple[Any, ...]:
    values = {field: read(field) for field in _FIELDS}
    values["metadata"] = json.dumps(
        json.loads(values["metadata"] or "{}"), sort_keys=True
    )  # as jsonb has it, or as made
    return tuple(values.values())


def _make_rows(workflow: BaseWorkflow[Any]) -> list[CronRow]:
    return [
        CronRow(
            new_run_id(),
            workflow.name,
            cron.name,
            cron.expression,
            cron.timezone,
            cron.catch_up,
            round(cron.catch_up_bound_seconds * 1e6),
            cron.input.encode(),
            encode_metadata(workflow.default_additional_metadata, where=f"workflow {workflow.name!r}"),
            workflow.default_priority,
            None,
        )
        for cron in workflow.definition.crons
    ]
