"""Crons and scheduled runs follow the test's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from plait import Context, EmptyModel, InvalidInputError, Plait
from plait.testing import PlaitTest


def test_a_scheduled_run_is_a_reason_to_go_on_and_a_cron_is_none(plait_test: PlaitTest) -> None:
    plait = Plait()
    fired: list[datetime] = []

    @plait.task(name="hourly")
    def hourly(input: EmptyModel, ctx: Context) -> None:
        fired.append(plait_test.clock.now())

    @plait.task(name="once")
    def once(input: EmptyModel, ctx: Context) -> None: ...

    plait_test.use(plait)
    noon = (plait_test.clock.now() + timedelta(days=1)).replace(hour=12, minute=30, second=0, microsecond=0)
    plait_test.clock.advance_to(noon)
    hourly.create_cron("every-hour", "0 * * * *")

    plait_test.run_until_idle()
    assert fired == []
    assert plait_test.clock.now() < noon + timedelta(minutes=1)

    plait_test.run_until_idle(until="3h")
    hours = [moment.astimezone(UTC).hour for moment in fired]
    assert hours == [13, 14, 15]

    once.schedule(plait_test.clock.now() + timedelta(hours=10))
    plait_test.run_until_idle(crons=False)
    assert noon + timedelta(hours=13) <= plait_test.clock.now() < noon + timedelta(hours=13, minutes=1)
    assert len(plait.runs.list(workflow_names=["once"])) == 1


def test_crons_for_ever_are_refused(plait_test: PlaitTest) -> None:
    with pytest.raises(InvalidInputError, match="would never end: set a limit with until="):
        plait_test.run_until_idle(crons=True)
