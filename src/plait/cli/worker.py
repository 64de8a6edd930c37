"""``plait worker``: serve the workflows of an application."""

from __future__ import annotations

import click

from plait.cli.logs import FORMATS, LEVELS, set_up_logging
from plait.cli.options import DurationType, common_options, get_database_url
from plait.cli.serving import serve_target, supervise


@click.command()
@click.argument("target")
@click.option("--slots", type=click.IntRange(min=1), default=100, show_default=True, help="Tasks per process.")
@click.option("--processes", type=click.IntRange(1, 1000), default=1, show_default=True, help="Worker processes.")
@click.option("--name", default="worker", show_default=True, help="A label for people.")
@click.option(
    "--grace",
    type=DurationType(zero=True),
    default=30.0,
    show_default="30s",
    help="Time that running tasks have after SIGTERM or Ctrl-C.",
)
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True)
@click.option("--log-format", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--child", is_flag=True, hidden=True)
@common_options
def worker(
    target: str,
    slots: int,
    processes: int,
    name: str,
    grace: float,
    log_level: str,
    log_format: str,
    child: bool,
) -> int:
    """Serve the workflows of TARGET until SIGTERM or Ctrl-C; a second one stops at once.

    TARGET is package.module:attr or path/to/file.py:attr, where attr is a Plait or a workflow. A process that
    dies is replaced, and its tasks run again without waiting for its lease. What running tasks do not finish
    within the grace is handed back, without costing them a retry.
    """
    set_up_logging(log_level, log_format)
    if child:
        serve_target(target, name=name, slots=slots, grace=grace)
        return 0

    def list_options(number: int) -> list[str]:
        numbered = name if processes == 1 else f"{name}-{number}"
        return [
            *(f"--slots={slots}", f"--name={numbered}", f"--grace={grace}s"),
            *(f"--log-level={log_level}", f"--log-format={log_format}", "--", target),
        ]

    return supervise(list_options, processes=processes, grace=grace, database_url=get_database_url())
