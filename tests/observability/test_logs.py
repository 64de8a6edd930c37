"""Log records say which task they come from, whoever writes them."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import logging.config
import logging.handlers
import queue
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace

from observability.conftest import Spans
from plait import Context, EmptyModel, Plait
from plait.cli.logs import JsonFormatter
from plait.logs import TaskLogFilter, describe_current_task


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What a handler of the user's writes, configured as users do it."""
    text = io.StringIO()
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"task": {"()": "plait.logs.TaskLogFilter"}},
            "formatters": {"line": {"format": "%(message)s|%(run_id)s|%(workflow)s.%(task)s|%(attempt)s|%(trace_id)s"}},
            "handlers": {
                "stream": {"class": "logging.StreamHandler", "filters": ["task"], "formatter": "line", "stream": text}
            },
            "loggers": {"shop": {"handlers": ["stream"], "level": "INFO"}},
        }
    )
    yield text
    logging.getLogger("shop").handlers.clear()


def declare(plait: Plait) -> Any:
    flow = plait.workflow(name="flow")

    @flow.task()
    def in_thread(input: EmptyModel, ctx: Context) -> str:
        logging.getLogger("shop.thread").info("thread")
        return f"{trace.get_current_span().get_span_context().trace_id:032x}"

    @flow.task(parents=[in_thread])
    async def on_loop(input: EmptyModel, ctx: Context) -> str:
        logging.getLogger("shop.loop").info("loop")
        return ""

    return flow


def test_a_handler_of_ones_own_tells_run_task_attempt_and_trace(
    plait: Plait, spans: Spans, work: Any, stream: io.StringIO
) -> None:
    flow = declare(plait)
    work(flow)
    logging.getLogger("shop").info("before")
    ref = flow.run_no_wait()
    trace_id = ref.result()["in_thread"]
    assert stream.getvalue().splitlines() == [
        "before|-|-.-|-|-",
        f"thread|{ref.workflow_run_id}|flow.in_thread|1|{trace_id}",
        f"loop|{ref.workflow_run_id}|flow.on_loop|1|{trace_id}",
    ]


def test_tasks_side_by_side_are_not_mixed_up(plait: Plait, work: Any, stream: io.StringIO) -> None:
    @plait.task(name="each")
    async def each(input: EmptyModel, ctx: Context) -> None:
        await asyncio.sleep(0)
        logging.getLogger("shop").info(ctx.workflow_run_id)
        await asyncio.to_thread(logging.getLogger("shop").info, ctx.workflow_run_id)

    work(each)
    each.run_many([each.create_bulk_run_item() for _ in range(20)])
    lines = [line.split("|") for line in stream.getvalue().splitlines()]
    assert len(lines) == 40
    assert all(line[0] == line[1] for line in lines)


def test_a_queue_handler_takes_the_fields_along(plait: Plait, work: Any) -> None:
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    handler = logging.handlers.QueueHandler(records)  # type: ignore[arg-type]
    handler.addFilter(TaskLogFilter(missing=None))
    logger = logging.getLogger("shop.queue")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)

    @plait.task(name="task")
    def task(input: EmptyModel, ctx: Context) -> None:
        logger.info("inside", extra={"attempt": "mine"})

    work(task)
    task.run()
    logger.info("outside")
    inside, outside = (json.loads(JsonFormatter().format(records.get())) for _ in range(2))
    assert (inside["workflow"], inside["attempt"]) == ("task", "mine"), "what the caller says stays"
    assert "run_id" not in outside


def test_outside_of_a_task_there_is_nothing_to_tell() -> None:
    assert describe_current_task() == {}


def test_a_span_of_the_users_is_told_outside_of_tasks_too(spans: Spans) -> None:
    with spans.tracer.start_as_current_span("request") as request:
        context = request.get_span_context()
        assert describe_current_task() == {
            "trace_id": f"{context.trace_id:032x}",
            "span_id": f"{context.span_id:016x}",
        }
