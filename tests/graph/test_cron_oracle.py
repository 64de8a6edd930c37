"""Random cron expressions against an oracle that looks at every minute and every second."""

from __future__ import annotations

import calendar
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from random import Random
from zoneinfo import ZoneInfo

from hypothesis import given, reject, settings
from hypothesis import strategies as st

from plait.errors import DefinitionError
from plait.graph.cron import check_cron

DAY = timedelta(days=1)


def at(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def list_moments(expression: str, zone: str, after: datetime, until: datetime) -> list[datetime]:
    """Fire times of a random expression; one that never fires is none of interest."""
    try:
        timetable = check_cron(expression, zone, "test")
    except DefinitionError as error:
        if "never fires" not in str(error):
            raise
        reject()
    return timetable.list_fires(after, until, 10_000)


# --- the oracle ------------------------------------------------------------------------------------------------------

DayRule = Callable[[date], bool]


@dataclass(frozen=True)
class Spec:
    """An expression together with what it means, without any parser: both were made from the same choices."""

    text: str
    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    months: frozenset[int]
    matches_day: DayRule

    @property
    def in_real_time(self) -> bool:
        minute, hour = self.text.split()[-5:-3]
        return minute[0] == "*" or hour[0] == "*"

    def matches_minute(self, wall: datetime) -> bool:
        return (
            wall.minute in self.minutes
            and wall.hour in self.hours
            and wall.month in self.months
            and self.matches_day(wall.date())
        )


def find_fires(spec: Spec, zone: str, since: datetime, steps: int, step: timedelta) -> list[datetime]:
    """Moment by moment: in real time when the clock shows a match; at fixed times when the clock gets to, or jumps
    over, a match where it has not been before."""
    fires = {
        moment
        for minute, readings in walk(zone, since, steps, step, spec.in_real_time).items()
        if spec.matches_minute(minute)
        for second, moment in readings
        if second in spec.seconds
    }
    return sorted(fires)


@cache
def walk(
    zone: str, since: datetime, steps: int, step: timedelta, in_real_time: bool
) -> dict[datetime, list[tuple[int, datetime]]]:
    """The readings of the clock that count, minute by minute, as seconds and the moments at which it shows them: what
    it shows then, or all to which it gets for the first time."""

    def read(moment: datetime) -> datetime:
        return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)

    found = defaultdict[datetime, list[tuple[int, datetime]]](list)
    highest = read(since - step)
    for moment in (since + n * step for n in range(steps)):
        wall = read(moment)
        walls = [wall] if in_real_time else []
        while highest < wall:
            highest += step
            walls += [] if in_real_time else [highest]
        for one in walls:
            found[one.replace(second=0)].append((one.second, moment))
    return dict(found)


# --- random expressions ----------------------------------------------------------------------------------------------


def choose_term(chance: Random, low: int, high: int) -> tuple[str, set[int]]:
    """One term of a list: a number, a range, a step."""
    a, b = sorted((chance.randint(low, high), chance.randint(low, high)))
    step = chance.randint(1, 1 + (high - low) // 2)
    match chance.choice(["number", "number", "range", "range step", "from step"]):
        case "number":
            return f"{a}", {a}
        case "range":
            return f"{a}-{b}", set(range(a, b + 1))
        case "range step" if a < b:
            return f"{a}-{b}/{step}", set(range(a, b + 1, step))
        case _:
            return f"{a}/{step}", set(range(a, high + 1, step))


def choose_field(chance: Random, low: int, high: int, stars: int = 2) -> tuple[str, set[int]]:
    """A field; one in ``stars`` is a star, with a step perhaps."""
    if chance.randint(1, stars) == 1:
        step = chance.choice([1, 1, 2, 5, 7, 15])
        return ("*" if step == 1 else f"*/{step}"), set(range(low, high + 1, step))
    found = [choose_term(chance, low, high) for _ in range(chance.randint(1, 3))]
    return ",".join(text for text, _ in found), set().union(*(numbers for _, numbers in found))


def is_last_weekday(day: date) -> bool:
    last = date(day.year, day.month, calendar.monthrange(day.year, day.month)[1])
    while last.isoweekday() > 5:
        last -= DAY
    return day == last


def choose_days_of_month(chance: Random) -> tuple[str, DayRule]:
    match chance.randint(1, 10):
        case 1:
            return "L", lambda day: (day + DAY).day == 1
        case 2:
            return "LW", is_last_weekday
        case _:
            text, numbers = choose_field(chance, 1, 31)
            return text, lambda day: day.day in numbers


def choose_days_of_week(chance: Random) -> tuple[str, DayRule]:
    number = chance.randint(0, 7)
    names = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
    match chance.randint(1, 10):
        case 1:
            return f"{number}L", lambda day: day.isoweekday() % 7 == number % 7 and (day + 7 * DAY).month != day.month
        case 2:
            nth = chance.randint(1, 4)
            return (
                f"{number}#{nth}",
                lambda day: (
                    day.isoweekday() % 7 == number % 7
                    and (day - (nth - 1) * 7 * DAY).day in range(1, 8)
                    and (day - (nth - 1) * 7 * DAY).month == day.month
                ),
            )
        case 3:
            return chance.choice([names[number], names[number].lower()]), (
                lambda day: day.isoweekday() % 7 == number % 7
            )
        case _:
            text, numbers = choose_field(chance, 0, 7)
            return text, lambda day: day.isoweekday() in numbers or day.isoweekday() % 7 in numbers


def choose_spec(seed: int, *, with_seconds: bool) -> Spec:
    """Hypothesis chooses the seed alone: to choose all of it would take longer than the test, and an expression is
    short as it is."""
    chance = Random(seed)
    seconds = choose_field(chance, 0, 59) if with_seconds else ("", {0})
    minutes, hours = choose_field(chance, 0, 59), choose_field(chance, 0, 23)
    months = choose_field(chance, 1, 12, stars=1)
    by_month, by_week = choose_days_of_month(chance), choose_days_of_week(chance)

    def matches_day(day: date) -> bool:
        found = by_month[1](day), by_week[1](day)
        return all(found) if "*" in (by_month[0][0], by_week[0][0]) else any(found)

    text = f"{seconds[0]} {minutes[0]} {hours[0]} {by_month[0]} {months[0]} {by_week[0]}".strip()
    sets = [frozenset(numbers) for _, numbers in (seconds, minutes, hours, months)]
    return Spec(text, *sets, matches_day)


def specs(*, with_seconds: bool) -> st.SearchStrategy[Spec]:
    return st.integers(0, 2**63).map(lambda seed: choose_spec(seed, with_seconds=with_seconds))


# Zone, and a moment shortly before its clock is changed: by an hour, by half an hour, at midnight, in the south.
CHANGES = [
    ("Europe/Berlin", "2026-03-29T00:00"),
    ("Europe/Berlin", "2026-10-25T00:00"),
    ("America/New_York", "2026-03-08T06:00"),
    ("America/New_York", "2026-11-01T05:00"),
    ("Australia/Lord_Howe", "2026-04-04T14:30"),
    ("Australia/Lord_Howe", "2026-10-03T14:30"),
    ("America/Santiago", "2026-04-05T02:00"),
    ("America/Santiago", "2026-09-06T03:00"),
    ("Africa/Cairo", "2026-04-23T21:00"),
    ("Africa/Cairo", "2026-10-29T20:00"),
    ("Asia/Kolkata", "2026-06-01T00:00"),
    ("UTC", "2028-02-28T22:00"),
]


@settings(max_examples=1000)
@given(specs(with_seconds=False), st.sampled_from(CHANGES))
def test_a_thousand_expressions_fire_at_the_minutes_that_match(spec: Spec, change: tuple[str, str]) -> None:
    zone, moment = change
    since, minute = at(moment) - DAY / 2, timedelta(minutes=1)
    fires = list_moments(spec.text, zone, since - minute, since + 2159 * minute)
    assert fires == find_fires(spec, zone, since, 2160, minute)


@settings(max_examples=1000)
@given(specs(with_seconds=True), st.sampled_from(CHANGES))
def test_a_thousand_expressions_with_seconds_fire_at_the_seconds_that_match(
    spec: Spec, change: tuple[str, str]
) -> None:
    zone, moment = change
    since, second = at(moment), timedelta(seconds=1)
    fires = list_moments(spec.text, zone, since - second, since + 7199 * second)
    assert fires == find_fires(spec, zone, since, 7200, second)


@settings(max_examples=200)
@given(specs(with_seconds=False))
def test_dates_match_through_two_leap_years(spec: Spec) -> None:
    text = " ".join(["0 12", *spec.text.split()[2:]])
    fires = list_moments(text, "UTC", at("2027-12-31T13:00"), at("2032-12-31T13:00"))
    days = [date(2028, 1, 1) + n * DAY for n in range(366 + 365 * 3 + 366)]
    assert [fire.date() for fire in fires] == [
        day for day in days if day.month in spec.months and spec.matches_day(day)
    ]


@settings(max_examples=200)
@given(specs(with_seconds=False), st.integers(0, 3 * 1440), st.integers(1, 1440))
def test_the_last_fire_is_the_last_of_those_listed(spec: Spec, begin: int, length: int) -> None:
    since = at("2026-10-24T00:00") + timedelta(minutes=begin)
    before = since + timedelta(minutes=length)
    tick = timedelta(microseconds=1)
    fires = list_moments(spec.text, "Europe/Berlin", since - tick, before - tick)
    timetable = check_cron(spec.text, "Europe/Berlin", "test")
    assert timetable.find_last_fire(since, before) == (fires[-1] if fires else None)
