"""A run as lines of text: the graph as a tree, and for each task what became of it so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from plait.cli.text import clean_line, format_span
from plait.features.notes import iter_waits, note_attempt, note_duration
from plait.features.run_views import AttemptDetails, RunDetails, TaskDetails
from plait.graph.definition import TaskKind
from plait.types import TaskStatus, WorkflowRunStatus

WIDEST_PREFIX = 30
"""Columns of indentation; deeper tasks of the graph stay at that level."""

GLYPHS = {
    "PENDING": "·",
    "QUEUED": "○",
    "RUNNING": "●",
    "COMPLETED": "✓",
    "FAILED": "✗",
    "CANCELLED": "⊘",
    "SKIPPED": "↷",
}
COLOURS = {
    "RUNNING": "cyan",
    "COMPLETED": "green",
    "FAILED": "red",
    "CANCELLED": "yellow",
    "SKIPPED": "yellow",
}
_ASCII = str.maketrans("·○●✓✗⊘↷├└│─…←", ".o*+x/>|`|-.<")
ENDED = (WorkflowRunStatus.COMPLETED, WorkflowRunStatus.FAILED, WorkflowRunStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class TreeLine:
    """One task: where it stands in the tree, its status word, and the notes behind it."""

    label: str
    status: TaskStatus
    notes: str
    error: str


def build_lines(details: RunDetails, now: datetime) -> list[TreeLine]:
    """The tasks of a run as a tree, each once, below the parent that stands deepest; a join names all of its
    parents."""
    return [build_line(prefix, task, now) for prefix, task in _arrange(details.tasks)]


def build_line(prefix: str, task: TaskDetails, now: datetime) -> TreeLine:
    """One task behind the lines that lead to it."""
    label = f"{prefix}{GLYPHS[task.status]} {clean_line(task.name)}"
    return TreeLine(label, task.status, _describe(task, now), _describe_error(task))


def to_ascii(text: str) -> str:
    """The glyphs and lines of a tree for streams that cannot show them."""
    return text.translate(_ASCII)


def render_plain(details: RunDetails, now: datetime, *, unicode: bool = True) -> str:
    """The tree as plain text, a headline first."""
    lines = build_lines(details, now)
    width = max((len(line.label) for line in lines), default=0)
    rows = [headline(details, now)]
    for line in lines:
        rows.append(f"{line.label:<{width}}  {line.status.value:<9}  {line.notes}".rstrip())
        if line.error:
            rows.append(f"{'':<{width}}  {line.error}")
    text = "\n".join(rows)
    return text if unicode else to_ascii(text)


def headline(details: RunDetails, now: datetime) -> str:
    """Workflow, run id, status and how long it took so far."""
    end = details.finished_at or (now if details.status is WorkflowRunStatus.RUNNING else None)
    span = format_span(details.created_at, end)
    return f"{clean_line(details.workflow)}  {details.id}  {details.status.value}  {span}".rstrip()


def select_lines(lines: Sequence[TreeLine], room: int) -> tuple[list[TreeLine], str]:
    """The lines that fit into ``room`` rows, the most telling ones first to stay, and what was left out."""
    needed = sum(1 + bool(line.error) for line in lines)
    if needed <= room:
        return list(lines), ""
    order = ("RUNNING", "FAILED", "QUEUED", "PENDING", "CANCELLED", "COMPLETED", "SKIPPED")
    ranked = sorted(range(len(lines)), key=lambda index: order.index(lines[index].status.value))
    kept: set[int] = set()
    free = room - 1
    for index in ranked:
        size = 1 + bool(lines[index].error)
        if size > free:
            break
        kept.add(index)
        free -= size
    hidden = [line for index, line in enumerate(lines) if index not in kept]
    counts = {word: sum(line.status.value == word for line in hidden) for word in order}
    summary = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return [lines[index] for index in sorted(kept)], f"… and {len(hidden)} more: {summary}"


def describe_attempt(attempt: AttemptDetails) -> str:
    """One ended attempt in a line."""
    parts = [
        f"attempt {attempt.attempt} {attempt.outcome}",
        format_span(attempt.started_at, attempt.finished_at),
    ]
    why = attempt.error or attempt.reason
    if attempt.error is not None:
        why = str(attempt.error)
    return "  ".join(part for part in (*parts, clean_line(str(why)) if why else "") if part)


def find_homes(tasks: Mapping[str, TaskDetails]) -> dict[str | None, list[str]]:
    """For each task those that stand below it in the tree; below None, those at the top level, hooks last."""
    level: dict[str, int] = {}
    below: dict[str | None, list[str]] = {None: []}
    for name, task in tasks.items():  # in topological order
        below[name] = []
        parents = task.parents if task.kind is TaskKind.TASK else ()
        level[name] = 1 + max((level[parent] for parent in parents), default=-1)
        home = max(parents, key=lambda parent: level[parent], default=None)
        below[home].append(name)
    return below


def branch_off(below: str, *, last: bool) -> tuple[str, str]:
    """The lines that lead to a branch, and those that stand in front of what grows on it."""
    if len(below) >= WIDEST_PREFIX:
        return below, below
    return below + ("└─ " if last else "├─ "), below + ("   " if last else "│  ")


def _arrange(tasks: Mapping[str, TaskDetails]) -> Iterable[tuple[str, TaskDetails]]:
    """(prefix, task) in the order of the tree."""
    children = find_homes(tasks)
    stack = [("", "", name) for name in reversed(children[None])]
    while stack:
        own, below, name = stack.pop()
        yield own, tasks[name]
        last = len(children[name]) - 1
        for index in range(last, -1, -1):
            branch, inner = branch_off(below, last=index == last)
            stack.append((branch, inner, children[name][index]))


def _describe(task: TaskDetails, now: datetime) -> str:
    notes = []
    if task.kind is not TaskKind.TASK:
        notes.append("(on failure)" if task.kind is TaskKind.ON_FAILURE else "(on success)")
    notes.append(note_duration(task, now))
    notes.append(note_attempt(task, first=task.max_attempts > 1 and task.status is TaskStatus.RUNNING))
    lost = sum(item.outcome == "LOST" for item in task.attempts)
    if lost:
        notes.append(f"{lost} lost")
    notes += [clean_line(wait) for wait in iter_waits(task, now)]
    if task.kind is TaskKind.TASK and len(task.parents) > 1:
        shown = ", ".join(task.parents[:4]) + (f" and {len(task.parents) - 4} more" if len(task.parents) > 4 else "")
        notes.append(f"← {clean_line(shown)}")
    if task.reason and task.status in (TaskStatus.CANCELLED, TaskStatus.SKIPPED):
        notes.append(clean_line(task.reason))
    return "  ".join(note for note in notes if note)


def _describe_error(task: TaskDetails) -> str:
    if task.error is None or task.status in (TaskStatus.COMPLETED, TaskStatus.SKIPPED, TaskStatus.CANCELLED):
        return ""
    return clean_line(str(task.error))
