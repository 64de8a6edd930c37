"""The rows of the three sources, validated, and what is computed from them; without Plait."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from statistics import correlation, fmean
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator

TRow = TypeVar("TRow", bound=BaseModel)


def _parse_time(value: object) -> object:
    """``2010/01/01 00:00`` and ``2010/01/01 00:00:00`` as pydantic reads them."""
    return str(value).replace("/", "-")


Time = Annotated[datetime, BeforeValidator(_parse_time)]
Day = Annotated[date, BeforeValidator(_parse_time)]
Celsius = Annotated[float, Field(ge=-60, le=60)]


class HourlyRow(BaseModel):
    """One line of ``seattle-temps.csv`` or ``sf-temps.csv``."""

    time: Time = Field(validation_alias="date")
    fahrenheit: float = Field(validation_alias="temp", ge=-80, le=140)

    @property
    def celsius(self) -> float:
        return round((self.fahrenheit - 32) * 5 / 9, 2)


class DailyRow(BaseModel):
    """One line of ``seattle-weather.csv``: millimetres, degrees Celsius, metres per second."""

    day: Day = Field(validation_alias="date")
    precipitation: float = Field(ge=0, le=500)
    temp_max: Celsius
    temp_min: Celsius
    wind: float = Field(ge=0, le=120)
    weather: str = Field(pattern="^(drizzle|fog|rain|snow|sun)$")

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.temp_min > self.temp_max:
            raise ValueError(f"temp_min {self.temp_min} is above temp_max {self.temp_max}")
        return self


def parse_rows(text: str, model: type[TRow]) -> tuple[list[TRow], list[str]]:
    """The valid rows of a CSV text, and for each other row its line number and what is wrong with it."""
    rows: list[TRow] = []
    faults: list[str] = []
    for number, record in enumerate(csv.DictReader(io.StringIO(text)), start=2):
        try:
            rows.append(model.model_validate(record))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "row"
            faults.append(f"line {number}: {field}: {first['msg']}")
    return rows, faults


class MonthRow(BaseModel):
    """One month: mean temperatures of the hourly data, and what the daily data of several years says."""

    month: int
    seattle: float
    san_francisco: float
    seattle_2012_2015: float
    rain_per_year: float


class Comparison(BaseModel):
    """Both cities' hours side by side."""

    hours: int
    seattle_warmer: int
    correlation: float
    unmatched: int


def join_hours(seattle: Sequence[HourlyRow], san_francisco: Sequence[HourlyRow]) -> list[tuple[datetime, float, float]]:
    """The hours that both cities have, in order."""
    other = {row.time: row.celsius for row in san_francisco}
    return [(row.time, row.celsius, other[row.time]) for row in seattle if row.time in other]


def compare_hours(hours: Sequence[tuple[datetime, float, float]], total: int) -> Comparison:
    """``total`` is how many rows both sources had together."""
    return Comparison(
        hours=len(hours),
        seattle_warmer=sum(seattle > san_francisco for _, seattle, san_francisco in hours),
        correlation=round(correlation([hour[1] for hour in hours], [hour[2] for hour in hours]), 3),
        unmatched=total - 2 * len(hours),
    )


def summarise_months(hours: Iterable[tuple[datetime, float, float]], days: Iterable[DailyRow]) -> list[MonthRow]:
    """Mean temperature and rain of each month."""
    seattle: dict[int, list[float]] = defaultdict(list)
    san_francisco: dict[int, list[float]] = defaultdict(list)
    means: dict[int, list[float]] = defaultdict(list)
    rain: dict[int, float] = defaultdict(float)
    years = set()
    for time, first, second in hours:
        seattle[time.month].append(first)
        san_francisco[time.month].append(second)
    for row in days:
        means[row.day.month].append((row.temp_max + row.temp_min) / 2)
        rain[row.day.month] += row.precipitation
        years.add(row.day.year)
    return [
        MonthRow(
            month=month,
            seattle=round(fmean(seattle[month]), 1),
            san_francisco=round(fmean(san_francisco[month]), 1),
            seattle_2012_2015=round(fmean(means[month]), 1),
            rain_per_year=round(rain[month] / len(years), 1),
        )
        for month in sorted(seattle.keys() & means.keys())
    ]
