"""No statement's plan depends on how full a table is, nor on what the planner believes of it."""

from __future__ import annotations

import os
from pathlib import Path

import asyncpg
import pytest

from plait.store.connection import connect
from plait.store.statements import list_sql, load_sql
from plans.calls import CALLS, FEW, MORE
from plans.explain import Observer
from plans.world import World
from support.database import Database

SIZE = int(os.environ.get("PLAIT_PLANS", "10000"))
"""How many rows lie in every table that grows; a million with ``make plans``."""


async def find_excess(observer: Observer, world: World) -> dict[str, str]:
    """The statements that visit more rows than they may, with what they visit."""
    excess = {}
    for name, call in CALLS.items():
        most, _ = MORE.get(name, (FEW, ""))
        try:
            look = await observer.call(load_sql(name), *call(world))
        except asyncpg.PostgresError as error:
            raise AssertionError(f"{name} cannot be called: {error}") from error
        if look.visited > most:
            excess[name] = f"{look.visited:,.0f} rows, {most:,} are allowed\n{look.explain(5)}"
    return excess


def report(excess: dict[str, str]) -> str:
    """What a person needs to know to mend it."""
    return "\n".join(f"\n{name}: {what}" for name, what in excess.items())


def test_every_statement_is_called() -> None:
    files = {Path(path).stem for path in list_sql("sql")}
    assert set(CALLS) == files, "give each statement file a call in tests/plans/calls.py"
    assert set(MORE) <= files


@pytest.mark.parametrize("size", [0, SIZE])
async def test_a_statement_looks_at_as_many_rows_in_a_full_database_as_in_an_empty_one(
    database: Database, size: int
) -> None:
    filler = await connect(database.url)
    world = await World(database.url, filler).make()
    observer = await Observer(await connect(database.url)).open()
    # The plans that a worker makes when it starts are those that it has when there is a backlog.
    excess = {"made when empty, asked when empty": await find_excess(observer, world)}
    if size:
        await world.fill(size)
        excess["made when empty, asked when full"] = await find_excess(observer, world)
    for statistics in ("none", "empty", "fresh"):
        await world.believe(statistics)
        await observer.connection.execute("DISCARD PLANS")
        excess[f"statistics: {statistics}"] = await find_excess(observer, world)
    observer.connection.terminate()
    filler.terminate()
    assert not any(excess.values()), "\n\n".join(f"== {when}{report(found)}" for when, found in excess.items() if found)
