"""``plait workflows``: the workflows in the database."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from plait.cli.arguments import TEXT, looking_for
from plait.cli.completing import complete_target, complete_workflows
from plait.cli.database import open_plait
from plait.cli.failures import say_hint
from plait.cli.help import command
from plait.cli.options import common_options, output_option
from plait.cli.output import paged, print_data, print_text
from plait.cli.text import can_show, clean, clean_line, format_seconds, format_table, format_time, to_json
from plait.cli.tree import render_graph, to_ascii
from plait.features.shapes import to_plain
from plait.pictures.mermaid import draw_mermaid
from plait.pictures.model import FOLD_FROM, DrawnTask, build_graph, describe_graph, read_definition
from plait.pictures.svg import draw_svg

if TYPE_CHECKING:
    from plait.features.workflows import WorkflowDetails, WorkflowSummary, WorkflowTask


@command(
    "list",
    ("what is served, and since when", "plait workflows list"),
    ("only names that contain a word", "plait workflows list import"),
)
@click.argument("part", required=False, type=TEXT)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--after", metavar="NAME", type=TEXT, help="Show the workflows after this one: the next page.")
@output_option()
@paged
@common_options
def list_workflows(part: str | None, limit: int, after: str | None, output: str) -> None:
    """List workflows by name. With PART, only those whose name contains it."""
    with open_plait() as plait:
        found = plait.workflows.list(name_contains=part, limit=limit, after=after)
    if output != "table":
        print_data(to_plain(found), output)
        return
    if not found:
        click.echo("no workflows")
        say_hint("start a worker, and it adds its workflows: plait worker TARGET" if not (part or after) else None)
        return
    head = ("WORKFLOW", "VERSION", "TASKS", "SERVED", "STARTED BY", "DESCRIPTION")
    print_text(format_table(head, [_list_cells(workflow) for workflow in found]))
    if found.next is not None:
        say_hint(f"--after {found.next} for more")


@command(
    "show",
    ("tasks, options, conditions, and what starts it", "plait workflows show Orders"),
    ("as it was before", "plait workflows show Orders --version 3 -o json"),
)
@click.argument("name", type=TEXT, shell_complete=complete_workflows)
@click.option(
    "--version", "version_id", type=click.IntRange(min=1), help="Show this version instead of the one served now."
)
@output_option()
@common_options
def show_workflow(name: str, version_id: int | None, output: str) -> None:
    """Show one workflow: its tasks with their options and conditions, and what starts it."""
    details = _find_workflow(name, version_id)
    if output != "table":
        print_data(to_plain(details), output)
        return
    print_text("\n".join(_render(details)))


@command(
    "graph",
    ("on the terminal", "plait workflows graph Orders"),
    ("a picture for the README", "plait workflows graph Orders -o svg > docs/orders.svg"),
    ("what code declares, without a database", "plait workflows graph --target flows.py:orders -o mermaid"),
)
@click.argument("name", required=False, type=TEXT, shell_complete=complete_workflows)
@click.option(
    "--target",
    metavar="TARGET",
    shell_complete=complete_target,
    help="Draw a workflow from code: package.module:attr or file.py:attr.",
)
@click.option("--version", "version_id", type=click.IntRange(min=1), help="This version, not the one served now.")
@click.option(
    "--direction",
    type=click.Choice(["LR", "TB"], case_sensitive=False),
    help="Direction of the drawing, for mermaid and svg.",
)
@click.option(
    "--theme", type=click.Choice(["auto", "light", "dark"]), default="auto", help="Colours of the drawing, for svg."
)
@click.option("--all", "draw_all", is_flag=True, help="Draw each task, also where many play the same part.")
@output_option(
    *("tree", "mermaid", "svg", "json", "yaml"),
    default="tree",
    help="tree is for a terminal, mermaid for Markdown, svg for web pages, json for programs.",
)
@paged
@common_options
def draw_workflow(
    name: str | None,
    target: str | None,
    version_id: int | None,
    direction: str | None,
    theme: str,
    draw_all: bool,
    output: str,
) -> None:
    """Draw the graph of a workflow.

    On a terminal it is a tree: a task with several parents stands below one of them and names them all. Tasks
    that have the same role are drawn as one, unless --all is given.
    """
    if target is not None and version_id is not None:
        raise click.UsageError("--version reads from the database: give --target or --version, not both")
    if direction is not None and output not in ("mermaid", "svg"):
        raise click.UsageError(f"--direction is for -o mermaid and -o svg, not for {output}")
    drawn = _read_target(target, name) if target is not None else _read_stored(name, version_id)
    if output in ("json", "yaml"):
        print_data(_describe_graph(drawn), output)
        return
    graph = build_graph(drawn.tasks, fold=0 if draw_all else FOLD_FROM)
    title = f"Workflow {drawn.name}"
    if output == "mermaid":
        click.echo(draw_mermaid(graph, title=title, direction=direction or "LR"))
    elif output == "svg":
        description = describe_graph(graph)
        click.echo(draw_svg(graph, label=title, description=description, direction=direction or "LR", theme=theme))
    else:
        text = render_graph(graph)
        print_text(text if can_show("├└│─←×…", sys.stdout) else to_ascii(text))


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A workflow to be drawn. ``version_id`` is None for one that code declares."""

    name: str
    version_id: int | None
    tasks: list[DrawnTask]


def _read_target(target: str, name: str | None) -> _Drawn:
    from plait.cli.target import load_target  # noqa: PLC0415 - brings the user's code

    workflow = load_target(target).choose_workflow(name)
    return _Drawn(workflow.name, None, read_definition(workflow.definition))


def _read_stored(name: str | None, version_id: int | None) -> _Drawn:
    if name is None:
        raise click.UsageError("name a workflow: NAME for one in the database, or --target for one in code")
    details = _find_workflow(name, version_id)
    words = ("wait_for", "skip_if", "cancel_if")
    tasks = [
        DrawnTask(
            name=task.name,
            parents=task.parents,
            kind=task.kind,
            conditions=tuple((word, text) for word in words if (text := getattr(task, word)) is not None),
        )
        for task in details.tasks
    ]
    return _Drawn(details.name, details.version_id, tasks)


def _describe_graph(drawn: _Drawn) -> dict[str, Any]:
    return {
        "workflow": drawn.name,
        "version_id": drawn.version_id,
        "tasks": [
            {"name": task.name, "kind": task.kind, "parents": list(task.parents), **dict(task.conditions)}
            for task in drawn.tasks
        ],
    }


def _find_workflow(name: str, version_id: int | None) -> WorkflowDetails:
    """A workflow that the database knows, in this version if one is given."""
    with open_plait() as plait, looking_for("plait workflows list"):
        details = plait.workflows.get(name)
        if version_id is not None and version_id != details.version_id:
            versions = {version.id for version in plait.workflows.list_versions(name, limit=1000)}
            if version_id not in versions:
                raise click.UsageError(f"workflow {name!r} has no version {version_id}: it has {_join(versions)}")
            details = plait.workflows.get_version(version_id)
        return details


def _list_cells(workflow: WorkflowSummary) -> tuple[str, ...]:
    starts = ", ".join((*workflow.on_events, *(f"cron {cron}" for cron in workflow.crons)))
    served = format_time(workflow.served_at) or "no"
    tasks = str(workflow.task_count)
    return workflow.name, str(workflow.version_id), tasks, served, starts, workflow.description or ""


def _render(details: WorkflowDetails) -> Iterator[str]:
    served = f"served since {format_time(details.served_at)}" if details.served_at else "not served"
    yield f"{clean_line(details.name)}  version {details.version_id}  {served}"
    if details.description:
        yield clean(details.description)
    if details.default_priority != 1:
        yield f"priority {details.default_priority}"
    for pattern in details.on_events:
        yield f"started by event {clean_line(pattern)}"
    for rule in details.filters:
        payload = f"  payload {clean_line(to_json(rule.payload))}" if rule.payload else ""
        yield f"  in scope {clean_line(rule.scope)} where {clean_line(rule.expression)}{payload}"
    for cron in details.crons:
        yield f"started by cron {clean_line(cron.name)}: {clean_line(cron.expression)} ({clean_line(cron.timezone)})"
    yield ""
    yield format_table(("TASK", "PARENTS", "OPTIONS"), [_task_cells(task) for task in details.tasks])
    for task in details.tasks:
        for word, text in (("wait_for", task.wait_for), ("skip_if", task.skip_if), ("cancel_if", task.cancel_if)):
            if text is not None:
                yield f"{clean_line(task.name)} {word}: {clean_line(text)}"
    if details.input_schema and details.input_schema.get("properties"):
        yield f"\ninput {clean(to_json(details.input_schema, indent=2))}"


def _task_cells(task: WorkflowTask) -> tuple[str, ...]:
    kind = "" if task.kind == "task" else f"{task.kind.replace('_', ' ')}, "
    options = f"{kind}timeout {format_seconds(task.execution_timeout)}"
    if task.retries:
        options += f", {task.retries} {'retry' if task.retries == 1 else 'retries'}"
    if task.backoff_factor is not None:
        options += f" with backoff {task.backoff_factor:g}"
    if task.schedule_timeout is not None:
        options += f", schedule timeout {format_seconds(task.schedule_timeout)}"
    return task.name, ", ".join(task.parents), options


def _join(versions: set[int]) -> str:
    shown: list[Any] = sorted(versions, reverse=True)[:10]
    return ", ".join(map(str, shown)) + (" …" if len(versions) > len(shown) else "")
