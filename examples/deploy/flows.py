"""The application of these examples: a workflow of two tasks. Put yours in its place."""

from __future__ import annotations

from pydantic import BaseModel

from plait import Context, Plait

plait = Plait()


class Text(BaseModel):
    """What to count."""

    text: str


count = plait.workflow(name="CountWords", input_validator=Text)


@count.task()
def split(input: Text, ctx: Context) -> list[str]:
    return input.text.split()


@count.task(parents=[split])
async def sum_up(input: Text, ctx: Context) -> int:
    return len(ctx.task_output(split))
