"""Load for hours: what a run does follows from its number. Nothing is written into a ledger, which would grow."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from flows.steps import Number
from plait import Context, Plait

FAILS, TIMES_OUT, IS_CANCELLED = range(5), range(5, 7), range(7, 8)
"""Of a hundred."""


def declare(plait: Plait) -> SimpleNamespace:
    flow = plait.workflow(name="soak", input_validator=Number)

    @flow.task()
    def first(input: Number, ctx: Context) -> int:
        return input.n

    @flow.task(parents=[first], execution_timeout="30s")
    async def wait(input: Number, ctx: Context) -> int:
        if input.n % 100 in IS_CANCELLED:
            await asyncio.sleep(20)
        return input.n

    @flow.task(parents=[first], execution_timeout="2s")
    async def sort(input: Number, ctx: Context) -> int:
        if input.n % 100 in TIMES_OUT:
            await asyncio.sleep(20)
        return input.n

    @flow.task(parents=[wait, sort])
    def last(input: Number, ctx: Context) -> int:
        if input.n % 100 in FAILS:
            raise ValueError(f"{input.n} is one of the five")
        return ctx.task_output(wait) + ctx.task_output(sort)

    return SimpleNamespace(flow=flow, last=last)
