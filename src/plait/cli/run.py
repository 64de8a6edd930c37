"""``plait run``: start a run, work on it right here, show it, print its result."""

from __future__ import annotations

import asyncio
import logging
import shlex
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from plait.cli.completing import complete_target
from plait.cli.displays import Display, LiveTree, ProgressLines, can_animate
from plait.cli.failures import (
    EXIT_INTERRUPTED,
    EXIT_RUN_FAILED,
    EXIT_TIMEOUT,
    say_error,
    say_hint,
)
from plait.cli.help import command
from plait.cli.inputs import RunCommand, read_input
from plait.cli.logs import set_up_logging
from plait.cli.options import DurationType, common_options, get_database_url, output_option, parse_pairs, setting_option
from plait.cli.output import print_data, print_result
from plait.cli.running import LocalWorker, ResultStdout, describe_run, follow_run
from plait.cli.target import Target, load_target
from plait.cli.text import clean, style, to_json
from plait.declaration.base import get_input_type
from plait.features.refs import collect_outputs
from plait.graph.definition import TaskKind
from plait.settings import Settings, settings
from plait.values.encoding import decode_json

if TYPE_CHECKING:
    from plait.engine.waiter import RunOutcome


class Stopped(BaseException):
    """SIGTERM arrived."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asked for, besides the target."""

    output: str | None
    timeout: float | None
    work_here: bool
    slots: int


@command(
    None,
    ("a workflow, with its input as fields", "plait run flows.py:hello name=World"),
    ("the input from a file, the result into one", "plait run myapp.flows:pipeline -f input.json > result.json"),
    ("let other workers run it, and do not wait", "plait run flows.py:hello name=World --detach"),
    cls=RunCommand,
)
@click.argument("target", shell_complete=complete_target)
@click.argument("pairs", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("-i", "--input", "input_json", metavar="JSON", help="The input as JSON.")
@click.option("-f", "--input-file", metavar="FILE", help="A file with the input as JSON; - is stdin.")
@click.option("--workflow", metavar="NAME", help="Name of the workflow, if TARGET has more than one.")
@click.option("--metadata", metavar="KEY=VALUE", multiple=True, help="Additional metadata; may be repeated.")
@click.option("--priority", type=click.IntRange(1, 3), help="Priority: 1 (low) to 3 (high).")
@click.option("--timeout", type=DurationType(), help="Stop waiting after that (exit code 124); the run goes on.")
@setting_option("--slots", setting=Settings.worker_slots, help="How many tasks run at a time.")
@click.option("--no-worker", is_flag=True, help="Leave the work to workers elsewhere and wait for them.")
@click.option("--detach", is_flag=True, help="Start the run, print its id and return.")
@output_option(default=None)
@setting_option("--log-level", setting=Settings.log_level, fallback="warning")
@common_options
def run(
    target: str,
    pairs: Sequence[str],
    input_json: str | None,
    input_file: str | None,
    workflow: str | None,
    metadata: Sequence[str],
    priority: int | None,
    timeout: float | None,
    slots: int,
    no_worker: bool,
    detach: bool,
    output: str | None,
    log_level: str,
) -> int:
    """Run a workflow and show its result.

    TARGET is package.module:attr or path/to/file.py:attr, where attr is a workflow, or a Plait. The tasks run
    in this process unless --no-worker or --detach says otherwise. On a terminal the graph is shown live;
    elsewhere stdout gets the result as JSON and nothing else, and stderr the progress.

    Exit codes: 0 completed, 1 failed or cancelled, 2 usage, 3 cannot connect, 4 not found, 124 timeout,
    130 interrupted.
    """
    stdout = ResultStdout() if output is not None or not can_animate() else None
    try:
        set_up_logging(log_level, settings.log_format)
        logging.getLogger("plait.task").setLevel(logging.INFO)  # what tasks say by ctx.log is output
        loaded = load_target(target, get_database_url())
        chosen = loaded.choose_workflow(workflow)
        value = read_input(chosen, input_json, input_file, pairs)
        get_input_type(chosen).encode(
            value, loaded.plait.payload_limit
        )  # a bad input shall not need a database to be told so
        extra = parse_pairs(metadata, "--metadata")
        reference: Any = chosen.run_no_wait(value, additional_metadata=extra, priority=priority)
        run_id = str(reference.workflow_run_id)
        if detach:
            if stdout is not None:
                stdout.release()
            return _report_detached(loaded, chosen.name, run_id, output)
        request = Request(output, timeout, not no_worker, slots)
        return _wait_and_report(loaded, run_id, request, stdout)
    finally:
        if stdout is not None:
            stdout.release()


def _report_detached(target: Target, workflow: str, run_id: str, output: str | None) -> int:
    entry = {"id": run_id, "workflow": workflow, "status": "QUEUED"}
    print_result(entry, output or "table", run_id)
    say_hint(f"plait runs show {run_id}; it runs where a worker serves it: plait worker {shlex.quote(target.text)}")
    return 0


def _wait_and_report(target: Target, run_id: str, request: Request, stdout: ResultStdout | None) -> int:
    display: Display = ProgressLines() if stdout is not None else LiveTree()
    outcome: RunOutcome | None = None
    code = EXIT_TIMEOUT
    worker = LocalWorker(target.plait, slots=request.slots) if request.work_here else None

    def check() -> None:
        if worker is not None and worker.error is not None:
            raise worker.error

    previous = signal.signal(signal.SIGTERM, _raise_stopped)
    try:
        with display:
            outcome = asyncio.run(
                follow_run(
                    target.plait,
                    run_id,
                    display,
                    timeout=request.timeout,
                    check=check,
                    target=shlex.quote(target.text),
                )
            )
    except (KeyboardInterrupt, Stopped) as interrupt:
        code = EXIT_INTERRUPTED if isinstance(interrupt, KeyboardInterrupt) else 128 + signal.SIGTERM
        if worker is not None:
            click.echo("handing running tasks back to other workers …", err=True)
    finally:
        if worker is not None:
            worker.stop()
        signal.signal(signal.SIGTERM, previous)
    if stdout is not None:
        stdout.release()
    if outcome is None:
        return _report_unfinished(target, run_id, request, code)
    return _report_outcome(target, outcome, request, live=stdout is None)


def _raise_stopped(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Stopped


def _report_unfinished(target: Target, run_id: str, request: Request, code: int) -> int:
    if request.output in ("json", "yaml"):
        print_data(describe_run(target.plait.runs.get_details(run_id)), request.output)
    what = f"not done after {request.timeout:g} s" if code == EXIT_TIMEOUT else "interrupted"
    say_error(f"{what}; run {run_id} is not lost: it is durable and goes on where a worker serves it")
    look = f"plait runs show {run_id}"
    say_hint(f"plait worker {shlex.quote(target.text)} to go on, {look} to look at it" if request.work_here else look)
    return code


def _report_outcome(target: Target, outcome: RunOutcome, request: Request, *, live: bool) -> int:
    completed = outcome.status.name == "COMPLETED"
    result = _read_result(target, outcome) if completed else None
    if request.output in ("json", "yaml"):
        print_data(describe_run(target.plait.runs.get_details(str(outcome.run_id)), result), request.output)
    elif request.output == "table":
        from plait.cli.runs import format_details  # noqa: PLC0415 - for this format only

        click.echo(format_details(target.plait.runs.get_details(str(outcome.run_id))))
    elif completed and live:
        shown = _keep_last_outputs(target, outcome, result)
        click.echo(f"{style('result', 'green', sys.stdout)} {clean(to_json(shown, indent=2))}")
        if shown is not result:
            say_hint(f"plait runs show {outcome.run_id} -o json for every task's output")
    elif completed:
        click.echo(to_json(result))
    if completed:
        return 0
    _say_failure(outcome)
    return EXIT_RUN_FAILED


def _read_result(target: Target, outcome: RunOutcome) -> Any:
    """What the workflow's ``run`` returns, as JSON: each task's output by name, or a standalone's own."""
    workflow = target.plait.declared.get(outcome.workflow_name)
    if workflow is not None and hasattr(workflow, "fn"):
        return decode_json(outcome.tasks[0].output or b"null")
    return collect_outputs(outcome)


def _keep_last_outputs(target: Target, outcome: RunOutcome, result: Any) -> Any:
    """The outputs of the tasks that no other task builds on: what a person wants to see of a large result."""
    workflow = target.plait.declared.get(outcome.workflow_name)
    if workflow is None or hasattr(workflow, "fn"):
        return result
    tasks = workflow.definition.tasks
    built_on = {tasks[parent].name for task in tasks if task.kind is TaskKind.TASK for parent in task.parents}
    return {name: output for name, output in result.items() if name not in built_on} if built_on else result


def _say_failure(outcome: RunOutcome) -> None:
    errors = [task.error for task in outcome.tasks if task.status.name == "FAILED" and task.error is not None]
    detail = "\n".join(error.trace.rstrip() or str(error) for error in errors[:5])
    names = ", ".join(error.task_name for error in errors[:5]) + (" …" if len(errors) > 5 else "")
    word = outcome.status.name
    what = f"run {outcome.run_id} of workflow {outcome.workflow_name!r} ended {word}"
    say_error(f"{what}: {names}" if names else what, hint=f"plait runs show {outcome.run_id}", detail=detail)
