"""What `make bench-peers` measured becomes a page and a chart, and says what it is worth."""

from __future__ import annotations

import copy
import re
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import peers  # noqa: E402 - found by the path above

CPU = {"server": 30, "worker": 20, "client": 10}
COSTS = "60 µs (30 + 20 + 10)"
LATENCY = "2.5 ms (p95 4.0)"


def _make_row(rate: int, ratio: float, **others: Any) -> dict[str, Any]:
    latency = {"p50": 2.5, "p95": 4.0}
    row = {"tasks": 1000, "tasks_per_second": rate, "min": rate - 10, "max": rate + 10, "ratio": ratio}
    return {**row, "ran_ms": latency, "known_ms": latency, "cpu_us_per_task": CPU, "wal_bytes_per_task": 812, **others}


RESULT: dict[str, Any] = {
    "date": "2026-12-01",
    "machine": {
        "cpu": "A & B",
        "cores": 2,
        "memory_gb": 8,
        "kernel": "6.1",
        "python": "3.11.7",
        "load_before": [0.05, 0.2, 0.3],
    },
    "postgresql": "18.6",
    "options": {"tasks": 12000, "seconds": 10.0, "rounds": 5, "samples": 40},
    "left_out": {"Celery with Redis": "there is no redis-server"},
    "peers": {
        "other": {
            "title": "Other <1>",
            "choice": "as its guide says",
            "versions": {"other": "1.2"},
            "shapes": {"single": _make_row(500, 0.05, known_ms=None, wal_bytes_per_task=None)},
        },
        "plait": {
            "title": "Plait",
            "choice": "one worker",
            "versions": {"plait": "0.1"},
            "shapes": {"single": _make_row(10_000, 1.0), "diamond": _make_row(15_000, 1.0)},
        },
    },
}


def test_the_page_lists_each_system_with_its_numbers_the_quickest_first() -> None:
    rows = [line for line in peers.write_page(RESULT).splitlines() if re.match(r"\| \S", line) and "---" not in line]
    assert rows == [
        "| | tasks a second | of Plait's | it ran after | known after | CPU a task | WAL a task |",
        f"| **Plait** | 10,000 (9,990–10,010) | 1.00 | {LATENCY} | {LATENCY} | {COSTS} | 0.8 KB |",
        f"| Other <1> | 500 (490–510) | 0.05 | {LATENCY} | – | {COSTS} | – |",
        "| | tasks a second | of Plait's | it ran after | known after | CPU a task | WAL a task |",
        f"| **Plait** | 15,000 (14,990–15,010) | 1.00 | {LATENCY} | {LATENCY} | {COSTS} | 0.8 KB |",
    ]


def test_the_page_says_what_was_chosen_which_versions_and_who_was_left_out() -> None:
    page = peers.write_page(RESULT)
    assert "- **Plait** (plait 0.1): one worker." in page
    assert "- **Celery with Redis** was left out: there is no redis-server." in page
    assert "load before it 0.05 / 0.20 / 0.30" in page
    assert "A trial" not in page


def test_numbers_of_a_busy_machine_or_of_one_round_are_called_a_trial() -> None:
    busy = copy.deepcopy(RESULT)
    busy["machine"]["load_before"][0] = 7.2
    busy["options"]["rounds"] = 1
    page = peers.write_page(busy)
    assert "**A trial, no measurement: other programs were running (load 7.2).**" in page
    assert "**A trial, no measurement: the number of rounds is 1.**" in page


def test_the_charts_for_light_and_dark_show_the_same_with_bars_in_proportion(tmp_path: Path) -> None:
    (tmp_path / "explanation").mkdir()
    (tmp_path / "images").mkdir()
    peers.write_all(RESULT, tmp_path)
    charts = [ElementTree.parse(tmp_path / "images" / f"peers-{theme}.svg").getroot() for theme in ("light", "dark")]
    light, dark = ([text.text for text in chart.iterfind("{*}text")] for chart in charts)
    assert light == dark
    assert light == [
        *("Single tasks, tasks a second", "Plait", "10,000", "Other <1>", "500"),
        *("A diamond of four tasks, tasks a second", "Plait", "15,000"),
    ]
    widths = [float(bar.attrib["width"]) for bar in charts[0].iterfind("{*}rect")]
    assert [round(width / widths[0], 2) for width in widths] == [1.0, 0.05, 1.5]
