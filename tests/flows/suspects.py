"""A task that ends its worker, beside tasks that are innocent and take long."""

from __future__ import annotations

import asyncio
import ctypes
import os
from types import SimpleNamespace

from flows.steps import Gate, Number
from plait import Context, Plait
from support.ledger import record

_libc = ctypes.PyDLL(None)
"""Calls into it keep the interpreter, as native code does that does not let go of it."""


def declare(plait: Plait, *, gates: str = "") -> SimpleNamespace:
    @plait.task(input_validator=Number, execution_timeout="1h")
    async def poison(input: Number, ctx: Context) -> None:
        record(ctx, "begin")
        await asyncio.to_thread(Gate(gates, f"poison{ctx.attempt_number}").wait, 100)
        os._exit(9)

    @plait.task(input_validator=Number, execution_timeout="1h")
    async def innocent(input: Number, ctx: Context) -> int:
        record(ctx, "begin")
        await asyncio.to_thread(Gate(gates, "innocent").wait, 100)
        record(ctx, "end", input.n)
        return input.n

    @plait.task(input_validator=Number, execution_timeout="1h")
    def greedy(input: Number, ctx: Context) -> None:
        record(ctx, "begin")
        _libc.usleep(input.n)

    return SimpleNamespace(poison=poison, innocent=innocent, greedy=greedy)
