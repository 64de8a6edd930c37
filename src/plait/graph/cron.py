"""Cron expressions: what they mean, when they fire next, and which missed times are made up for.

Reading an expression and matching its days is cronsim's work. The way from dates to moments is Plait's own, because
cronsim leaves the right track where a clock is changed by half an hour, and knows no fixed times with seconds.

When the clocks of a time zone change, an expression behaves as Debian's cron has it, with or without seconds:

- *At fixed times* (neither the minute nor the hour field begins with ``*``), such as ``30 2 * * *``: what the clock
  skips fires at the end of the gap, once however much was skipped; what it repeats fires the first time only. So a
  daily job runs once a day.
- *In real time* (one of the two begins with ``*``), such as ``*/15 * * * *``: fires whenever the clock shows a time
  that matches. So what runs every quarter of an hour goes on doing so, and nothing is made up for what was skipped.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from plait.errors import DefinitionError
from plait.wording import shorten, suggest

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
CATCH_UPS = ("none", "latest", "all")
MISSED_AFTER = timedelta(seconds=60)
"""A fire time counts as missed when nobody was there to serve it for so long. Less late than that, it is just late."""
MAX_FIRES = 1000
"""Fire times that one cron is given in one round; what is left follows in the next."""

_FIELDS = {
    "second": "0-59",
    "minute": "0-59",
    "hour": "0-23",
    "day-of-month": "1-31, L (the last) or LW (the last working day)",
    "month": "1-12 or JAN-DEC",
    "day-of-week": "0-7 (0 and 7 are Sunday) or SUN-SAT, 5L (the last Friday) or 5#2 (the second)",
}
_PREFIX = re.compile(r"(?:CRON_)?TZ=(\S+)\s+")
_SECOND, _DAY, _TICK = timedelta(seconds=1), timedelta(days=1), timedelta(microseconds=1)
_LONGEST_GAP_YEARS = 41
"""29 February falls on a given day of the week at least once in so many years, 2100 included."""


@dataclass(frozen=True, slots=True)
class Firing:
    """The fire times for which runs are to be started now, and the next one after them (None: never again)."""

    fires: tuple[datetime, ...]
    next_at: datetime | None


class Timetable:
    """A checked expression in its zone, made by ``check_cron``. Moments go in with any zone and come out in UTC."""

    def __init__(self, expression: str, timezone: str) -> None:
        from zoneinfo import ZoneInfo  # noqa: PLC0415 - these two only where there is a cron

        from cronsim import CronSim  # noqa: PLC0415

        self.expression = expression
        self.timezone = timezone
        self.zone = ZoneInfo(timezone)
        text = ALIASES.get(expression.lower(), expression)
        self._fields = CronSim(text, datetime(2000, 1, 1))
        self._hours = sorted(self._fields.hours)
        self._minutes = sorted(self._fields.minutes)
        self._seconds = sorted(self._fields.seconds)
        self._in_real_time = any(part.startswith("*") for part in text.split()[-5:-3])

    def next_fire(self, after: datetime) -> datetime | None:
        """The first fire time after a moment; None when there is none."""
        after = after.astimezone(UTC)
        return self._next_in_real_time(after) if self._in_real_time else self._next_at_fixed_times(after)

    def list_fires(self, after: datetime, until: datetime, limit: int) -> list[datetime]:
        """The first ``limit`` fire times after a moment, up to and including another."""
        fires: list[datetime] = []
        fire = self.next_fire(after)
        while fire is not None and fire <= until and len(fires) < limit:
            fires.append(fire)
            fire = self.next_fire(fire)
        return fires

    def find_last_fire(self, since: datetime, before: datetime) -> datetime | None:
        """The last fire time from ``since`` on and before a moment; None when there is none. By halving: there may be
        millions between."""
        last = self.next_fire(since - _TICK)
        if last is None or last >= before:
            return None
        while before - last > _SECOND:
            middle = last + (before - last) / 2
            later = self.next_fire(middle)
            if later is not None and later < before:
                last = later
            else:
                before = middle + _TICK
        return last

    def to_local(self, moment: datetime) -> datetime:
        """A moment in the time zone of the cron."""
        return moment.astimezone(self.zone)

    def explain(self) -> str:
        """The expression in words."""
        return self._fields.explain()

    def _next_at_fixed_times(self, after: datetime) -> datetime | None:
        wall: datetime | None = self._read_clock(after)
        while wall is not None:
            wall = self._next_match(wall + _SECOND)
            if wall is not None and (fire := self._find_moment(wall)) > after:
                return fire
        return None

    def _next_in_real_time(self, after: datetime) -> datetime | None:
        start: datetime | None = after.replace(microsecond=0) + _SECOND
        fire = None
        while start is not None:  # once, and again from every change of the clock before the match
            wall = self._next_match(self._read_clock(start))
            if wall is None:
                return None
            fire = wall.replace(tzinfo=UTC) - self._read_offset(start)
            start = self._find_change(start, fire)
        return fire

    def _next_match(self, wall: datetime) -> datetime | None:
        """The first time of the clock from ``wall`` on that all fields match."""
        day, start = wall.date(), wall.time()
        last_year = day.year + _LONGEST_GAP_YEARS
        while day.year <= last_year:
            if day.month not in self._fields.months:
                day, start = (day.replace(day=1) + 31 * _DAY).replace(day=1), time()
                continue
            if self._fields.match_day(day):
                found = self._next_time(day, start)
                if found is not None:
                    return found
            day, start = day + _DAY, time()
        return None

    def _next_time(self, day: date, start: time) -> datetime | None:
        """The first matching time of a matching day, from ``start`` on."""
        for hour in self._hours[bisect_left(self._hours, start.hour) :]:
            first = start.minute if hour == start.hour else 0
            for minute in self._minutes[bisect_left(self._minutes, first) :]:
                least = start.second if (hour, minute) == (start.hour, start.minute) else 0
                for second in self._seconds[bisect_left(self._seconds, least) :]:
                    return datetime.combine(day, time(hour, minute, second))
        return None

    def _find_moment(self, wall: datetime) -> datetime:
        """When the clock shows ``wall`` for the first time; if it skips it, the end of the gap."""
        moment = wall.replace(tzinfo=self.zone).astimezone(UTC)
        skipped = self._read_clock(moment) - wall
        if not skipped:
            return moment
        return self._halve(moment - skipped, moment)

    def _find_change(self, start: datetime, end: datetime) -> datetime | None:
        """The first moment after ``start``, up to ``end``, at which the clock is changed."""
        while start < end:
            later = min(start + _DAY, end)
            if self._read_offset(later) != self._read_offset(start):
                return self._halve(start, later)
            start = later
        return None

    def _halve(self, low: datetime, high: datetime) -> datetime:
        """The change of the clock between two moments before and after it."""
        offset = self._read_offset(low)
        while high - low > _SECOND:
            middle = low + timedelta(seconds=(high - low) // (2 * _SECOND))
            if self._read_offset(middle) == offset:
                low = middle
            else:
                high = middle
        return high

    def _read_clock(self, moment: datetime) -> datetime:
        """What the clock of the time zone shows, to the second."""
        return moment.astimezone(self.zone).replace(tzinfo=None, microsecond=0, fold=0)

    def _read_offset(self, moment: datetime) -> timedelta:
        return moment.astimezone(self.zone).utcoffset() or timedelta()


def check_cron(expression: object, timezone: object, where: str) -> Timetable:
    """An expression of 5 fields, or of 6 with seconds in front, or a name such as ``@daily``, in an IANA time zone.

    The expression may bring its zone along: ``CRON_TZ=Europe/Berlin 0 9 * * *``. Raises ``DefinitionError``, beginning
    with ``where``, for what cannot be read and for what would never fire.
    """
    if not isinstance(expression, str) or not expression.strip():
        raise DefinitionError(f"{where}: the cron expression is {shorten(expression)}: write e.g. '0 9 * * MON-FRI'")
    expression = " ".join(expression.split())
    if prefix := _PREFIX.match(expression):
        if timezone not in ("UTC", prefix[1]):
            raise DefinitionError(
                f"{where}: {expression!r} names another time zone than timezone={timezone!r}: name it in one place"
            )
        expression, timezone = expression[prefix.end() :], prefix[1]
    _check_zone(timezone, where)
    return _read_timetable(expression, str(timezone), where)


def choose_start(now: datetime, last: datetime | None) -> datetime:
    """After which moment the next fire time is to be: not one again that has fired (``last`` is the newest of those),
    though the clock may have been set back since."""
    return now if last is None else max(now, last)


def choose_fires(timetable: Timetable, catch_up: str, bound: timedelta, due: datetime, now: datetime) -> Firing:
    """The policy. ``due`` is the first fire time that nobody has looked at yet.

    A time that is late by no more than ``MISSED_AFTER`` always gets its run. Of those missed, ``"all"`` gives a run to
    each that is no older than ``bound``, ``"latest"`` to the newest, ``"none"`` to none. ``MAX_FIRES`` or so at once.
    """
    missed_before = now - MISSED_AFTER
    missed: list[datetime] = []
    begin = max(due, missed_before)
    if catch_up == "all":
        begin = min(begin, max(due, now - bound))
    elif catch_up == "latest" and (last := timetable.find_last_fire(due, missed_before)):
        missed.append(last)
    fires = [*missed, *timetable.list_fires(begin - _TICK, now, MAX_FIRES)]
    return Firing(tuple(fires), timetable.next_fire(fires[-1] if len(fires) >= MAX_FIRES else now))


@lru_cache(maxsize=1024)
def _read_timetable(expression: str, timezone: str, where: str) -> Timetable:
    from cronsim import CronSimError  # noqa: PLC0415 - only where there is a cron

    try:
        timetable = Timetable(expression, timezone)
    except CronSimError as error:
        raise DefinitionError(f"{where}: {_describe_fault(expression, str(error))}") from None
    if timetable.next_fire(datetime(2000, 1, 1, tzinfo=UTC)) is None:  # any time does: what recurs does so in 41 years
        raise DefinitionError(f"{where}: {_describe_never(expression)}")
    return timetable


def _describe_fault(expression: str, fault: str) -> str:
    if expression.startswith("@"):
        known = ", ".join(ALIASES)
        return f"{expression!r} is not the name of a timetable{suggest(expression, ALIASES)}: there are {known}"
    parts = expression.split()
    name = fault.removeprefix("Bad ")
    if name not in _FIELDS:
        return (
            f"{expression!r} has {len(parts)} fields: write 5 (minute hour day-of-month month day-of-week), or 6 with "
            f"the second in front"
        )
    part = parts[list(_FIELDS).index(name) - 6]
    if name == "day-of-month" and _can_read_day(part):
        return _describe_never(expression)
    return (
        f"{expression!r}: the {name} {part!r} cannot be read: write {_FIELDS[name]}, *, or lists (1,2), ranges (1-5) "
        f"and steps (*/5) of them"
    )


def _describe_never(expression: str) -> str:
    return f"{expression!r} never fires, because no such date exists: check the day and the month ('L' is the last day)"


def _can_read_day(part: str) -> bool:
    from cronsim import CronSim, CronSimError  # noqa: PLC0415 - only where there is a cron

    try:
        CronSim(f"0 0 {part} * *", datetime(2000, 1, 1))
    except CronSimError:
        return False
    return True


def _check_zone(timezone: object, where: str) -> None:
    from zoneinfo import ZoneInfo, available_timezones  # noqa: PLC0415 - only where there is a cron

    if isinstance(timezone, str):
        try:
            ZoneInfo(timezone)
            return
        except (LookupError, ValueError, OSError):
            pass
    names = available_timezones()
    hint = suggest(str(timezone), names) if names else " (this system has no time zone data: pip install tzdata)"
    raise DefinitionError(f"{where}: there is no time zone {shorten(timezone)}{hint}: write e.g. 'Europe/Berlin'")
