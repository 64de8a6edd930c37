"""Wrong usage: both type checkers must report exactly the lines marked ``# error``. Never run."""

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
    wrong: str = ctx.task_output(far_task)  # error
    return len(wrong)


@far.task()
async def far_task(input: Other, ctx: Context) -> int:
    return 1


@plait.task(input_validator=DocInput)
async def count(input: DocInput, ctx: Context) -> int:
    return 1


def takes_other(input: Other, ctx: Context) -> None: ...
def takes_one(input: DocInput) -> None: ...


wf.task()(takes_other)  # error
wf.task()(takes_one)  # error
wf.task(parents=[far_task])  # error
wf.task(parents=[takes_other])  # error
wf.task(parents=["extract"])  # error
wf.task(retries="3")  # error
wf.task(retrys=3)  # error
wf.task(execution_timeout=60)  # error
wf.run(Other(n=1))  # error
wf.run("x")  # error
wf.run(DocInput(path="x"), priority="high")  # error
wf.run(DocInput(path="x"), no_such_option=1)  # error
text: str = count.run(DocInput(path="x"))  # error
ref_as_int: int = count.run(DocInput(path="x"), wait_for_result=False)  # error
wf.add_task(far_task)  # error
plait.workflow("positional")  # error
wf.schedule("tomorrow", DocInput(path="x"))  # error
wf.schedule(datetime.now(UTC), Other(n=1))  # error
wf.create_cron("c", "@daily", DocInput(path="x"), catch_up="sometimes")  # error
plait.workflow(name="timed", on_crons=[1])  # error
