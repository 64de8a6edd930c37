from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from weather_rows import DailyRow, HourlyRow, compare_hours, join_hours, parse_rows
from weather_sources import fetch, serve_flaky

from plait import NonRetryableException, RetryAfterException

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_the_flaky_source_is_retried_and_everything_is_loaded(run_example: Run, tmp_path: Path) -> None:
    finished = run_example("etl/pipeline.py")
    assert finished.returncode == 0, finished.stderr
    assert "attempt 1: " in finished.stdout
    assert "is busy, asks to wait 1 s" in finished.stdout
    assert "broke off after" in finished.stdout
    with closing(sqlite3.connect(tmp_path / "out" / "climate.sqlite")) as database:
        counts = [database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("hour", "day", "month")]
        july = database.execute("SELECT seattle, san_francisco, rain FROM month WHERE month = 7").fetchone()
    assert counts == [8759, 1461, 12]
    assert july == (18.3, 16.5, 12.1)
    assert "| July | 18.3 | 16.5 |" in (tmp_path / "out" / "report.md").read_text()


def test_faults_of_the_source_become_the_right_kind_of_retry(tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    file.write_text("temp,date\n50,2010/01/01 00:00:00\n")
    with serve_flaky(file) as url:
        with pytest.raises(RetryAfterException, match="asks to wait 1 s") as busy:
            fetch(url)
        assert busy.value.after == timedelta(seconds=1)
        with pytest.raises(ConnectionError, match="broke off after"):
            fetch(url)
        assert fetch(url) == file.read_bytes()
        with pytest.raises(NonRetryableException, match="404"):
            fetch(url.replace("data", "other"))


def test_rows_that_do_not_validate_are_named_by_line_and_field() -> None:
    text = "temp,date\n50,2010/01/01 00:00\nwarm,2010/01/01 01:00\n999,2010/01/01 02:00\n41,yesterday\n"
    rows, faults = parse_rows(text, HourlyRow)
    assert [row.celsius for row in rows] == [10.0]
    assert [fault.split(":")[:2] for fault in faults] == [
        ["line 3", " temp"],
        ["line 4", " temp"],
        ["line 5", " date"],
    ]
    head = "date,precipitation,temp_max,temp_min,wind,weather\n"
    day = f"{head}2012/01/01,0,1,5,1,sun\n2012/01/02,0,5,1,1,frogs\n"
    assert parse_rows(day, DailyRow)[1] == [
        "line 2: row: Value error, temp_min 5.0 is above temp_max 1.0",
        "line 3: weather: String should match pattern '^(drizzle|fog|rain|snow|sun)$'",
    ]


def test_the_join_keeps_the_hours_of_both_cities() -> None:
    seattle, _ = parse_rows("temp,date\n50,2010/01/01 00:00\n59,2010/01/01 01:00\n68,2010/01/01 02:00\n", HourlyRow)
    other, _ = parse_rows("date,temp\n2010/01/01 01:00:00,50\n2010/01/01 02:00:00,70\n", HourlyRow)
    hours = join_hours(seattle, other)
    assert [(first, second) for _, first, second in hours] == [(15.0, 10.0), (20.0, 21.11)]
    comparison = compare_hours(hours, total=5)
    assert (comparison.hours, comparison.seattle_warmer, comparison.unmatched) == (2, 1, 1)
