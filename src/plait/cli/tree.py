"""Graphs as lines of text: a tree of tasks, and for those of a run what became of each so far."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from plait.cli.text import clean_line, format_seconds, format_span
from plait.features.run_views import AttemptDetails, RunDetails, TaskDetails
from plait.graph.definition import TaskKind
from plait.pictures.model import CONDITION_WORDS, HOOK_WORDS, Box, Graph
from plait.types import TaskStatus, WorkflowRunStatus

T = TypeVar("T", bound=Hashable)

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
_ASCII = str.maketrans("·○●✓✗⊘↷├└│─…←×", ".o*+x/>|`|-.<x")
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
    return [build_line(prefix, details.tasks[name], now) for prefix, name in _arrange(list_parents(details.tasks))]


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
    run = details.run
    end = run.finished_at or (now if run.status is WorkflowRunStatus.RUNNING else None)
    span = format_span(run.created_at, end)
    return f"{clean_line(run.workflow_name)}  {run.workflow_run_id}  {run.status.value}  {span}".rstrip()


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


def count_attempt(task: TaskDetails) -> int:
    """Which of its attempts a task is at, as its retries count them: lost and handed back ones do not."""
    return 1 + sum(attempt.outcome == "RETRIED" for attempt in task.attempts)


def describe_attempt(attempt: AttemptDetails) -> str:
    """One ended attempt in a line."""
    parts = [
        f"attempt {attempt.attempt_number} {attempt.outcome}",
        format_span(attempt.started_at, attempt.finished_at),
    ]
    why = attempt.error or attempt.reason
    if attempt.error is not None:
        why = f"{attempt.error.exc_type}: {attempt.error.exc}"
    return "  ".join(part for part in (*parts, clean_line(str(why)) if why else "") if part)


def render_graph(graph: Graph) -> str:
    """The graph of a workflow as plain text, in the shape that its runs have."""
    hooks = {arrow.child for arrow in graph.arrows if arrow.is_hook}
    parents: dict[int, list[int]] = {place: [] for place in range(len(graph.boxes))}
    for arrow in graph.arrows:
        if arrow.child not in hooks:
            parents[arrow.child].append(arrow.parent)
    labels = [_label_box(box) for box in graph.boxes]
    rows = [(f"{prefix}{labels[place]}", place) for prefix, place in _arrange(parents)]
    width = max((len(label) for label, _ in rows), default=0)
    return "\n".join(
        f"{label:<{width}}  {_note_box(graph.boxes[place], [labels[above] for above in parents[place]])}".rstrip()
        for label, place in rows
    )


def list_parents(tasks: Mapping[str, TaskDetails]) -> dict[str, Sequence[str]]:
    """For each task what it follows in the tree: hooks stand apart."""
    return {name: task.parents if task.kind is TaskKind.TASK else () for name, task in tasks.items()}


def find_homes(parents: Mapping[T, Sequence[T]]) -> dict[T | None, list[T]]:
    """For each item those that stand below it in the tree; below None, those at the top level.

    ``parents``: for each item those it follows, in topological order.
    """
    level: dict[T, int] = {}
    below: dict[T | None, list[T]] = {None: []}
    for item, above in parents.items():
        below[item] = []
        level[item] = 1 + max((level[parent] for parent in above), default=-1)
        home = max(above, key=lambda parent: level[parent], default=None)
        below[home].append(item)
    return below


def branch_off(below: str, *, last: bool) -> tuple[str, str]:
    """The lines that lead to a branch, and those that stand in front of what grows on it."""
    if len(below) >= WIDEST_PREFIX:
        return below, below
    return below + ("└─ " if last else "├─ "), below + ("   " if last else "│  ")


def _arrange(parents: Mapping[T, Sequence[T]]) -> Iterable[tuple[str, T]]:
    """(prefix, item) in the order of the tree."""
    children = find_homes(parents)
    stack = [("", "", item) for item in reversed(children[None])]
    while stack:
        own, below, item = stack.pop()
        yield own, item
        last = len(children[item]) - 1
        for index in range(last, -1, -1):
            branch, inner = branch_off(below, last=index == last)
            stack.append((branch, inner, children[item][index]))


def _label_box(box: Box) -> str:
    return clean_line(f"{box.name} ×{len(box.tasks):,}" if box.is_fold else box.name)


def _note_box(box: Box, parents: Sequence[str]) -> str:
    notes = [] if box.kind is TaskKind.TASK else [f"({HOOK_WORDS[box.kind]})"]
    if len(parents) > 1:
        notes.append(_join_parents(parents))
    notes += [clean_line(f"{CONDITION_WORDS[word]} {text}") for word, text in box.conditions]
    return "  ".join(notes)


def _join_parents(parents: Sequence[str]) -> str:
    more = f" and {len(parents) - 4} more" if len(parents) > 4 else ""
    return clean_line(f"← {', '.join(parents[:4])}{more}")


def _describe(task: TaskDetails, now: datetime) -> str:
    notes = []
    if task.kind is not TaskKind.TASK:
        notes.append(f"({HOOK_WORDS[task.kind]})")
    if task.status is TaskStatus.RUNNING:
        notes.append(format_span(task.started_at, now))
    elif task.finished_at is not None and task.status is not TaskStatus.PENDING:
        notes.append(format_span(task.started_at, task.finished_at))
    attempt = count_attempt(task)
    if attempt > 1 or (task.max_attempts > 1 and task.status is TaskStatus.RUNNING):
        notes.append(f"attempt {attempt}/{max(attempt, task.max_attempts)}")
    lost = sum(item.outcome == "LOST" for item in task.attempts)
    if lost:
        notes.append(f"{lost} lost")
    if task.waits_for:
        notes.append(clean_line(f"waits for {' or '.join(task.waits_for)}"))
    if task.status is TaskStatus.PENDING and task.due_at is not None:
        notes.append(f"goes on in {format_seconds((task.due_at - now).total_seconds())}")
    if task.kind is TaskKind.TASK and len(task.parents) > 1:
        notes.append(_join_parents(task.parents))
    if task.reason and task.status in (TaskStatus.CANCELLED, TaskStatus.SKIPPED):
        notes.append(clean_line(task.reason))
    return "  ".join(note for note in notes if note)


def _describe_error(task: TaskDetails) -> str:
    if task.error is None or task.status in (TaskStatus.COMPLETED, TaskStatus.SKIPPED, TaskStatus.CANCELLED):
        return ""
    return clean_line(f"{task.error.exc_type}: {task.error.exc}")
