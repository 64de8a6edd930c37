"""What stands in the database, for a shell that completes an argument. Quick, or silent: nothing here may disturb."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from plait.client import Plait

LOOK_SECONDS = 1.0
_MOST = 200

Items = list[CompletionItem]
Completer = Callable[[click.Context, click.Parameter, str], Items]
Look = Callable[["Plait"], Awaitable[Iterable[tuple[str, str]]]]


def complete_target(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> Items:
    """TARGET begins with a file."""
    return [CompletionItem(incomplete, type="file")]


def complete_from(look: Look) -> Completer:
    """A completer that asks the database by ``look``, which gives values with a word about each."""

    def complete(context: click.Context, _parameter: click.Parameter, incomplete: str) -> Items:
        try:
            found = _ask(context, look)
        except Exception:  # whatever it is: a prompt is no place to report it
            return []
        return [CompletionItem(value, help=note) for value, note in found if value.startswith(incomplete)]

    return complete


def _ask(context: click.Context, look: Look) -> list[tuple[str, str]]:
    import asyncio  # noqa: PLC0415 - these only when somebody presses the key
    import logging  # noqa: PLC0415

    from plait.client import Plait  # noqa: PLC0415
    from plait.settings import find_database  # noqa: PLC0415

    logging.disable()
    given = context.meta.get("plait.database_url") or context.find_root().params.get("database_url")
    url = find_database(given).url or _find_running()
    if url is None:
        return []
    plait = Plait(url, auto_upgrade=False)

    async def ask() -> list[tuple[str, str]]:
        return list(await look(plait))

    async def ask_in_time() -> list[tuple[str, str]]:
        return await asyncio.wait_for(ask(), LOOK_SECONDS)

    try:
        return asyncio.run(ask_in_time())
    finally:
        plait.close()


def _find_running() -> str | None:
    """The URL of the embedded PostgreSQL of this project if it runs."""
    from plait.embedded import get_status, start_embedded  # noqa: PLC0415 - not there on every platform

    return start_embedded().dsn if get_status().running else None


async def _look_at_runs(plait: Plait, statuses: Any = None) -> Iterable[tuple[str, str]]:
    found = await plait.runs.aio_list(limit=_MOST, statuses=statuses)
    return [(run.id, f"{run.workflow} {run.status.value}") for run in found]


async def _look_at_workflows(plait: Plait) -> Iterable[tuple[str, str]]:
    return [(one.name, one.description or "") for one in await plait.workflows.aio_list(limit=_MOST)]


async def _look_at_workers(plait: Plait) -> Iterable[tuple[str, str]]:
    found = await plait.workers.aio_list(ended=True, limit=_MOST)
    return [(one.id, f"{one.name} {one.status.value}") for one in found]


async def _look_at_crons(plait: Plait) -> Iterable[tuple[str, str]]:
    return [(one.id, f"{one.workflow} {one.name}") for one in await plait.cron.aio_list(limit=_MOST)]


async def _look_at_scheduled(plait: Plait) -> Iterable[tuple[str, str]]:
    found = await plait.scheduled.aio_list(limit=_MOST)
    return [(one.id, f"{one.workflow} {one.run_at.astimezone():%Y-%m-%d %H:%M}") for one in found]


async def _look_at_events(plait: Plait) -> Iterable[tuple[str, str]]:
    return [(one.id, one.key) for one in await plait.event.aio_list(limit=_MOST)]


async def _look_at_filters(plait: Plait) -> Iterable[tuple[str, str]]:
    return [(one.id, one.workflow) for one in await plait.filters.aio_list(limit=_MOST)]


complete_runs = complete_from(_look_at_runs)
complete_workflows = complete_from(_look_at_workflows)
complete_workers = complete_from(_look_at_workers)
complete_crons = complete_from(_look_at_crons)
complete_scheduled = complete_from(_look_at_scheduled)
complete_events = complete_from(_look_at_events)
complete_filters = complete_from(_look_at_filters)
