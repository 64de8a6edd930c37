"""What other people run on the same database, and what they do wrong; none of it is in the ledger."""

from __future__ import annotations

import os
from types import SimpleNamespace

import psycopg

from flows.steps import Gate, Number
from plait import Context, DefaultFilter, Plait, UserEventCondition

TASKS = 10_000
"""Of the wide workflow, beside the one before them and the one after them."""

SLOW = "input.xs.all(x, input.xs.exists(y, y == x + 0))"
"""Holds for some thousand elements, after some million comparisons."""


def declare(plait: Plait, *, gates: str = "", url_of_tasks: str = "", wide: bool = False) -> SimpleNamespace:
    """``gates``: a folder; ``url_of_tasks``: of the database, for a transaction that a task opens itself; ``wide``: the
    workflow of 10,000 tasks, too, which takes a while to declare."""
    waiting = plait.workflow(name="waiting", input_validator=Number)

    @plait.task(input_validator=Number, execution_timeout="1h")
    async def poison(input: Number, ctx: Context) -> None:
        os._exit(9)

    @plait.task(input_validator=Number, execution_timeout="1h")
    def large(input: Number, ctx: Context) -> str:
        return "x" * 900_000

    @waiting.task(wait_for=[UserEventCondition("come")], schedule_timeout="1h")
    async def waits(input: Number, ctx: Context) -> int:
        return input.n

    @plait.task(input_validator=Number, execution_timeout="1h")
    async def family(input: Number, ctx: Context) -> None:
        await waiting.aio_run_many([waiting.create_bulk_run_item(Number(n=n)) for n in range(input.n)])

    @plait.task(input_validator=Number, execution_timeout="1h")
    def holds(input: Number, ctx: Context) -> None:
        """Starts a child in a transaction that stays open."""
        with psycopg.connect(url_of_tasks) as connection:
            waiting.run_no_wait(Number(n=0), connection=connection)
            Gate(gates, "begun").open()
            Gate(gates, "release").wait(300)

    @plait.task(input_validator=Number)
    def keyed(input: Number, ctx: Context) -> int:
        return input.n

    @plait.task(on_events=["burst"], default_filters=[DefaultFilter(expression=SLOW, scope="slow")])
    def filtered(input: object, ctx: Context) -> None: ...

    tasks = [poison, large, waiting, family, holds, keyed, filtered]
    if wide:
        tasks.append(declare_wide(plait))
    return SimpleNamespace(**{task.name: task for task in tasks})


def declare_wide(plait: Plait) -> object:
    """One task, then 10,000 of its children at once, then one that adds up."""
    wide = plait.workflow(name="wide", input_validator=Number)

    @wide.task()
    async def source(input: Number, ctx: Context) -> int:
        return input.n

    async def part(input: Number, ctx: Context) -> int:
        return ctx.task_output(source) + 1

    parts = [wide.task(name=f"part{n}", parents=[source])(part) for n in range(TASKS)]

    @wide.task(parents=parts)
    async def join(input: Number, ctx: Context) -> int:
        return sum(ctx.task_output(part) for part in parts)

    return wide
