"""The log of a worker when much goes wrong at once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from plait import Context, EmptyModel, FailedTaskRunExceptionGroup, Plait
from plait.worker.lines import MOST_LINES, SECONDS, LineLimit
from support.database import Database

Work = Callable[..., Any]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_kind_of_line_is_told_so_often_each_text_once_and_what_is_left_out_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    logger = logging.getLogger("plait.test_lines")
    limit = LineLimit(clock)
    logger.addFilter(limit)
    for _ in range(3):
        logger.warning("version %d cannot be served", 7)
    for number in range(MOST_LINES + 5):
        logger.warning("task %d failed", number)
    clock.now = SECONDS
    logger.warning("version %d cannot be served", 7)
    logger.warning("task %d failed", 99)
    logger.removeFilter(limit)
    told = [f"task {number} failed" for number in range(MOST_LINES)]
    told[-1] += " (the next such lines of this minute are only counted)"
    assert caplog.messages == [
        "version 7 cannot be served",
        *told,
        "version 7 cannot be served (and 2 more such lines since the last one)",
        "task 99 failed (and 5 more such lines since the last one)",
    ]


def test_tasks_that_fail_by_the_hundred_are_no_storm(
    plait: Plait, work: Work, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    @plait.task(name="bad")
    async def bad(input: EmptyModel, ctx: Context) -> None:
        raise ValueError("no")

    with caplog.at_level(logging.INFO):
        work(bad)
        items = [bad.create_bulk_run_item() for _ in range(100)]
        failures = bad.run_many(items, return_exceptions=True)
    assert {type(failure) for failure in failures} == {FailedTaskRunExceptionGroup}
    told = [message for message in caplog.messages if " failed in attempt " in message]
    # A second minute may begin on a slow machine.
    assert len(told) in (MOST_LINES, 2 * MOST_LINES)
    assert "only counted" in told[MOST_LINES - 1]


def test_processes_that_cannot_listen_for_hints_say_so_once_and_work_goes_on(
    plait: Plait, work: Work, database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    @plait.task(name="good")
    async def good(input: EmptyModel, ctx: Context) -> int:
        return 1

    async def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("not here")

    monkeypatch.setattr("plait.store.hints.connect", refuse)
    work(good)
    assert good.run() == 1
    told = [message for message in caplog.messages if "listen for hints" in message]
    assert told == [
        "cannot listen for hints (changes are found by polling, somewhat later), trying again: not here",
    ]
