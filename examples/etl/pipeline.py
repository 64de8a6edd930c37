"""An ETL over real weather data: three sources in parallel, one of them flaky; validate, join, load, report.

    extract_seattle ──────── clean_seattle ────────┐
    extract_san_francisco ── clean_san_francisco ──┼── load ── write_report
    extract_days ─────────── clean_days ───────────┘

The data are the hourly temperatures of Seattle and San Francisco and four years of daily weather in Seattle
(NOAA, in the public domain), as the ``vega-datasets`` package ships them. San Francisco comes over HTTP from
a server that answers 503 at first and then breaks off in mid-file: its task is retried, the others go on::

    pip install --no-deps vega-datasets
    python examples/etl/pipeline.py
"""

from __future__ import annotations

import argparse
import asyncio
import calendar
import hashlib
import os
import sqlite3
import sys
import tempfile
from pathlib import Path

from pydantic import BaseModel, Field, HttpUrl, TypeAdapter
from weather_rows import (
    Comparison,
    DailyRow,
    HourlyRow,
    MonthRow,
    compare_hours,
    join_hours,
    parse_rows,
    summarise_months,
)
from weather_sources import fetch, find_data_file, serve_flaky

from plait import (
    Context,
    FailedTaskRunExceptionGroup,
    NonRetryableException,
    Plait,
    TaskDefaults,
)

HERE = Path(__file__).resolve().parent
MAX_FAULTY_SHARE = 0.01
HOURS = TypeAdapter(list[HourlyRow])
DAYS = TypeAdapter(list[DailyRow])

plait = Plait()


class ClimateInput(BaseModel):
    """Where San Francisco is served (left out: read from the package), and the folder for the results."""

    san_francisco_url: HttpUrl | None = None
    out: Path = Field(default=HERE / "out")


class Staged(BaseModel):
    """A source's raw bytes, stored. Tasks hand each other the place of big data, not the data."""

    path: Path
    size: int
    sha256: str


class Cleaned(BaseModel):
    """A source's valid rows, stored, and what was wrong with the others."""

    path: Path
    rows: int
    faults: list[str]


class Loaded(BaseModel):
    """What is in the database, and what its queries say."""

    database: Path
    tables: dict[str, int]
    months: list[MonthRow]
    comparison: Comparison


class ClimateReport(BaseModel):
    """The result."""

    report: Path
    database: Path
    hours: int
    days: int


climate = plait.workflow(
    name="ClimateETL",
    description="Join three sources of weather data in one database",
    input_validator=ClimateInput,
    task_defaults=TaskDefaults(execution_timeout="60s"),
)


@climate.task()
def extract_seattle(input: ClimateInput, ctx: Context) -> Staged:
    return _stage(input, ctx, find_data_file("seattle-temps.csv").read_bytes())


@climate.task(retries=4, backoff_factor=1.2, backoff_max_seconds=20)
def extract_san_francisco(input: ClimateInput, ctx: Context) -> Staged:
    """Fetch over HTTP; a server that is busy or breaks off is asked again."""
    if input.san_francisco_url is None:
        return _stage(input, ctx, find_data_file("sf-temps.csv").read_bytes())
    return _stage(input, ctx, fetch(str(input.san_francisco_url)))


@climate.task()
def extract_days(input: ClimateInput, ctx: Context) -> Staged:
    return _stage(input, ctx, find_data_file("seattle-weather.csv").read_bytes())


@climate.task(parents=[extract_seattle])
def clean_seattle(input: ClimateInput, ctx: Context) -> Cleaned:
    return _clean(input, ctx, ctx.task_output(extract_seattle), HourlyRow)


@climate.task(parents=[extract_san_francisco])
def clean_san_francisco(input: ClimateInput, ctx: Context) -> Cleaned:
    return _clean(input, ctx, ctx.task_output(extract_san_francisco), HourlyRow)


@climate.task(parents=[extract_days])
def clean_days(input: ClimateInput, ctx: Context) -> Cleaned:
    return _clean(input, ctx, ctx.task_output(extract_days), DailyRow)


@climate.task(parents=[clean_seattle, clean_san_francisco, clean_days])
def load(input: ClimateInput, ctx: Context) -> Loaded:
    """Join the sources and load them into a new SQLite file; complete, it takes the old one's place."""
    seattle = HOURS.validate_json(ctx.task_output(clean_seattle).path.read_bytes(), by_name=True)
    san_francisco = HOURS.validate_json(ctx.task_output(clean_san_francisco).path.read_bytes(), by_name=True)
    days = DAYS.validate_json(ctx.task_output(clean_days).path.read_bytes(), by_name=True)
    hours = join_hours(seattle, san_francisco)
    months = summarise_months(hours, days)
    database = input.out.resolve() / "climate.sqlite"
    tables = {
        "hour": [(time.isoformat(sep=" "), first, second) for time, first, second in hours],
        "day": [tuple(row.model_dump(mode="json").values()) for row in days],
        "month": [tuple(row.model_dump().values()) for row in months],
    }
    _load_tables(database, tables)
    return Loaded(
        database=database,
        tables={name: len(rows) for name, rows in tables.items()},
        months=months,
        comparison=compare_hours(hours, len(seattle) + len(san_francisco)),
    )


@climate.task(parents=[clean_seattle, clean_san_francisco, clean_days, load])
def write_report(input: ClimateInput, ctx: Context) -> ClimateReport:
    """Say in Markdown what was loaded."""
    loaded = ctx.task_output(load)
    sources = [ctx.task_output(task) for task in (clean_seattle, clean_san_francisco, clean_days)]
    report = loaded.database.with_name("report.md")
    _write_file(report, render_report(loaded, sources).encode())
    return ClimateReport(
        report=report, database=loaded.database, hours=loaded.tables["hour"], days=loaded.tables["day"]
    )


def render_report(loaded: Loaded, sources: list[Cleaned]) -> str:
    """The report as Markdown."""
    comparison = loaded.comparison
    faults = [fault for source in sources for fault in source.faults]
    return "\n".join(
        [
            "# Seattle and San Francisco",
            "",
            f"{comparison.hours:,} hours of 2010 in both cities; Seattle was the warmer one in "
            f"{comparison.seattle_warmer:,} of them. The correlation of the two is {comparison.correlation}.",
            "",
            "| month | Seattle °C | San Francisco °C | Seattle 2012–15 °C | rain in Seattle, mm a year |",
            "|---|---:|---:|---:|---:|",
            *[
                f"| {calendar.month_name[row.month]} | {row.seattle} | {row.san_francisco} "
                f"| {row.seattle_2012_2015} | {row.rain_per_year} |"
                for row in loaded.months
            ],
            "",
            "## Quality",
            "",
            f"- {sum(source.rows for source in sources):,} valid rows, {len(faults)} refused",
            f"- {comparison.unmatched} hourly rows without a partner in the other city",
            *[f"- {fault}" for fault in faults[:20]],
            "",
        ]
    )


def _stage(input: ClimateInput, ctx: Context, data: bytes) -> Staged:
    path = _staging_path(input, ctx, "csv")
    _write_file(path, data)
    return Staged(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def _clean(input: ClimateInput, ctx: Context, staged: Staged, model: type[HourlyRow] | type[DailyRow]) -> Cleaned:
    """Validate a source's rows. Raises when more of them are faulty than a slip here and there explains."""
    data = staged.path.read_bytes()
    if hashlib.sha256(data).hexdigest() != staged.sha256:
        raise NonRetryableException(f"{staged.path} is not the file that was extracted")
    rows, faults = parse_rows(data.decode("utf-8-sig"), model)
    if not rows or len(faults) > MAX_FAULTY_SHARE * (len(rows) + len(faults)):
        examples = "; ".join(faults[:3]) or "there are none"
        total = len(rows) + len(faults)
        raise NonRetryableException(f"{len(faults)} of {total} rows are faulty: {examples}")
    path = _staging_path(input, ctx, "json")
    _write_file(path, TypeAdapter(list[model]).dump_json(rows))  # pyright: ignore[reportInvalidTypeForm]
    return Cleaned(path=path, rows=len(rows), faults=faults)


def _staging_path(input: ClimateInput, ctx: Context, suffix: str) -> Path:
    """Each run stages in a folder of its own, so that runs side by side do not meet."""
    return input.out.resolve() / "staging" / ctx.workflow_run_id / f"{ctx.task_name}.{suffix}"


COLUMNS = {
    "hour": "time TEXT PRIMARY KEY, seattle REAL NOT NULL, san_francisco REAL NOT NULL",
    "day": "day TEXT PRIMARY KEY, precipitation REAL, temp_max REAL, temp_min REAL, wind REAL, weather TEXT",
    "month": "month INTEGER PRIMARY KEY, seattle REAL, san_francisco REAL, seattle_2012_2015 REAL, rain REAL",
}


def _load_tables(database: Path, tables: dict[str, list[tuple[object, ...]]]) -> None:
    handle, name = tempfile.mkstemp(dir=database.parent, prefix=".climate.")
    os.close(handle)
    connection = sqlite3.connect(name)
    try:
        with connection:
            for table, rows in tables.items():
                connection.execute(f"CREATE TABLE {table} ({COLUMNS[table]})")
                marks = ", ".join("?" * len(rows[0]))
                connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
    finally:
        connection.close()
    os.replace(name, database)


def _write_file(path: Path, data: bytes) -> None:
    """Write a whole file or nothing, so that a task that runs again never leaves half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    os.replace(name, path)


async def run_once(input: ClimateInput) -> tuple[str, ClimateReport | FailedTaskRunExceptionGroup]:
    """Start a worker in this process, run the workflow, stop the worker.

    Returns the run's id, and the report or what the run failed with.
    """
    worker = plait.worker("etl", slots=8)
    async with asyncio.TaskGroup() as group:
        group.create_task(worker.aio_start())
        ref = await climate.aio_run_no_wait(input)
        try:
            outcome = ClimateReport(**(await ref.aio_result())["write_report"])
        except FailedTaskRunExceptionGroup as error:
            outcome = error
        worker.stop()
    return ref.workflow_run_id, outcome


def main() -> int:
    parser = argparse.ArgumentParser(description="Join three sources of weather data in one SQLite database.")
    parser.add_argument("--out", type=Path, default=HERE / "out", help="folder for the results")
    arguments = parser.parse_args()
    try:
        source = find_data_file("sf-temps.csv")
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    with serve_flaky(source) as url:
        print(f"Three sources, one of them flaky: {url}", flush=True)
        run_id, outcome = asyncio.run(run_once(ClimateInput(san_francisco_url=HttpUrl(url), out=arguments.out)))
    for task in plait.runs.get_details(run_id).tasks.values():
        print(f"  {task.status.value.lower():<10} {task.name}")
        for attempt in task.attempts:
            if attempt.error is not None:
                print(f"{'':13}attempt {attempt.attempt}: {attempt.error.message}")
    if isinstance(outcome, FailedTaskRunExceptionGroup):
        print(outcome, file=sys.stderr)
        return 1
    print(f"\n{outcome.hours:,} joined hours and {outcome.days:,} days loaded")
    print(f"Report:   {outcome.report}\nDatabase: {outcome.database}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
