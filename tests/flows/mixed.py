"""Everything at once: a diamond with a fan, a task that waits for an event, one that sleeps, a parent with children,
and large values. What each task puts out follows from the input."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

from flows import pipeline, ticking
from flows.steps import Number
from plait import Context, Plait, SleepCondition, UserEventCondition
from support.ledger import record

CHILDREN = 3
LARGE = 200_000
"""Bytes."""


def _fill(n: int) -> str:
    return f"{n:08d}" * (LARGE // 8)


EXPECT: dict[str, Any] = {
    "pipeline": pipeline.expect,
    "approval": lambda input: {"ask": input["n"] + 1, "rest": input["n"] + 2},
    "parent": lambda input: {"parent": sum((input["n"] + k) * 7 for k in range(CHILDREN))},
    "leaf": lambda input: {"leaf": input["n"] * 7},
    "heavy": lambda input: {"make": _fill(input["n"]), "measure": input["n"] + LARGE, "copy": _fill(input["n"])},
}
"""By workflow: from a run's input to the output of each of its tasks."""


def declare(plait: Plait, *, work_ms: int = 0, retries: int = 0, cron: bool = False) -> SimpleNamespace:
    """``work_ms``: how long each of the shorter tasks takes at least; ``cron``: start a run every second, too."""
    if cron:
        ticking.declare(plait)
    approval = plait.workflow(name="approval", input_validator=Number)
    heavy = plait.workflow(name="heavy", input_validator=Number)

    def step(ctx: Context, output: Any) -> Any:
        if work_ms:
            time.sleep(work_ms / 1000)
        record(ctx, "end", output)
        return output

    @approval.task(wait_for=[UserEventCondition("go:{input.n}", "input.yes == true")], retries=retries)
    def ask(input: Number, ctx: Context) -> int:
        record(ctx, "begin")
        return step(ctx, input.n + 1)

    @approval.task(parents=[ask], wait_for=[SleepCondition("50ms")], retries=retries)
    def rest(input: Number, ctx: Context) -> int:
        record(ctx, "begin")
        return step(ctx, ctx.task_output(ask) + 1)

    @plait.task(name="leaf", input_validator=Number, retries=retries)
    def leaf(input: Number, ctx: Context) -> int:
        record(ctx, "begin")
        return step(ctx, input.n * 7)

    @plait.task(name="parent", input_validator=Number, retries=retries)
    async def parent(input: Number, ctx: Context) -> int:
        record(ctx, "begin")
        items = [leaf.create_bulk_run_item(Number(n=input.n + k)) for k in range(CHILDREN)]
        ctx.release_slot()
        output = sum(await leaf.aio_run_many(items))
        record(ctx, "end", output)
        return output

    @heavy.task(retries=retries)
    def make(input: Number, ctx: Context) -> str:
        record(ctx, "begin")
        return step(ctx, _fill(input.n))

    @heavy.task(parents=[make], retries=retries)
    def measure(input: Number, ctx: Context) -> int:
        record(ctx, "begin")
        return step(ctx, input.n + len(ctx.task_output(make)))

    @heavy.task(parents=[make], retries=retries)
    def copy(input: Number, ctx: Context) -> str:
        record(ctx, "begin")
        return step(ctx, ctx.task_output(make))

    return SimpleNamespace(
        pipeline=pipeline.declare(plait, work_ms=work_ms, retries=retries).flow,
        approval=approval,
        parent=parent,
        heavy=heavy,
    )
