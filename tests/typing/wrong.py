"""Wrong usage: ``make lint`` fails where a type checker reports no error on a line that is marked, or one on another.
Never run."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel

from plait import Context, Plait

plait = Plait()


class DocInput(BaseModel):
    path: str


class Other(BaseModel):
    n: int


wf = plait.workflow(name="W", input_validator=DocInput)
far = plait.workflow(name="Far", input_validator=Other)


@wf.task()
def extract(input: DocInput, ctx: Context) -> int:
    wrong: str = ctx.task_output(far_task)  # type: ignore
    return len(wrong)


@far.task()
async def far_task(input: Other, ctx: Context) -> int:
    return 1


@plait.task(input_validator=DocInput)
async def count(input: DocInput, ctx: Context) -> int:
    return 1


def takes_other(input: Other, ctx: Context) -> None: ...
def takes_one(input: DocInput) -> None: ...


wf.task()(takes_other)  # type: ignore
wf.task()(takes_one)  # type: ignore
wf.task(parents=[far_task])  # type: ignore
wf.task(parents=[takes_other])  # type: ignore
wf.task(parents=["extract"])  # type: ignore
wf.task(retries="3")  # type: ignore
wf.task(retrys=3)  # type: ignore
wf.task(execution_timeout=60)  # type: ignore
wf.run(Other(n=1))  # type: ignore
wf.run("x")  # type: ignore
wf.run(DocInput(path="x"), priority="high")  # type: ignore
wf.run(DocInput(path="x"), no_such_option=1)  # type: ignore
text: str = count.run(DocInput(path="x"))  # type: ignore
ref_as_int: int = count.run(DocInput(path="x"), wait_for_result=False)  # type: ignore
wf.add_task(far_task)  # type: ignore
plait.workflow("positional")  # type: ignore
wf.schedule("tomorrow", DocInput(path="x"))  # type: ignore
wf.schedule(datetime.now(UTC), Other(n=1))  # type: ignore
wf.create_cron("c", "@daily", DocInput(path="x"), catch_up="sometimes")  # type: ignore
plait.workflow(name="timed", on_crons=[1])  # type: ignore
