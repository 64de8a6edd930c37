"""Crons through the nights in which clocks are changed, on the test's clock: what really starts, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from plait import Context, EmptyModel, Plait
from plait.testing import PlaitTest

# Zone; a moment (UTC) some hours before its clocks are changed; a time of day that the change touches; the local fire
# times of a cron at that time of day, within two days, with their offsets.
NIGHTS = [
    pytest.param(
        "Europe/Berlin", "2027-03-27 12:00", "30 2", ["28T03:00+02:00", "29T02:30+02:00"], id="Berlin, spring"
    ),
    pytest.param(
        "Europe/Berlin", "2027-10-30 12:00", "30 2", ["31T02:30+02:00", "01T02:30+01:00"], id="Berlin, autumn"
    ),
    pytest.param(
        "America/New_York", "2027-03-13 12:00", "5 2", ["14T03:00-04:00", "15T02:05-04:00"], id="New York, spring"
    ),
    pytest.param(
        "America/New_York", "2027-11-06 12:00", "5 1", ["07T01:05-04:00", "08T01:05-05:00"], id="New York, autumn"
    ),
    pytest.param(
        "Australia/Lord_Howe", "2027-04-03 06:00", "45 1", ["04T01:45+11:00", "05T01:45+10:30"], id="Lord Howe, autumn"
    ),
    pytest.param(
        "Australia/Lord_Howe", "2027-10-02 06:00", "15 2", ["03T02:30+11:00", "04T02:15+11:00"], id="Lord Howe, spring"
    ),
    pytest.param("Africa/Cairo", "2027-04-29 12:00", "0 0", ["30T01:00+03:00", "01T00:00+03:00"], id="Cairo, spring"),
    pytest.param("Africa/Cairo", "2027-10-28 12:00", "30 23", ["28T23:30+03:00", "29T23:30+02:00"], id="Cairo, autumn"),
    pytest.param(
        "America/Santiago", "2027-04-03 12:00", "30 23", ["03T23:30-03:00", "04T23:30-04:00"], id="Santiago, autumn"
    ),
    pytest.param(
        "America/Santiago", "2027-09-04 12:00", "0 0", ["05T01:00-03:00", "06T00:00-03:00"], id="Santiago, spring"
    ),
]


@pytest.mark.parametrize(("zone", "since", "clock", "expected"), NIGHTS)
def test_a_daily_cron_runs_once_a_day_and_a_frequent_one_evenly(
    plait_test: PlaitTest, zone: str, since: str, clock: str, expected: list[str]
) -> None:
    plait = Plait()
    starts: dict[str, list[tuple[datetime, datetime]]] = {"daily": [], "frequent": []}

    @plait.task()
    def note(input: EmptyModel, ctx: Context) -> None:
        metadata: Any = ctx.additional_metadata
        starts[metadata["cron_name"]].append((datetime.fromisoformat(metadata["fire_time"]), plait_test.clock.now()))

    plait_test.use(plait)
    begin = datetime.fromisoformat(since).replace(tzinfo=UTC)
    plait_test.clock.advance_to(begin)
    note.create_cron("daily", f"{clock} * * *", timezone=zone)
    note.create_cron("frequent", "*/30 * * * *", timezone=zone)
    plait_test.run_until_idle(until=begin + timedelta(hours=47), timeout=60)

    assert [f"{fire:%dT%H:%M}{fire.isoformat()[-6:]}" for fire, _ in starts["daily"]] == expected
    frequent = [fire.astimezone(UTC) for fire, _ in starts["frequent"]]
    assert frequent == [begin + timedelta(minutes=30 * n) for n in range(1, 95)]
    late = [now - fire for fires in starts.values() for fire, now in fires]
    assert min(late) >= timedelta(0)
    assert max(late) < timedelta(seconds=30)  # real seconds of a busy machine
