"""The picture of ``plait top`` as lines of text, whatever shows them: as wide and as high as there is room."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from plait.cli.text import format_span, format_table
from plait.features.activity import Activity, BusyWorker, Pace
from plait.features.workers import WorkerStatus

BAR = 24
"""Characters of the bar of slots, where there is room."""
_LEAST_ROWS = 2
"""Rows of a table that are shown however low the screen is."""

Row = Sequence[str]


class Line(NamedTuple):
    """A line and what it is: ``title``, ``head``, ``warning`` or nothing special."""

    text: str
    kind: str = ""


class _Table(NamedTuple):
    head: Row
    rows: list[Row]
    right: frozenset[int]
    """Columns whose cells stand on the right."""


def build_picture(activity: Activity, *, width: int, height: int | None, unicode: bool = True) -> list[Line]:
    """The picture: the sums, then queues, workers and the tasks that run the longest.

    ``height`` None: all rows. What is too wide or too much is cut, and says so.
    """
    lines = [*_describe_sums(activity, width, unicode), Line("")]
    tables = [_build_queues(activity), _build_workers(activity), _build_slowest(activity)]
    shown = [table for table in tables if table.rows]
    wanted = [len(table.rows) for table in shown]
    if height is None:
        rooms = wanted
    else:
        # Each table has a head and a line behind it.
        rooms = share_rows(wanted, height - len(lines) - 2 * len(shown) + 1)
    for table, room in zip(shown, rooms, strict=True):
        lines += _format_table(table, room)
        lines.append(Line(""))
    if not shown:
        lines.append(Line("nothing waits, nothing runs, and there are no workers"))
    lines = lines[:-1] if shown else lines
    return [Line(_cut(line.text, width), line.kind) for line in lines[:height]]


def share_rows(wanted: Sequence[int], room: int) -> list[int]:
    """How many rows each table gets of ``room``: at least two, and then one after the other in turn."""
    given = [min(rows, _LEAST_ROWS) for rows in wanted]
    left = room - sum(given)
    while left > 0 and given != list(wanted):
        for place, rows in enumerate(wanted):
            if given[place] < rows and left > 0:
                given[place] += 1
                left -= 1
    return given


def _describe_sums(activity: Activity, width: int, unicode: bool) -> list[Line]:
    live = [busy for busy in activity.workers if busy.status is WorkerStatus.ACTIVE]
    slots, used = sum(worker.slots for worker in live), sum(worker.slots_in_use for worker in live)
    queues = activity.queues
    more = "+" if queues.capped else ""
    bar = draw_bar(used, slots, BAR if width >= 100 else 10, unicode=unicode)
    counts = f"{queues.ready:,}{more} ready   {queues.running:,} running   {queues.waiting:,}{more} waiting"
    workers = f"{len(live)} worker{'' if len(live) == 1 else 's'}"
    lines = [Line(f"slots {bar} {used:,} of {slots:,}   {workers}   {counts}", "title")]
    late = len(activity.workers) - len(live)
    if late:
        lost = "worker is" if late == 1 else "workers are"
        lines.append(Line(f"{late:,} {lost} past the lease without a heartbeat", "warning"))
    return [*lines, *_describe_paces(activity.paces)]


def _describe_paces(paces: Sequence[Pace]) -> list[Line]:
    spans = [f"{pace.seconds} s" if pace.seconds < 60 else f"{pace.seconds // 60} min" for pace in paces]
    rates = [f"{_format_rate(pace.per_second)}/s" for pace in paces]
    shares = [f"{pace.failed_share:.1%}" if pace.ended else "-" for pace in paces]
    failing = "warning" if any(pace.failed for pace in paces) else ""
    return [
        Line("last      " + "".join(f"{span:>12}" for span in spans), "head"),
        Line("attempts  " + "".join(f"{rate:>12}" for rate in rates)),
        Line("failed    " + "".join(f"{share:>12}" for share in shares), failing),
    ]


def draw_bar(used: int, slots: int, width: int, *, unicode: bool = True) -> str:
    """How many of the slots are in use, as a bar."""
    full, empty = ("█", "░") if unicode else ("#", ".")
    part = 0 if slots == 0 else min(width, round(width * used / slots))
    return full * part + empty * (width - part)


def _build_queues(activity: Activity) -> _Table:
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    oldest: dict[str, datetime] = {}
    for task in activity.queues.queues:
        for place, count in enumerate((task.ready, task.running, task.waiting)):
            sums[task.workflow][place] += count
        if task.oldest_ready_at is not None:
            known = oldest.get(task.workflow, task.oldest_ready_at)
            oldest[task.workflow] = min(known, task.oldest_ready_at)
    order = sorted(sums, key=lambda name: (-sums[name][0], -sums[name][1], name))
    rows = [
        (name, *(f"{count:,}" for count in sums[name]), format_span(oldest.get(name), activity.at)) for name in order
    ]
    head = ("WORKFLOW", "READY", "RUNNING", "WAITING", "OLDEST READY")
    return _Table(head, [*map(tuple, rows)], frozenset({1, 2, 3, 4}))


def _build_workers(activity: Activity) -> _Table:
    order = sorted(activity.workers, key=lambda busy: (-busy.slots_in_use, busy.name, busy.pid))
    rows = [
        (
            busy.name,
            busy.status.value,
            f"{busy.host} pid {busy.pid}",
            f"{busy.slots_in_use}/{busy.slots}",
            _describe_running(busy),
        )
        for busy in order
    ]
    return _Table(("WORKER", "STATUS", "PLACE", "SLOTS", "RUNS"), [*map(tuple, rows)], frozenset({3}))


def _describe_running(busy: BusyWorker) -> str:
    return ", ".join(f"{task.workflow}.{task.task} {task.running}" for task in busy.running)


def _build_slowest(activity: Activity) -> _Table:
    names = {busy.id: busy.name for busy in activity.workers}
    rows = [
        (
            f"{task.workflow}.{task.task}",
            format_span(task.started_at, activity.at),
            str(task.attempt),
            names.get(task.worker_id, task.worker_id),
            task.run_id,
        )
        for task in activity.slowest
    ]
    return _Table(("RUNS THE LONGEST", "FOR", "ATTEMPT", "WORKER", "RUN"), [*map(tuple, rows)], frozenset({1, 2}))


def _format_table(table: _Table, room: int) -> list[Line]:
    hidden = max(0, len(table.rows) - room)
    # One row less, if that makes place for the line that says how many are missing.
    shown = table.rows[: room - 1] if hidden else table.rows
    head, *lines = format_table(table.head, shown, right=table.right).split("\n")
    listed = [Line(head, "head"), *map(Line, lines)]
    return [*listed, Line(f"... {hidden + 1:,} more")] if hidden else listed


def _format_rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 3)] + "..."
