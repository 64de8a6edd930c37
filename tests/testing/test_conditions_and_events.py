"""Waiting for an event or a time, on skipped time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from plait import Context, EmptyModel, Plait, SleepCondition, UserEventCondition, or_
from plait.testing import PlaitTest, StalledError


def declare(plait: Plait, conditions: list[Any]) -> Any:
    flow = plait.workflow(name="Payment")

    @flow.task(wait_for=conditions)
    def decide(input: EmptyModel, ctx: Context) -> dict[str, Any]:
        return ctx.trigger_data

    return flow


def test_an_event_or_three_days(plait_test: PlaitTest) -> None:
    plait = Plait()
    flow = declare(plait, [or_(SleepCondition(timedelta(days=3)), UserEventCondition(event_key="paid"))])
    plait_test.use(plait)

    began = plait_test.clock.now()
    assert plait_test.run(flow) == {"decide": {}}
    assert timedelta(days=3) <= plait_test.clock.now() - began < timedelta(days=3, minutes=1)

    ref = flow.run_no_wait()
    plait_test.settle()
    plait_test.clock.advance("2d")
    plait.event.push("paid", {"amount": 3})
    plait_test.settle()
    assert ref.result(10) == {"decide": {"paid": {"amount": 3}}}
    assert plait_test.clock.now() - began < timedelta(days=5, minutes=1)


def test_a_run_that_waits_for_an_event_alone_is_stalled(plait_test: PlaitTest) -> None:
    plait = Plait()
    flow = declare(plait, [UserEventCondition(event_key="paid")])
    plait_test.use(plait)
    with pytest.raises(StalledError, match=r"Payment.decide is in 'waiting'\. Perhaps it waits for an event"):
        plait_test.run(flow)
