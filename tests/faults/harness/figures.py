"""The account of one fault test, and the table of all: ``python -m faults.harness.figures FOLDER`` prints it."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path

FOLDER_VARIABLE = "PLAIT_FAULTS_FIGURES"

_HEADS = {
    "row": "what was done",
    "faults": "faults",
    "runs": "runs",
    "tasks": "tasks",
    "reruns": "re-runs",
    "refused": "refused",
    "lost": "lost",
    "doubled": "doubled",
    "deadlocks": "deadlocks",
    "probes": "probes",
    "stall_p99": "p99 s",
    "stall_max": "max s",
    "seconds": "took s",
}
_SUMMED = ("faults", "runs", "tasks", "reruns", "refused", "lost", "doubled", "deadlocks", "probes")
_POINT = re.compile(r"^fault point\[(\w+) at .*\]$")


@dataclass(frozen=True, slots=True)
class Figures:
    """What one test did and found.

    ``tasks``: bodies that began. ``reruns``: those that had begun before. ``refused``: outcomes that workers say came
    too late. ``probes``: how often the unrelated task ran; ``stall_p99`` and ``stall_max``: seconds from its trigger to
    its result. ``database_away``: the probe's database was itself stopped, so that its times contain the outage.
    """

    row: str
    seed: int
    faults: int
    runs: int
    tasks: int
    reruns: int
    refused: int
    lost: int
    doubled: int
    deadlocks: int
    probes: int
    stall_p99: float
    stall_max: float
    database_away: bool
    seconds: float

    def write(self) -> None:
        """Leave them where ``make faults`` looks, if it asked for them."""
        if folder := os.environ.get(FOLDER_VARIABLE):
            path = Path(folder)
            path.mkdir(parents=True, exist_ok=True)
            (path / f"{self.row.replace('/', ' ')}.json").write_text(json.dumps(asdict(self), indent=2) + "\n")


def read_figures(folder: Path) -> list[Figures]:
    """All that were left in a folder, by row."""
    return [
        Figures(**json.loads(path.read_text())) for path in sorted(folder.glob("*.json")) if path.name != "all.json"
    ]


def merge_points(rows: list[Figures]) -> list[Figures]:
    """One row for each of the things that are done at a fault point, whatever the points: they are many, and alike."""
    merged: list[Figures] = []
    for name, group in groupby(rows, key=lambda row: _POINT.sub(r"\1", row.row)):
        found = list(group)
        sums = {field: sum(getattr(row, field) for row in found) for field in (*_SUMMED, "seconds")}
        row = name if len(found) == 1 else f"{name} at each of {len(found)} points"
        merged.append(replace(found[0], row=row, **sums))
    return merged


def render_table(rows: list[Figures]) -> str:
    """A Markdown table; an asterisk marks times that contain an outage of the probe's own database."""
    rows = merge_points(rows)
    lines = ["| " + " | ".join(_HEADS.values()) + " |", "|---" + "|--:" * (len(_HEADS) - 1) + "|"]
    for row in rows:
        cells = {name: str(getattr(row, name)) for name in _HEADS}
        cells["row"] = row.row.replace("[", ": ").removesuffix("]")
        for name in ("stall_p99", "stall_max"):
            cells[name] = f"{getattr(row, name):.2f}{'*' if row.database_away else ''}" if row.probes else "–"
        cells["seconds"] = f"{row.seconds:.0f}"
        lines.append("| " + " | ".join(cells.values()) + " |")
    return "\n".join([*lines, _render_sum(rows)])


def _render_sum(rows: list[Figures]) -> str:
    cells = dict.fromkeys(_HEADS, "")
    cells["row"] = "all"
    for name in _SUMMED:
        cells[name] = str(sum(getattr(row, name) for row in rows))
    present = [row for row in rows if row.probes and not row.database_away]
    if present:
        cells["stall_p99"] = f"{max(row.stall_p99 for row in present):.2f}"
        cells["stall_max"] = f"{max(row.stall_max for row in present):.2f}"
    cells["seconds"] = f"{sum(row.seconds for row in rows):.0f}"
    return "| " + " | ".join(cells.values()) + " |"


def main() -> None:
    folder = Path(sys.argv[1])
    rows = read_figures(folder)
    (folder / "all.json").write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    print(render_table(rows))
    print("* contains the time for which the database itself was away. All figures: " + str(folder / "all.json"))


if __name__ == "__main__":
    main()
