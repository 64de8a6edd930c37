"""``plait runs cancel`` and ``plait runs replay``: one run, some by id, or all that match a filter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from plait.cli.arguments import TEXT, confirm, looking_for, read_json
from plait.cli.completing import complete_runs, complete_workflows
from plait.cli.database import open_plait
from plait.cli.failures import EXIT_NOT_FOUND, EXIT_RUN_FAILED, CommandError, say_error, say_hint
from plait.cli.help import command
from plait.cli.options import Command, MomentType, common_options, output_option, parse_pairs
from plait.cli.output import print_data, showing_progress
from plait.errors import NotFoundError, PlaitError, ReplayError
from plait.features.runs import RunFilter, parse_run_id
from plait.features.shapes import to_plain
from plait.types import WorkflowRunStatus

if TYPE_CHECKING:
    from plait.client import Plait
    from plait.features.run_control import BulkResult

_ACTIVE = ("QUEUED", "RUNNING")
_UNSUCCESSFUL = ("FAILED", "CANCELLED")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which runs to cancel or replay: ``ids``, or else those that match ``filter``."""

    ids: tuple[str, ...]
    filter: RunFilter

    def require_one(self, why: str) -> str:
        """The one id there is. Raises ``UsageError`` when there are others or none."""
        if len(self.ids) != 1:
            raise click.UsageError(f"{why} needs the id of one run")
        return self.ids[0]


@dataclass(slots=True)
class Tally:
    """What became of the runs that were named. The worst decides the exit code."""

    runs: list[dict[str, Any]] = field(default_factory=list)
    code: int = 0

    def note(self, run_id: str, outcome: str, *, done: bool = False) -> None:
        self.runs.append({"id": run_id, "done": done, "outcome": outcome})

    def note_failure(self, run_id: str, error: PlaitError) -> None:
        self.runs.append({"id": run_id, "done": False, "error": str(error)})
        self.code = EXIT_NOT_FOUND if isinstance(error, NotFoundError) else self.code or EXIT_RUN_FAILED


def selection_options(*statuses: str) -> Callable[[Command], Command]:
    """Ids as arguments, and the options of a filter. The command gets them through ``read_selection``."""
    choice = click.Choice(statuses, case_sensitive=False)
    options = (
        click.argument("run_ids", metavar="[RUN_ID]...", nargs=-1, shell_complete=complete_runs),
        click.option("--status", type=choice, multiple=True, help="Only these; may be repeated."),
        click.option(
            "--workflow",
            metavar="NAME",
            type=TEXT,
            multiple=True,
            help="Only these; may be repeated.",
            shell_complete=complete_workflows,
        ),
        click.option("--since", type=MomentType(), help="Only runs started after this: how long ago (2h), or a time."),
        click.option("--until", type=MomentType(), help="Only runs started before this."),
        click.option(
            "--metadata",
            metavar="KEY=VALUE",
            multiple=True,
            help="Only those whose metadata contains this; may be repeated.",
        ),
        click.option("--all", "everything", is_flag=True, help="Show all of them."),
        click.option("--dry-run", is_flag=True, help="Only count them; change nothing."),
        click.option("--yes", is_flag=True, help="Do not ask for confirmation."),
    )

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def read_selection(
    run_ids: Sequence[str],
    status: Sequence[str],
    workflow: Sequence[str],
    since: datetime | None,
    until: datetime | None,
    metadata: Sequence[str],
    everything: bool,
) -> Selection:
    """Ids or a filter, never both and never neither."""
    filtered = bool(status or workflow or since or until or metadata)
    if run_ids and (filtered or everything):
        raise click.UsageError("give ids or a filter, not both")
    if not run_ids and not filtered and not everything:
        raise click.UsageError("say which runs: ids, a filter such as --workflow NAME or --since 1h, or --all")
    for run_id in run_ids:
        parse_run_id(run_id)  # before anything is changed
    wanted = RunFilter(
        since=since,
        until=until,
        statuses=[WorkflowRunStatus(name.upper()) for name in status] or None,
        workflow_names=workflow or None,
        additional_metadata=parse_pairs(metadata, "--metadata") or None,
    )
    return Selection(tuple(dict.fromkeys(run_ids)), wanted)


@command(
    "cancel",
    ("one run, with its child runs", "plait runs cancel RUN_ID"),
    (
        "how many runs of a workflow it would be, then all of them",
        "plait runs cancel --workflow DocumentPipeline --dry-run\nplait runs cancel --workflow DocumentPipeline",
    ),
)
@selection_options(*_ACTIVE)
@click.option(
    "--task", metavar="NAME", type=TEXT, help="Cancel only this task of the run, and the tasks that depend on it."
)
@output_option()
@common_options
def cancel_runs(dry_run: bool, yes: bool, task: str | None, output: str, **choice: Any) -> int:
    """Cancel runs with their child runs: by id, or all active ones that match a filter.

    With a filter, it asks for confirmation on a terminal, unless --yes is given.
    """
    selection = read_selection(**choice)
    with open_plait() as plait:
        if task is not None:
            run_id = selection.require_one("--task")
            if dry_run:
                raise click.UsageError("--task and --dry-run do not go together")
            plait.runs.get(run_id)
            with looking_for(f"plait runs show {run_id}"):
                plait.runs.cancel_task(run_id, task)
            tally = Tally()
            tally.note(run_id, f"requested: a worker will cancel task {task}", done=True)
            return _report(tally, output)
        if selection.ids:
            order = partial(_cancel_one, plait, dry_run=dry_run)
            return _report(_order_each(selection.ids, order), output)
        count = plait.runs.bulk_cancel(filter=selection.filter, dry_run=True)
        if dry_run or not count.matched:
            return _report_bulk("would cancel", replace(count, dry_run=dry_run), output)
        confirm(f"cancel {_count(count.matched)}, with their child runs?", yes=yes)
        with showing_progress("cancelling", count.matched) as tell:
            result = plait.runs.bulk_cancel(filter=selection.filter, on_progress=lambda done: tell(done.matched))
        return _report_bulk("cancelled, child runs included:", result, output)


@command(
    "replay",
    ("what failed in the last hour", "plait runs replay --status FAILED --since 1h"),
    ("one task again, and what depends on it", "plait runs replay RUN_ID --task extract"),
    (
        "a new run with another input",
        'plait runs replay RUN_ID --input \'{"path": "other.txt"}\'',
    ),
)
@selection_options(*_UNSUCCESSFUL)
@click.option("--from-start", is_flag=True, help="Run all tasks again, not only those that did not complete.")
@click.option(
    "--task",
    "tasks",
    metavar="NAME",
    type=TEXT,
    multiple=True,
    help="Also run this task again, and the tasks that depend on it.",
)
@click.option("--input", "input_json", metavar="JSON|@FILE|-", help="Start a new run with this input instead.")
@output_option()
@common_options
def replay_runs(
    dry_run: bool, yes: bool, from_start: bool, tasks: Sequence[str], input_json: str | None, output: str, **choice: Any
) -> int:
    """Run again the tasks that did not complete.

    Give run ids, or a filter for failed and cancelled runs. Outputs of completed tasks are kept and used.
    With a filter, it asks for confirmation on a terminal, unless --yes is given.
    """
    selection = read_selection(**choice)
    if tasks or input_json is not None:
        selection.require_one("--task" if tasks else "--input")
    if input_json is not None and (tasks or from_start or dry_run):
        raise click.UsageError("--input starts a new run, so leave out --task, --from-start and --dry-run")
    options: dict[str, Any] = {"from_start": from_start, "tasks": list(tasks) or None}
    if input_json is not None:
        options = {"input": read_json(input_json, "--input")}
    with open_plait() as plait:
        if tasks:
            return _report(_replay_tasks(plait, selection.ids[0], options, dry_run=dry_run), output)
        if selection.ids:
            order = partial(_replay_one, plait, options=options, dry_run=dry_run)
            return _report(_order_each(selection.ids, order), output)
        count = plait.runs.bulk_replay(filter=selection.filter, from_start=from_start, dry_run=True)
        if dry_run or not count.matched:
            return _report_bulk("would replay", replace(count, dry_run=dry_run), output)
        confirm(f"replay {_count(count.matched)}?", yes=yes)
        with showing_progress("replaying", count.matched) as tell:
            result = plait.runs.bulk_replay(
                filter=selection.filter, from_start=from_start, on_progress=lambda done: tell(done.matched)
            )
        return _report_bulk("replayed:", result, output)


def _cancel_one(plait: Plait, run_id: str, tally: Tally, *, dry_run: bool) -> None:
    if not dry_run and plait.runs.cancel(run_id):
        tally.note(run_id, "cancelled", done=True)
        return
    status = plait.runs.get_status(run_id).value
    tally.note(run_id, f"would be cancelled; it is {status}" if status in _ACTIVE else f"has ended: {status}")


def _replay_one(plait: Plait, run_id: str, tally: Tally, options: Mapping[str, Any], *, dry_run: bool) -> None:
    if dry_run:
        status = plait.runs.get_status(run_id).value
        again = status in _UNSUCCESSFUL or (status == "COMPLETED" and (options["from_start"] or options["tasks"]))
        tally.note(run_id, f"would be replayed; it is {status}" if again else f"cannot be replayed; it is {status}")
        return
    replayed = plait.runs.replay(run_id, **options).workflow_run_id
    tally.note(run_id, "replayed" if replayed == run_id else f"replayed as {replayed}", done=True)
    tally.runs[-1]["replayed_as"] = replayed


def _replay_tasks(plait: Plait, run_id: str, options: Mapping[str, Any], *, dry_run: bool) -> Tally:
    plait.runs.get(run_id)
    with looking_for(f"plait runs show {run_id}"):
        return _order_each([run_id], partial(_replay_one, plait, options=options, dry_run=dry_run))


def _order_each(run_ids: Sequence[str], order: Callable[[str, Tally], None]) -> Tally:
    """Cancel or replay the runs one by one. An error with one run does not stop the others."""
    tally = Tally()
    for run_id in run_ids:
        try:
            order(run_id, tally)
        except (NotFoundError, ReplayError) as error:
            if len(run_ids) == 1:
                raise _explain(error, run_id) from error
            tally.note_failure(run_id, error)
    return tally


def _explain(error: Exception, run_id: str) -> Exception:
    """The same with the way out as the command line spells it."""
    if not isinstance(error, ReplayError):
        return error
    active = "is active" in str(error)
    hint = f"plait runs wait {run_id}, or plait runs cancel {run_id}" if active else "--from-start, or --task NAME"
    return CommandError(str(error), code=EXIT_RUN_FAILED, hint=hint)


def _report(tally: Tally, output: str) -> int:
    if output != "table":
        print_data({"done": sum(run["done"] for run in tally.runs), "runs": tally.runs}, output)
        return tally.code
    for run in tally.runs:
        if "error" in run:
            say_error(run["error"])
        else:
            click.echo(f"{run['id']}  {run['outcome']}")
    if tally.code == EXIT_NOT_FOUND:
        say_hint("plait runs list")
    elif len(tally.runs) == 1 and "replayed_as" in tally.runs[0]:
        say_hint(f"plait runs tail {tally.runs[0]['replayed_as']}")
    return tally.code


def _report_bulk(verb: str, result: BulkResult, output: str) -> int:
    if output != "table":
        print_data(to_plain(result), output)
    elif not result.matched:
        click.echo("no run matches")
    else:
        click.echo(f"{verb} {_count(result.matched if result.dry_run else result.done)}")
    return 0


def _count(runs: int) -> str:
    return "1 run" if runs == 1 else f"{runs:,} runs"
