"""A run in time as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from plait.pictures.timeline import Bar, Span, SpanKind, draw_timeline

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def span(kind: str, begin: float, end: float) -> Span:
    return Span(SpanKind(kind), BEGIN + timedelta(seconds=begin), BEGIN + timedelta(seconds=end), 1)


def draw(*bars: Bar, seconds: float = 10, width: int = 60, ascii_only: bool = False) -> list[str]:
    end = BEGIN + timedelta(seconds=seconds)
    rows = draw_timeline(bars, BEGIN, end, width=width, ascii_only=ascii_only)
    return ["".join(text for text, _ in row).rstrip() for row in rows]


RETRIED = Bar(
    "fetch",
    "COMPLETED",
    (span("queued", 0, 1), span("failed", 1, 3), span("waiting", 3, 7), span("queued", 7, 8), span("ran", 8, 10)),
    "2.0 s",
)


def test_every_piece_of_time_has_a_sign_of_its_own() -> None:
    assert draw(RETRIED, width=45) == [
        "                  0         5 s",
        "fetch  COMPLETED  ░░▓▓▓▓┄┄┄┄┄┄┄┄░░████  2.0 s",
        "                  ░ queued   ┄ backing off or waiting   █ ran   ▓ failed, lost or cancelled",
    ]


def test_ascii_has_signs_of_ascii() -> None:
    rows = draw(RETRIED, width=45, ascii_only=True)
    assert rows[1] == "fetch  COMPLETED  ..xxxx--------..####  2.0 s"
    assert all(row.isascii() for row in rows)


def test_signs_are_told_apart_by_kind_for_colour() -> None:
    row = draw_timeline([RETRIED], BEGIN, BEGIN + timedelta(seconds=10), width=45)[1]
    assert [look for _, look in row if look] == ["COMPLETED", "queued", "failed", "waiting", "queued", "ran"]


def test_what_is_shorter_than_a_column_is_seen_and_running_hides_waiting() -> None:
    blink = Bar("blink", "COMPLETED", (span("ran", 5.1, 5.1001), span("queued", 4.9, 5.2)))
    first, middle, last = (Bar(str(place), "COMPLETED", (span("ran", place, place),)) for place in (0, 5, 10))
    rows = draw(blink, first, middle, last, width=20 + 5 + 9 + 6)
    assert rows[1][18:] == " " * 9 + "░█"
    assert rows[2][18:] == "█"
    assert rows[3][18:] == " " * 10 + "█"
    assert rows[4][18:] == " " * 19 + "█"


@pytest.mark.parametrize(
    ("seconds", "axis"),
    [
        (0.05, "0          10 ms       20 ms        30 ms      40 ms"),
        (7, "0                2 s              4 s              6 s"),
        (61, "0                  20 s                40 s"),
        (4000, "0                 20 m              40 m              1 h"),
        (900_000, "0                3 d              6 d              9 d"),
    ],
)
def test_the_axis_has_round_times(seconds: float, axis: str) -> None:
    (row, *_) = draw(Bar("a", "X", ()), seconds=seconds, width=60 + 8)
    assert row[6:] == axis


def test_the_picture_is_as_wide_as_it_may_be_and_long_names_are_cut() -> None:
    bars = [Bar("x" * 100, "RUNNING", (span("running", 0, 10),), "10 s")]
    (_, row, _) = draw(*bars, width=120)
    assert len(row) == 120
    assert row.startswith("x" * 39 + "…  RUNNING  ▒▒▒")
    (_, narrow, _) = draw(*bars, width=10)
    assert narrow.count("▒") == 20


def test_no_time_at_all_is_no_error() -> None:
    assert draw(Bar("a", "PENDING", ()), seconds=0) == ["            0", "a  PENDING"]
