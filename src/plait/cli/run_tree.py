"""``plait runs tree``: a run with its tasks, and below each task the runs it started, with theirs."""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from plait.cli.completing import complete_runs
from plait.cli.database import open_plait
from plait.cli.failures import say_hint
from plait.cli.help import command
from plait.cli.options import common_options, output_option
from plait.cli.output import print_data
from plait.cli.text import can_show, style
from plait.cli.tree import COLOURS, branch_off, build_line, find_homes, headline, list_parents, to_ascii
from plait.features.checks import MAX_PAGE
from plait.features.run_views import ChildRun, RunDetails, TaskDetails
from plait.features.shapes import to_plain

if TYPE_CHECKING:
    from plait.client import Plait


@dataclass(slots=True)
class RunNode:
    """A run of the tree. ``hidden``: by task, child runs that are not shown, by status."""

    details: RunDetails
    children: dict[str, list[RunNode]] = field(default_factory=dict)
    hidden: dict[str, Counter[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the tree."""

    label: str
    status: str = ""
    notes: str = ""
    error: str = ""
    hides: bool = False


@command(
    "tree",
    ("a run and all that it started", "plait runs tree 01993b6e-0000-7000-8000-000000000000"),
    ("its own tasks alone", "plait runs tree 01993b6e-0000-7000-8000-000000000000 --depth 1"),
)
@click.argument("run_id", shell_complete=complete_runs)
@click.option(
    "--depth", type=click.IntRange(1, 100), default=5, show_default=True, help="How many levels of child runs to show."
)
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Show at most this many runs."
)
@output_option()
@common_options
def show_tree(run_id: str, depth: int, limit: int, output: str) -> None:
    """Show a run with its tasks and, below each task, the runs that it started.

    Runs beyond --depth and --limit are only counted.
    """
    with open_plait() as plait:
        root = collect_tree(plait, run_id, depth=depth, limit=limit)
    if output != "table":
        print_data(describe_node(root), output)
        return
    rows = list(iter_rows(root, datetime.now(UTC)))
    width = max(len(row.label) for row in rows if row.status)
    plain = not can_show("├└│✓…", sys.stdout)
    for row in rows:
        text = "\n".join(_render_row(row, width))
        click.echo(to_ascii(text) if plain else text)
    if any(row.hides for row in rows):
        say_hint("plait runs tree with another --depth or --limit, or with the id of a run above")


def collect_tree(plait: Plait, run_id: str, *, depth: int, limit: int) -> RunNode:
    """A run and its descendants, level by level, at most ``limit`` runs of ``depth`` generations."""
    root = RunNode(plait.runs.get_details(run_id))
    queue = deque([(root, 1)])
    left = limit - 1
    while queue:
        node, generation = queue.popleft()
        for child in _iter_children(plait, node.details.id):
            if left and generation < depth:
                left -= 1
                below = RunNode(plait.runs.get_details(child.run.id))
                node.children.setdefault(child.task, []).append(below)
                queue.append((below, generation + 1))
            else:
                node.hidden.setdefault(child.task, Counter())[child.run.status.value] += 1
    return root


def _iter_children(plait: Plait, run_id: str) -> Iterator[ChildRun]:
    after: str | None = None
    while True:
        page = plait.runs.list_children(run_id, limit=MAX_PAGE, after=after)
        yield from page
        if (after := page.next) is None:
            return


def iter_rows(root: RunNode, now: datetime) -> Iterator[Row]:
    """The lines of the tree, top down."""
    yield Row(headline(root.details, now))
    stack = [("", "", item) for item in reversed(_list_tasks(root, None))]
    while stack:
        own, below, item = stack.pop()
        yield _build_row(own, item, now)
        members = _list_members(item)
        for index in range(len(members) - 1, -1, -1):
            branch, inner = branch_off(below, last=index == len(members) - 1)
            stack.append((branch, inner, members[index]))


def describe_node(node: RunNode) -> dict[str, Any]:
    """The tree as ``-o json`` prints it: every task has its ``child_runs``, and counts of hidden ones."""
    entry: dict[str, Any] = to_plain(node.details)
    for task in entry["tasks"]:
        task["child_runs"] = [describe_node(child) for child in node.children.get(task["name"], ())]
        task["hidden_child_runs"] = dict(node.hidden.get(task["name"], ()))
    return entry


@dataclass(frozen=True, slots=True)
class _TaskItem:
    node: RunNode
    task: TaskDetails
    homes: dict[str | None, list[str]]


_Item = _TaskItem | RunNode | Counter[str]


def _list_tasks(node: RunNode, home: str | None, homes: dict[str | None, list[str]] | None = None) -> list[_Item]:
    homes = find_homes(list_parents(node.details.tasks)) if homes is None else homes
    return [_TaskItem(node, node.details.tasks[name], homes) for name in homes[home]]


def _list_members(item: _Item) -> list[_Item]:
    """What stands below: of a run its tasks; of a task its child runs, then the tasks that follow it."""
    if isinstance(item, RunNode):
        return _list_tasks(item, None)
    if isinstance(item, _TaskItem):
        name = item.task.name
        hidden = [item.node.hidden[name]] if name in item.node.hidden else []
        return [*item.node.children.get(name, ()), *hidden, *_list_tasks(item.node, name, item.homes)]
    return []


def _build_row(prefix: str, item: _Item, now: datetime) -> Row:
    if isinstance(item, _TaskItem):
        line = build_line(prefix, item.task, now)
        return Row(line.label, line.status.value, line.notes, line.error)
    if isinstance(item, RunNode):
        return Row(f"{prefix}{headline(item.details, now)}")
    counts = ", ".join(f"{count:,} {status}" for status, count in sorted(item.items()))
    return Row(f"{prefix}… {item.total():,} more: {counts}", hides=True)


def _render_row(row: Row, width: int) -> Iterator[str]:
    if not row.status:
        yield row.label
        return
    status = style(f"{row.status:<9}", COLOURS.get(row.status, ""), sys.stdout) if row.status in COLOURS else row.status
    yield f"{row.label:<{width}}  {status:<9}  {row.notes}".rstrip()
    if row.error:
        yield f"{'':<{width}}  {row.error}"
