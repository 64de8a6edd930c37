"""One short task that has nothing to do with all the others."""

from __future__ import annotations

from types import SimpleNamespace

from flows.steps import Number
from plait import Context, Plait


def declare(plait: Plait) -> SimpleNamespace:
    @plait.task(name="probe", input_validator=Number)
    async def probe(input: Number, ctx: Context) -> int:
        return input.n

    return SimpleNamespace(probe=probe)
