"""A workflow that a cron starts every second; its task keeps the nominal time of its run."""

from __future__ import annotations

from types import SimpleNamespace

from plait import Context, EmptyModel, Plait
from support.ledger import record


def declare(plait: Plait, *, expression: str = "* * * * * *") -> SimpleNamespace:
    @plait.task(name="tick", on_crons=[expression])
    async def tick(input: EmptyModel, ctx: Context) -> str:
        record(ctx, "begin")
        return str(ctx.additional_metadata["fire_time"])

    return SimpleNamespace(tick=tick)
