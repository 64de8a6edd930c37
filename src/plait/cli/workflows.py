"""``plait workflows``: which workflows the database knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from plait.cli.asking import TEXT, looking_for
from plait.cli.database import open_plait
from plait.cli.failures import say_hint
from plait.cli.options import common_options, output_option
from plait.cli.text import clean, clean_line, format_seconds, format_table, format_time, to_json

if TYPE_CHECKING:
    from plait.features.workflows import WorkflowDetails, WorkflowSummary, WorkflowTask


@click.command("list")
@click.argument("part", required=False, type=TEXT)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--after", metavar="NAME", type=TEXT, help="Workflows behind this one: the next page.")
@output_option("table", "json")
@common_options
def list_workflows(part: str | None, limit: int, after: str | None, output: str) -> None:
    """List workflows in order of their names; with PART those that have it in their name."""
    with open_plait() as plait:
        found = plait.workflows.list(name_contains=part, limit=limit, after=after)
    if output == "json":
        click.echo(to_json([asdict(workflow) for workflow in found], indent=2))
        return
    if not found:
        click.echo("no workflows")
        say_hint("plait worker TARGET, which makes its workflows known" if not (part or after) else None)
        return
    head = ("WORKFLOW", "VERSION", "TASKS", "SERVED", "STARTED BY", "DESCRIPTION")
    click.echo(format_table(head, [_list_cells(workflow) for workflow in found]))
    if len(found) == limit:
        say_hint(f"--after {found[-1].name} for more")


@click.command("show")
@click.argument("name", type=TEXT)
@click.option("--version", "version_id", type=click.IntRange(min=1), help="This version, not the one served now.")
@output_option("table", "json")
@common_options
def show_workflow(name: str, version_id: int | None, output: str) -> None:
    """Show one workflow: its tasks with their options and conditions, and what starts it."""
    with open_plait() as plait, looking_for("plait workflows list"):
        details = plait.workflows.get(name)
        if version_id is not None and version_id != details.version_id:
            versions = {version.version_id for version in plait.workflows.list_versions(name, limit=1000)}
            if version_id not in versions:
                raise click.UsageError(f"workflow {name!r} has no version {version_id}: it has {_join(versions)}")
            details = plait.workflows.get_version(version_id)
    if output == "json":
        click.echo(to_json(asdict(details), indent=2))
        return
    click.echo("\n".join(_render(details)))


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
