"""A workflow whose code changes: version 2 drops a task, adds one and rewires."""

from __future__ import annotations

from types import SimpleNamespace

from flows.steps import Gate, Number
from plait import Context, Plait
from support.ledger import record


def declare(plait: Plait, *, version: int = 1, gates: str = "") -> SimpleNamespace:
    flow = plait.workflow(name="changing", input_validator=Number)

    def step(input: Number, ctx: Context) -> str:
        record(ctx, "begin")
        if ctx.task_name == "first" and gates:
            Gate(gates, "first").wait()
        output = f"{ctx.task_name} by {version}"
        record(ctx, "end", output)
        return output

    first = flow.task(name="first")(step)
    if version == 1:
        old = flow.task(name="old", parents=[first])(step)
        flow.task(name="last", parents=[first, old])(step)
    else:
        new = flow.task(name="new", parents=[first])(step)
        flow.task(name="last", parents=[new])(step)
    return SimpleNamespace(flow=flow)
