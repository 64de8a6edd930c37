"""Writes docs/explanation/peers.md and its chart from benchmarks/peers.json, which `make bench-peers` writes.

.venv/bin/python tools/peers.py          without benchmarks/peers.json there is nothing to do
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "peers.json"
DOCS = ROOT / "docs"
PAGE = "explanation/peers.md"
NAVIGATION = f'{{ "Beside other systems" = "{PAGE}" }},'

HEADINGS = {"single": "Single tasks", "diamond": "A diamond of four tasks"}
THEMES = {
    "light": {"text": "#1f2430", "muted": "#5a5f6b", "bar": "#a9adb8", "plait": "#6354cf"},
    "dark": {"text": "#e8e8f0", "muted": "#a8acb9", "bar": "#6c7180", "plait": "#b6acf5"},
}
WIDTH, NAMES, BARS = 760, 160, 430
ROW, BAR, HEADING = 26, 16, 44
FEW_ROUNDS = 3
QUIET_LOAD = 0.5


def write_all(result: dict[str, Any], docs: Path) -> None:
    """The page, and its chart for a light and for a dark screen."""
    (docs / PAGE).write_text(write_page(result), encoding="utf-8")
    for theme in THEMES:
        (docs / "images" / f"peers-{theme}.svg").write_text(draw_chart(result, theme), encoding="utf-8")


def write_page(result: dict[str, Any]) -> str:
    """The page in Markdown."""
    return "\n".join([*_write_top(result), *_write_tables(result), *_write_choices(result), *_write_reading(result)])


def _write_top(result: dict[str, Any]) -> Iterator[str]:
    machine, options = result["machine"], result["options"]
    yield "<!-- Written by tools/peers.py from benchmarks/peers.json. -->"
    yield "# Beside other systems\n"
    yield "What other systems do in the same run, on the same PostgreSQL, with tasks that do nothing.\n"
    for doubt in _find_doubts(result):
        yield f"**A trial, no measurement: {doubt}.**\n"
    for theme in THEMES:
        yield f"![Tasks a second of each system, single tasks and diamonds](../images/peers-{theme}.svg#only-{theme})"
    load = " / ".join(f"{value:.2f}" for value in machine["load_before"])
    yield (
        f"\nMeasured on {result['date']} on **one machine**: {machine['cores']} cores ({machine['cpu']}), "
        f"{machine['memory_gb']} GB, Linux {machine['kernel']}, Python {machine['python']}, load before it {load}. "
        f"PostgreSQL {result['postgresql']}, the one that Plait embeds, with `fsync`; a database for each system, one "
        f"system at a time, {options['rounds']} rounds in turn. The database, the workers and the client share the "
        "cores.\n"
    )


def _find_doubts(result: dict[str, Any]) -> Iterator[str]:
    """Why these numbers would mean little."""
    load, rounds = result["machine"]["load_before"][0], result["options"]["rounds"]
    if load > QUIET_LOAD:
        yield f"other programs were running (load {load:.1f})"
    if rounds < FEW_ROUNDS:
        yield f"the number of rounds is {rounds}"


def _write_tables(result: dict[str, Any]) -> Iterator[str]:
    for shape, heading in HEADINGS.items():
        rows = _list_rows(result, shape)
        if not rows:
            continue
        yield f"## {heading}\n"
        yield "| | tasks a second | of Plait's | it ran after | known after | CPU a task | WAL a task |"
        yield "|---|---:|---:|---:|---:|---:|---:|"
        yield from (_write_row(peer, row) for peer, row in rows)
        yield ""


def _list_rows(result: dict[str, Any], shape: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The systems that have this shape, the quickest first."""
    peers = [peer for peer in result["peers"].values() if shape in peer["shapes"]]
    rows = [(peer, peer["shapes"][shape]) for peer in peers]
    return sorted(rows, key=lambda row: -row[1]["tasks_per_second"])


def _write_row(peer: dict[str, Any], row: dict[str, Any]) -> str:
    cells = [
        f"**{peer['title']}**" if peer["title"] == "Plait" else peer["title"],
        f"{row['tasks_per_second']:,} ({row['min']:,}–{row['max']:,})",
        "–" if row["ratio"] is None else f"{row['ratio']:.2f}",
        _write_latency(row["ran_ms"]),
        _write_latency(row["known_ms"]),
        _write_cpu(row["cpu_us_per_task"]),
        "–" if row["wal_bytes_per_task"] is None else f"{row['wal_bytes_per_task'] / 1000:.1f} KB",
    ]
    return f"| {' | '.join(cells)} |"


def _write_latency(latency: dict[str, float] | None) -> str:
    return "–" if latency is None else f"{latency['p50']:.1f} ms (p95 {latency['p95']:.1f})"


def _write_cpu(cpu: dict[str, int]) -> str:
    return f"{sum(cpu.values()):,} µs ({cpu['server']:,} + {cpu['worker']:,} + {cpu['client']:,})"


def _write_choices(result: dict[str, Any]) -> Iterator[str]:
    yield "## How each was run\n"
    yield "As its own guide says for many short tasks; where there are several ways, the quickest.\n"
    for peer in result["peers"].values():
        versions = ", ".join(f"{name} {version}" for name, version in peer["versions"].items())
        yield f"- **{peer['title']}** ({versions}): {peer['choice']}."
    yield from (f"- **{title}** was left out: {reason}." for title, reason in result["left_out"].items())
    yield ""


def _write_reading(result: dict[str, Any]) -> Iterator[str]:
    options = result["options"]
    yield "## How to read this\n"
    yield (
        "- **Tasks a second**: median of the rounds (lowest–highest), from before the first is enqueued until the last "
        "result is known to the client; where a system tells none, until the end of the last is committed. At most "
        f"{options['tasks']:,} tasks a round, fewer where that would take more than {options['seconds']:.0f} s. "
        "Every task that ran is counted, and a run with one too many or too few is no result."
    )
    yield (
        f"- **It ran after**, **known after**: single runs at idle, {options['samples']} a round; from before the call "
        "that enqueues one until the body of its last task ran, and until the client has the result, where it is told."
    )
    yield (
        "- **CPU a task**: in all (server + workers + client); the server is PostgreSQL, or Redis. With DBOS, client "
        "and worker are one process. **WAL a task**: what PostgreSQL writes to its log."
    )
    yield (
        "- pgqueuer, awa-pg, Procrastinate and Graphile Worker run single jobs: a diamond would be code of yours. "
        "Celery is not durable by default. Only Plait, DBOS and Celery keep what a task returns."
    )
    yield (
        "- **We measured them, and we know Plait best.** If you see a setting that changes the picture, tell us: that "
        "is an error of this page.\n"
    )
    yield (
        "To repeat it on your machine, with nothing else running: `make bench-peers`, then `make docs`. "
        "It needs npm and `redis-server`; without them it leaves Graphile Worker and Celery out, and says so.\n"
    )


def draw_chart(result: dict[str, Any], theme: str) -> str:
    """Bars of tasks a second for each shape, on one scale, with a line from the lowest to the highest round."""
    rows = {shape: _list_rows(result, shape) for shape in HEADINGS}
    top = max(row["max"] for found in rows.values() for _, row in found)
    parts: list[str] = []
    y = 0
    for shape, found in rows.items():
        if not found:
            continue
        parts.append(_draw_text(0, y + 24, f"{HEADINGS[shape]}, tasks a second", theme, "text", weight=600))
        y += HEADING
        for peer, row in found:
            parts.extend(_draw_row(y, peer["title"], row, top, theme))
            y += ROW
        y += ROW // 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" '
        'font-family="system-ui, sans-serif" font-size="14" role="img">\n'
        "<title>Tasks a second of each system, single tasks and diamonds</title>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _draw_row(y: int, title: str, row: dict[str, Any], top: int, theme: str) -> Iterator[str]:
    colors = THEMES[theme]
    middle = y + BAR / 2

    def place(rate: float) -> float:
        return round(NAMES + BARS * rate / top, 1)

    end = place(row["tasks_per_second"])
    color = colors["plait" if title == "Plait" else "bar"]
    yield _draw_text(0, y + 13, title, theme, "text", weight=600 if title == "Plait" else 400)
    yield f'<rect x="{NAMES}" y="{y}" width="{max(end - NAMES, 1):.1f}" height="{BAR}" rx="2" fill="{color}"/>'
    yield (
        f'<line x1="{place(row["min"])}" x2="{place(row["max"])}" y1="{middle}" y2="{middle}" '
        f'stroke="{colors["text"]}" stroke-width="1.5"/>'
    )
    yield _draw_text(place(row["max"]) + 8, y + 13, f"{row['tasks_per_second']:,}", theme, "muted")


def _draw_text(x: float, y: float, text: str, theme: str, color: str, weight: int = 400) -> str:
    return f'<text x="{x}" y="{y}" fill="{THEMES[theme][color]}" font-weight="{weight}">{escape(text)}</text>'


if __name__ == "__main__":
    if RESULT.exists():
        write_all(json.loads(RESULT.read_text(encoding="utf-8")), DOCS)
        if NAVIGATION not in (ROOT / "zensical.toml").read_text(encoding="utf-8"):
            print(f"zensical.toml has no line for the page yet, under Explanation:\n    {NAVIGATION}")
