"""Cron expressions: how they are read, what they do when clocks are changed, and what becomes of missed times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from plait.errors import DefinitionError
from plait.graph.cron import ALIASES, MAX_FIRES, check_cron, choose_fires, choose_start

DAY = timedelta(days=1)


def at(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def list_local(expression: str, zone: str, since: str, until: str) -> list[str]:
    """Fire times as the clock of the zone shows them, with their offsets, between two moments in UTC."""
    timetable = check_cron(expression, zone, "test")
    return [str(timetable.to_local(fire)) for fire in timetable.list_fires(at(since), at(until), 10_000)]


# --- clocks that are changed -----------------------------------------------------------------------------------------

FIXED = "30 2 * * *"


@pytest.mark.parametrize("expression", [FIXED, f"0 {FIXED}"])
def test_what_the_clock_skips_fires_once_at_the_end_of_the_gap(expression: str) -> None:
    assert list_local(expression, "Europe/Berlin", "2026-03-28T00:00", "2026-03-30T12:00") == [
        "2026-03-28 02:30:00+01:00",
        "2026-03-29 03:00:00+02:00",
        "2026-03-30 02:30:00+02:00",
    ]
    several = expression.replace("30 2", "0,20,40 2")
    assert list_local(several, "Europe/Berlin", "2026-03-29T00:00", "2026-03-29T12:00") == ["2026-03-29 03:00:00+02:00"]


@pytest.mark.parametrize("expression", [FIXED, f"0 {FIXED}"])
def test_what_the_clock_repeats_fires_the_first_time_only(expression: str) -> None:
    assert list_local(expression, "Europe/Berlin", "2026-10-25T00:00", "2026-10-26T12:00") == [
        "2026-10-25 02:30:00+02:00",
        "2026-10-26 02:30:00+01:00",
    ]
    within_the_repetition = list_local(expression, "Europe/Berlin", "2026-10-25T01:10", "2026-10-26T12:00")
    assert within_the_repetition == ["2026-10-26 02:30:00+01:00"]


@pytest.mark.parametrize("expression", ["*/30 * * * *", "0 */30 * * * *"])
def test_in_real_time_it_goes_on_as_before(expression: str) -> None:
    spring = list_local(expression, "Europe/Berlin", "2026-03-29T00:00", "2026-03-29T02:00")
    assert [text[11:] for text in spring] == ["01:30:00+01:00", "03:00:00+02:00", "03:30:00+02:00", "04:00:00+02:00"]
    autumn = list_local(expression, "Europe/Berlin", "2026-10-25T00:00", "2026-10-25T02:00")
    assert [text[11:] for text in autumn] == ["02:30:00+02:00", "02:00:00+01:00", "02:30:00+01:00", "03:00:00+01:00"]


def test_an_hour_that_is_repeated_only_in_this_year_is_not_taken_for_that_of_the_next() -> None:
    fires = list_local("*/30 2 25 10 *", "Europe/Berlin", "2026-10-25T00:40", "2027-12-01T00:00")
    assert fires == [
        "2026-10-25 02:00:00+01:00",
        "2026-10-25 02:30:00+01:00",
        "2027-10-25 02:00:00+02:00",
        "2027-10-25 02:30:00+02:00",
    ]


def test_half_an_hour_at_lord_howe() -> None:
    zone = "Australia/Lord_Howe"
    assert list_local("15 2 * * *", zone, "2026-10-03T14:00", "2026-10-04T20:00") == [
        "2026-10-04 02:30:00+11:00",
        "2026-10-05 02:15:00+11:00",
    ]
    assert list_local("45 1 * * *", zone, "2026-04-04T12:00", "2026-04-05T20:00") == [
        "2026-04-05 01:45:00+11:00",
        "2026-04-06 01:45:00+10:30",
    ]
    assert list_local("*/15 3 * * *", zone, "2026-04-04T12:00", "2026-04-04T20:00") == [
        f"2026-04-05 03:{minute}:00+10:30" for minute in ("00", "15", "30", "45")
    ]


def test_a_day_that_begins_with_a_gap_begins_after_it() -> None:
    assert list_local("@daily", "Africa/Cairo", "2026-04-22T22:30", "2026-04-25T00:00") == [
        "2026-04-24 01:00:00+03:00",
        "2026-04-25 00:00:00+03:00",
    ]


def test_a_daily_job_runs_once_a_day_in_every_zone_and_year() -> None:
    for zone in ("Europe/London", "America/Sao_Paulo", "America/St_Johns", "Pacific/Chatham", "Asia/Beirut"):
        for clock in ("0 0", "30 0", "59 1", "30 2"):
            timetable = check_cron(f"{clock} * * *", zone, "test")
            fires = timetable.list_fires(at("2005-01-01T12:00"), at("2008-01-01T12:00"), 2000)
            days = [timetable.to_local(fire).date() for fire in fires]
            assert days == [days[0] + n * DAY for n in range(1095)]


# --- reading ---------------------------------------------------------------------------------------------------------


def test_names_of_timetables_mean_their_five_fields() -> None:
    for name, meaning in ALIASES.items():
        since, until = "2026-01-01T00:00", "2028-01-01T00:00"
        assert list_local(name, "Asia/Tokyo", since, until) == list_local(meaning, "Asia/Tokyo", since, until)
    assert check_cron("@Daily", "UTC", "test").next_fire(at("2026-01-01T00:00")) == at("2026-01-02T00:00")


def test_the_zone_may_stand_before_the_expression() -> None:
    for prefix in ("CRON_TZ=Europe/Berlin", "TZ=Europe/Berlin "):
        timetable = check_cron(f"{prefix} 0  9 * * *", "UTC", "test")
        assert (timetable.expression, timetable.timezone) == ("0 9 * * *", "Europe/Berlin")
        assert timetable.next_fire(at("2026-01-01T00:00")) == at("2026-01-01T08:00")
    assert check_cron("TZ=Asia/Tokyo @daily", "Asia/Tokyo", "test").timezone == "Asia/Tokyo"


def test_it_can_be_said_in_words() -> None:
    assert check_cron("30 2 * * MON", "UTC", "test").explain() == "At 02:30 on Monday"


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("61 * * * *", "minute '61'"),
        ("0 24 * * *", "hour '24'"),
        ("60 0 0 * * *", "second '60'"),
        ("0 0 0 * *", "day-of-month '0'"),
        ("0 0 * 13 *", "month '13'"),
        ("0 0 * * 8", "day-of-week '8'"),
        ("0 0 ? * *", "day-of-month '?'"),
        ("5-1 * * * *", "minute '5-1'"),
        ("*/0 * * * *", "minute '*/0'"),
        ("* * *", "has 3 fields"),
        ("* * * * * * *", "has 7 fields"),
        ("@dayly", "did you mean '@daily'"),
        ("@reboot", "there are @hourly"),
        ("0 0 31 2 *", "never fires"),
        ("0 0 31 4,6,9,11 *", "never fires"),
        ("0 0 30 2 */2", "never fires"),
        ("0 0 LW * */7", "never fires"),  # the last working day is no Sunday
        ("* * LW * */7", "never fires"),
        ("0 0 0 30 2 *", "never fires"),
        ("", "write e.g."),
        (None, "write e.g."),
        (7, "write e.g."),
        ("CRON_TZ=Nowhere/City 0 9 * * *", "time zone 'Nowhere/City'"),
        ("CRON_TZ=Asia/Tokyo", "has 1 fields"),
    ],
)
def test_what_cannot_be_read_is_refused_and_the_field_named(expression: object, words: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        check_cron(expression, "UTC", "workflow 'w': on_crons")
    assert str(refused.value).startswith("workflow 'w': on_crons: ")
    assert words in str(refused.value)


@pytest.mark.parametrize("zone", ["Europe/Brlin", "Europe", "../passwd", "", None, 3])
def test_an_unknown_zone_is_refused(zone: object) -> None:
    with pytest.raises(DefinitionError, match="there is no time zone"):
        check_cron("@daily", zone, "test")


def test_a_zone_mistyped_is_met_with_the_right_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DefinitionError, match="did you mean 'Europe/Berlin'"):
        check_cron("@daily", "europe/berlin", "test")
    monkeypatch.setattr("zoneinfo.available_timezones", set)
    with pytest.raises(DefinitionError, match="pip install tzdata"):
        check_cron("@daily", "europe/berlin", "test")


def test_two_zones_for_one_cron_are_refused() -> None:
    with pytest.raises(DefinitionError, match="in one place"):
        check_cron("CRON_TZ=Asia/Tokyo @daily", "Europe/Berlin", "test")


# --- missed fire times -----------------------------------------------------------------------------------------------

HOURLY = check_cron("@hourly", "UTC", "test")
EVERY_SECOND = check_cron("* * * * * *", "UTC", "test")


def choose(catch_up: str, due: str, now: str, bound: timedelta = DAY) -> tuple[list[str], str]:
    firing = choose_fires(HOURLY, catch_up, bound, at(due), at(now))
    assert firing.next_at is not None
    return [f"{fire:%dT%H:%M}" for fire in firing.fires], f"{firing.next_at:%dT%H:%M}"


@pytest.mark.parametrize("catch_up", ["none", "latest", "all"])
def test_what_is_late_by_less_than_a_minute_is_started_whatever_the_policy(catch_up: str) -> None:
    assert choose(catch_up, "2026-01-05T08:00", "2026-01-05T08:00") == (["05T08:00"], "05T09:00")
    assert choose(catch_up, "2026-01-05T08:00", "2026-01-05T08:01") == (["05T08:00"], "05T09:00")
    now = at("2026-01-05T08:00:30")
    firing = choose_fires(EVERY_SECOND, catch_up, DAY, now - timedelta(seconds=20), now)
    assert firing.fires == tuple(now - timedelta(seconds=20 - n) for n in range(21))


def test_of_missed_times_none_gives_no_run() -> None:
    assert choose("none", "2026-01-05T08:00", "2026-01-05T08:01:01") == ([], "05T09:00")
    assert choose("none", "2026-01-05T08:00", "2026-01-05T12:00:01") == (["05T12:00"], "05T13:00")


def test_of_missed_times_latest_gives_one_run_for_the_newest() -> None:
    assert choose("latest", "2026-01-05T08:00", "2026-01-05T08:01:01") == (["05T08:00"], "05T09:00")
    assert choose("latest", "2026-01-02T08:00", "2026-01-05T12:30") == (["05T12:00"], "05T13:00")
    assert choose("latest", "2026-01-05T08:00", "2026-01-05T12:00:01") == (["05T11:00", "05T12:00"], "05T13:00")


def test_of_missed_times_all_gives_a_run_to_each_within_the_bound() -> None:
    assert choose("all", "2026-01-05T08:00", "2026-01-05T11:30")[0] == ["05T08:00", "05T09:00", "05T10:00", "05T11:00"]
    assert choose("all", "2026-01-02T08:00", "2026-01-05T12:30", timedelta(hours=2))[0] == ["05T11:00", "05T12:00"]
    assert choose("all", "2026-01-05T08:00", "2026-01-05T08:00:50", timedelta(seconds=1))[0] == ["05T08:00"]


def test_a_round_starts_a_thousand_and_the_next_goes_on_behind_them() -> None:
    due, now = at("2026-01-05T08:00"), at("2026-01-05T09:00")
    started = []
    while due <= now:
        firing = choose_fires(EVERY_SECOND, "all", DAY, due, now)
        assert len(firing.fires) <= MAX_FIRES
        started += firing.fires
        assert firing.next_at is not None
        due = firing.next_at
    assert started == [at("2026-01-05T08:00") + timedelta(seconds=n) for n in range(3601)]


def test_the_newest_of_millions_is_found_without_looking_at_each() -> None:
    lastly = EVERY_SECOND.find_last_fire(at("2025-01-01T00:00"), at("2026-01-01T00:00"))
    assert lastly == at("2025-12-31T23:59:59")
    new_year = check_cron("* * * 1 1 *", "UTC", "test")
    assert new_year.find_last_fire(at("2025-01-01T00:00"), at("2026-01-01T00:00")) == at("2025-01-01T23:59:59")
    assert new_year.find_last_fire(at("2025-01-02T00:00"), at("2025-12-01T00:00")) is None


def test_after_the_clock_was_set_back_the_next_fire_time_is_behind_the_last_that_fired() -> None:
    now, last = at("2026-01-05T07:30"), at("2026-01-05T08:00")
    assert HOURLY.next_fire(choose_start(now, last)) == at("2026-01-05T09:00")
    assert HOURLY.next_fire(choose_start(last, now)) == at("2026-01-05T09:00")
    assert HOURLY.next_fire(choose_start(now, None)) == at("2026-01-05T08:00")
