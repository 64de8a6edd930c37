"""The command ``plait``. This module imports click alone; a command's own module comes with its first use."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from plait import __version__
from plait.cli.lazy import Entry, LazyGroup

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "run": Entry("Run a workflow and show its result.", "plait.cli.run:run"),
    "worker": Entry("Serve the workflows of an application.", "plait.cli.worker:worker"),
    "dev": Entry("Run a worker that restarts when the code changes.", "plait.cli.dev:dev"),
    "serve": Entry("Serve the dashboard and its API.", "plait.cli.serve:serve"),
    "open": Entry("Open a run in the dashboard.", "plait.cli.open:open_run"),
    "runs": Entry(
        "Look at runs, wait for them, cancel and replay them.",
        members={
            "list": Entry("List runs, newest first.", "plait.cli.runs:list_runs"),
            "show": Entry("Show one run with its tasks.", "plait.cli.runs:show_run"),
            "tree": Entry("Show a run with the runs that its tasks started.", "plait.cli.run_tree:show_tree"),
            "logs": Entry("Show what the tasks of a run logged.", "plait.cli.run_logs:show_logs"),
            "tail": Entry("Follow a run until it has ended.", "plait.cli.run_follow:tail_run"),
            "wait": Entry("Wait until runs have ended; print their results.", "plait.cli.run_follow:wait_runs"),
            "cancel": Entry("Cancel runs, or one task of a run.", "plait.cli.run_control:cancel_runs"),
            "replay": Entry("Run again the tasks that did not complete.", "plait.cli.run_control:replay_runs"),
        },
    ),
    "events": Entry(
        "Push events, and see what they did.",
        members={
            "push": Entry("Push an event.", "plait.cli.events:push_event"),
            "list": Entry("List events, newest first.", "plait.cli.events:list_events"),
            "show": Entry("Show one event and the runs it started.", "plait.cli.events:show_event"),
        },
    ),
    "filters": Entry(
        "Decide which events start a workflow.",
        members={
            "list": Entry("List filters.", "plait.cli.filters:list_filters"),
            "create": Entry("Make a filter.", "plait.cli.filters:create_filter"),
            "delete": Entry("Delete filters.", "plait.cli.filters:delete_filters"),
        },
    ),
    "crons": Entry(
        "Start runs on a timetable.",
        members={
            "list": Entry("List crons.", "plait.cli.crons:list_crons"),
            "show": Entry("Show one cron and its next fire times.", "plait.cli.crons:show_cron"),
            "create": Entry("Make a cron.", "plait.cli.crons:create_cron"),
            "pause": Entry("Stop crons for a while.", "plait.cli.crons:pause_crons"),
            "unpause": Entry("Start paused crons again.", "plait.cli.crons:unpause_crons"),
            "run": Entry("Start a run of a cron now.", "plait.cli.crons:run_cron"),
            "delete": Entry("Delete crons.", "plait.cli.crons:delete_crons"),
        },
    ),
    "scheduled": Entry(
        "Start runs at a given time.",
        members={
            "list": Entry("List scheduled runs, the latest first.", "plait.cli.scheduled:list_scheduled"),
            "create": Entry("Schedule a run.", "plait.cli.scheduled:create_scheduled"),
            "update": Entry("Move a scheduled run to another time.", "plait.cli.scheduled:update_scheduled"),
            "delete": Entry("Delete scheduled runs.", "plait.cli.scheduled:delete_scheduled"),
        },
    ),
    "workflows": Entry(
        "Look at the workflows in the database.",
        members={
            "list": Entry("List workflows.", "plait.cli.workflows:list_workflows"),
            "show": Entry("Show one workflow with its tasks.", "plait.cli.workflows:show_workflow"),
            "graph": Entry("Draw the graph of a workflow.", "plait.cli.workflows:draw_workflow"),
        },
    ),
    "workers": Entry(
        "Look at the processes that run tasks.",
        members={
            "list": Entry("List workers.", "plait.cli.workers:list_workers"),
            "show": Entry("Show one worker and what it runs now.", "plait.cli.workers:show_worker"),
        },
    ),
    "top": Entry("Show workers, queues and throughput, live.", "plait.cli.top:top"),
    "db": Entry(
        "Manage the database: its URL, its schema, a psql prompt.",
        members={
            "url": Entry("Print the URL of the database in use.", "plait.cli.db:url"),
            "status": Entry(
                "Show the database, its version, and whether the schema is up to date.", "plait.cli.db:status"
            ),
            "upgrade": Entry("Bring the schema up to date.", "plait.cli.db:upgrade"),
            "sql": Entry("Print the SQL of the schema, to apply it by hand.", "plait.cli.db:sql"),
            "prune": Entry("Delete runs that ended long ago.", "plait.cli.db_prune:prune_database"),
            "move": Entry("Move everything into another database.", "plait.cli.db_move:move_database"),
            "psql": Entry("Open psql on the database.", "plait.cli.db:psql"),
            "stop": Entry("Stop this project's embedded PostgreSQL.", "plait.cli.db:stop"),
        },
    ),
    "config": Entry(
        "Show the settings and where each value comes from.",
        members={"show": Entry("Show every setting and where its value comes from.", "plait.cli.config:show_config")},
    ),
    "doctor": Entry("Check the set-up and say how to fix it.", "plait.cli.doctor:doctor"),
    "completion": Entry("Print a script that adds completion to your shell.", "plait.cli.completion:completion"),
}

HELP = """Durable DAG workflows for Python, on PostgreSQL alone.

Without --database-url, PLAIT_DATABASE_URL or DATABASE_URL, Plait starts a PostgreSQL of its own in the
project folder.

\b
  plait run flows.py:hello name=World     run a workflow and show its result
  plait dev flows.py                      serve workflows and the dashboard, restart when the code changes
"""


@click.group(cls=LazyGroup, entries=COMMANDS, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="plait %(version)s")
@click.option(
    "--database-url", metavar="URL", help="URL of the PostgreSQL to use; overrides PLAIT_DATABASE_URL and DATABASE_URL."
)
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks of errors (also PLAIT_DEBUG=1).")
@click.option("--no-pager", is_flag=True, help="Do not use a pager for long output.")
@click.pass_context
def plait(context: click.Context, database_url: str | None, no_pager: bool) -> None:
    context.meta["plait.database_url"] = database_url
    context.meta["plait.no_pager"] = no_pager
    if os.environ.get("FORCE_COLOR", "0") != "0":
        context.color = True  # then click leaves to plait.cli.text what is coloured


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its code: 0 ok, 1 run failed, 2 usage, 3 cannot connect, 4 not
    found, 124 timeout, 130 interrupted, 70 a bug in Plait."""
    sys.exit(execute(arguments))


def execute(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = plait.main(arguments, prog_name="plait", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, `head` perhaps, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141  # EXIT_READER_GONE
    except BaseException as error:
        from plait.cli.failures import report_error  # noqa: PLC0415 - only when something failed

        return report_error(error, debug="--debug" in arguments)
    return code if isinstance(code, int) else 0
