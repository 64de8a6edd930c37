"""A parent that starts many children one after the other, and stops in the middle until a gate opens."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from plait import Context, EmptyModel, Plait
from support.ledger import record


class Place(BaseModel):
    n: int


def declare(plait: Plait, *, gate: str, children: int, stop_at: int) -> tuple[Any, Any]:
    """The parent and its child; the parent waits before child number ``stop_at`` until the file ``gate`` exists."""

    @plait.task(input_validator=Place)
    async def child(input: Place, ctx: Context) -> int:
        record(ctx, "begin")
        record(ctx, "end", input.n)
        return input.n

    @plait.task(execution_timeout="60s")
    async def parent(input: EmptyModel, ctx: Context) -> int:
        refs = []
        for n in range(children):
            if n == stop_at:
                while not await asyncio.to_thread(Path(gate).exists):
                    await asyncio.sleep(0.01)
            refs.append(await child.aio_run_no_wait(Place(n=n)))
        ctx.release_slot()
        return sum([await ref.aio_result() for ref in refs])

    return parent, child
