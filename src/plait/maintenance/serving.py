"""Which version of each workflow is served, with its crons and filters: the newest that a live worker has.

Nothing is decided by who started last: an old replica that starts again changes nothing while newer ones live, and when
the last of these has gone, what is left is served.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from plait.errors import DatabaseUnavailableError
from plait.graph.attempt import StoredVersion
from plait.graph.cron import check_cron, choose_start
from plait.graph.definition import WorkflowDefinition
from plait.ids import new_run_id
from plait.maintenance.periodic import PeriodicService
from plait.store.schedules import CronRow

if TYPE_CHECKING:
    from asyncpg import Record

    from plait.store.hints import Hub
    from plait.store.store import Store

logger = logging.getLogger("plait.maintenance")

LONGEST_SLEEP = 5.0

_FIELDS = ("name", "expression", "timezone", "catch_up", "bound_us", "input", "metadata", "priority")


class Serving(PeriodicService):
    """Has the right versions served. The leader looks when workers come and go; a worker that comes does so itself, so
    that what it declares is in place when it begins."""

    name = "serving"
    hint = "worker"

    def __init__(self, store: Store, hub: Hub) -> None:
        super().__init__()
        self._store = store
        self._hub = hub

    async def run_once(self) -> float:
        await self.settle(())
        return LONGEST_SLEEP

    async def settle(self, own: Sequence[int]) -> None:
        """Serve what is to be served. ``own``: versions of a worker that has just come; if they are served, what they
        declare is put in place again."""
        if not (rows := await self._store.control.list_to_serve(own)):
            return
        crons: dict[str, list[Record]] = {row["workflow"]: [] for row in rows}
        for found in await self._store.schedules.list_declared_crons(list(crons)):
            crons[found["workflow"]].append(found)
        for row in rows:
            try:
                version = await self._store.read_version(row["version_id"])
                await self._store.control.serve_workflow(version.definition, version.id)
                await self._sync_crons(version, crons[row["workflow"]], had_crons=row["has_crons"])
            except DatabaseUnavailableError:
                raise
            except Exception as error:  # one that a newer Plait stored, a time zone this machine does not know
                logger.error("version %d of a workflow cannot be served from here: %s", row["version_id"], error)

    async def _sync_crons(self, version: StoredVersion, stored: Sequence[Record], *, had_crons: bool) -> None:
        """Insert what is new, update what has changed, delete what is declared no longer. ``had_crons``: whether it was
        this version that declared those that are stored."""
        store = self._store.schedules
        name = version.definition.name
        rows = _make_rows(version.definition)
        described = {_describe(row.__getattribute__) for row in rows}
        if had_crons and described == {_describe(found.__getitem__) for found in stored}:
            return
        _, now = await store.find_version(name)
        timetables = [check_cron(row.expression, row.timezone, f"workflow {name!r}") for row in rows]
        last = {found["name"]: found["last_at"] for found in stored}
        timed = [
            replace(row, next_at=it.next_fire(choose_start(now, last.get(row.name))))
            for row, it in zip(rows, timetables, strict=True)
        ]
        await store.sync_crons(name, version.id, timed)
        self._hub.publish("timer", [])


def _describe(read: Callable[[str], Any]) -> tuple[Any, ...]:
    values = {field: read(field) for field in _FIELDS}
    # As jsonb has it, or as made.
    values["metadata"] = json.dumps(json.loads(values["metadata"] or "{}"), sort_keys=True)
    return tuple(values.values())


def _make_rows(definition: WorkflowDefinition) -> list[CronRow]:
    return [
        CronRow(
            new_run_id(),
            definition.name,
            cron.name,
            cron.expression,
            cron.timezone,
            cron.catch_up,
            round(cron.catch_up_bound_seconds * 1e6),
            cron.input.encode(),
            cron.metadata,
            definition.default_priority,
            None,
        )
        for cron in definition.crons
    ]
