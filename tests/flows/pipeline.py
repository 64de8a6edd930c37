"""A graph of six tasks whose outputs follow from the input, with a gate at any of them."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

from flows.steps import Gate, Number
from plait import Context, Plait
from support.ledger import record


def expect(input: dict[str, Any]) -> dict[str, Any]:
    """The output of every task, by arithmetic alone."""
    root = input["n"] + 1
    left, right, extra = root * 2, root * 3, root * 5
    return {
        "root": root,
        "left": left,
        "right": right,
        "extra": extra,
        "join": left + right + extra,
        "tail": left + right + extra + root,
    }


def declare(plait: Plait, *, hold: str = "", gates: str = "", work_ms: int = 0, retries: int = 0) -> SimpleNamespace:
    """``hold``: the task that waits at the gate of its own name in the folder ``gates``."""
    flow = plait.workflow(name="pipeline", input_validator=Number)

    def finish(ctx: Context, output: int) -> int:
        if ctx.task_name == hold:
            Gate(gates, hold).wait()
        if work_ms:
            time.sleep(work_ms / 1000)
        record(ctx, "end", output)
        return output

    @flow.task(retries=retries)
    def root(input: Number, ctx: Context) -> int:
        record(ctx, "begin")
        return finish(ctx, input.n + 1)

    @flow.task(parents=[root], retries=retries)
    def left(input: Number, ctx: Context) -> int:
        record(ctx, "begin")
        return finish(ctx, ctx.task_output(root) * 2)

    @flow.task(parents=[root], retries=retries)
    async def right(input: Number, ctx: Context) -> int:
        record(ctx, "begin")
        output = ctx.task_output(root) * 3
        record(ctx, "end", output)
        return output

    @flow.task(parents=[root], retries=retries)
    def extra(input: Number, ctx: Context) -> int:
        record(ctx, "begin")
        return finish(ctx, ctx.task_output(root) * 5)

    @flow.task(parents=[left, right, extra], retries=retries)
    def join(input: Number, ctx: Context) -> int:
        record(ctx, "begin")
        return finish(ctx, ctx.task_output(left) + ctx.task_output(right) + ctx.task_output(extra))

    @flow.task(parents=[join, root], retries=retries)
    async def tail(input: Number, ctx: Context) -> int:
        record(ctx, "begin")
        output = ctx.task_output(join) + ctx.task_output(root)
        record(ctx, "end", output)
        return output

    return SimpleNamespace(flow=flow, tasks=("root", "left", "right", "extra", "join", "tail"))
