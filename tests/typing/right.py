"""Right usage: both type checkers of ``make lint`` accept every line and agree on every type. Never run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, assert_type

from pydantic import BaseModel
from typing_extensions import TypedDict

from plait import (
    Context,
    Cron,
    CronDetails,
    Depends,
    EmptyModel,
    Page,
    Plait,
    RunSummary,
    ScheduledRun,
    Standalone,
    Task,
    TaskDefaults,
    TaskDetails,
    TaskRunRef,
    Workflow,
    WorkflowRunRef,
    WorkflowRunTriggerConfig,
)

plait = Plait()


class DocInput(BaseModel):
    path: str


class Text(BaseModel):
    body: str


@dataclass
class Point:
    x: int


class Row(TypedDict):
    a: int


wf = plait.workflow(name="W", input_validator=DocInput, task_defaults=TaskDefaults(retries=0))
assert_type(wf, Workflow[DocInput])
assert_type(plait.workflow(name="E"), Workflow[EmptyModel])
assert_type(plait.workflow(name="D", input_validator=Point), Workflow[Point])
assert_type(plait.workflow(name="T", input_validator=Row), Workflow[Row])
assert_type(Workflow("U"), Workflow[EmptyModel])
assert_type(Workflow("V", input_validator=DocInput), Workflow[DocInput])


@wf.task(retries=3, execution_timeout=timedelta(seconds=30), schedule_timeout="5m", backoff_factor=2.0)
def extract(input: DocInput, ctx: Context) -> Text:
    return Text(body=input.path)


def connect(input: DocInput, ctx: Context) -> Iterator[int]:
    yield 1


@wf.task(parents=[extract])
async def summarise(doc: DocInput, context: Context, db: Annotated[int, Depends(connect)]) -> list[Text] | None:
    assert_type(context.task_output(extract), Text)
    return None


@wf.task(parents=[extract, summarise])
async def store(input: DocInput, ctx: Context) -> None:
    assert_type(ctx.task_output(summarise), list[Text] | None)


@wf.on_failure_task()
def report(input: DocInput, ctx: Context) -> None:
    ctx.was_skipped(extract)


@wf.task()
def looser(input: BaseModel, ctx: Context) -> dict[str, int]:
    return {}


assert_type(extract, Task[DocInput, Text])
assert_type(summarise, Task[DocInput, list[Text] | None])
assert_type(store, Task[DocInput, None])
assert_type(looser, Task[DocInput, dict[str, int]])


@plait.task(input_validator=DocInput, retries=2, description="counts")
async def count(input: DocInput, ctx: Context) -> int:
    return 1


@plait.task()
def ping(input: EmptyModel, ctx: Context) -> Point:
    return Point(1)


assert_type(count, Standalone[DocInput, int])
assert_type(ping, Standalone[EmptyModel, Point])
assert_type(count.task, Task[DocInput, int])
assert_type(wf.add_task(count), Task[DocInput, int])

doc = DocInput(path="x")
flag = bool(doc.path)
assert_type(wf.run(doc), dict[str, Any])
assert_type(wf.run(doc, wait_for_result=True, priority=3), dict[str, Any])
assert_type(wf.run(doc, wait_for_result=False), WorkflowRunRef)
assert_type(wf.run_no_wait(doc, additional_metadata={"a": 1}), WorkflowRunRef)
assert_type(count.run(doc), int)
assert_type(count.run(doc, wait_for_result=False), TaskRunRef[DocInput, int])
assert_type(count.run_no_wait(doc), TaskRunRef[DocInput, int])
assert_type(count.run_no_wait(doc, connection=object()).result(), int)
assert_type(ping.run(), Point)
item = count.create_bulk_run_item(doc, key="k")
assert_type(item, WorkflowRunTriggerConfig)
assert_type(count.run_many([item]), list[int])
assert_type(count.run_many([item], return_exceptions=True), list[int | BaseException])
assert_type(count.run_many([item], wait_for_result=False), list[TaskRunRef[DocInput, int]])
assert_type(wf.run_many_no_wait([item]), list[WorkflowRunRef])
assert_type(wf.schedule(datetime.now(UTC), doc), ScheduledRun)
assert_type(count.create_cron("c", "@daily", doc, timezone="Europe/Berlin", catch_up="all"), CronDetails)
assert_type(plait.scheduled.list(statuses=["STARTED"]), Page[ScheduledRun])
assert_type(plait.runs.list()[0], RunSummary)
assert_type(plait.runs.get_details("id").tasks["load"], TaskDetails)
assert_type(plait.cron.run_now("id"), WorkflowRunRef)
plait.workflow(name="timed", input_validator=DocInput, on_crons=["@daily", Cron("@hourly")], cron_input=doc)


async def main() -> None:
    assert_type(await wf.aio_schedule(datetime.now(UTC), doc), ScheduledRun)
    assert_type(await plait.cron.aio_get("id"), CronDetails)
    assert_type(await wf.aio_run(doc), dict[str, Any])
    assert_type(await wf.aio_run(doc, wait_for_result=False), WorkflowRunRef)
    assert_type(await count.aio_run(doc), int)
    assert_type(await count.aio_run_no_wait(doc), TaskRunRef[DocInput, int])
    assert_type(await count.aio_run_many([item]), list[int])
    assert_type(await (await count.aio_run_no_wait(doc)).aio_result(), int)
    assert_type(await wf.aio_run_many([item], True), list[dict[str, Any] | BaseException])
