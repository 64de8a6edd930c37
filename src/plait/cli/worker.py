"""``plait worker``: serve the workflows of an application."""

from __future__ import annotations

import click

from plait.cli.completing import complete_target
from plait.cli.help import command
from plait.cli.logs import set_up_logging
from plait.cli.options import common_options, get_database_url, setting_option
from plait.cli.supervision import serve_target, supervise
from plait.settings import Settings
from plait.worker.address import Address


@command(
    None,
    ("two processes of fifty tasks each", "plait worker myapp.flows:plait --processes 2 --slots 50"),
    (
        "in a container",
        "plait worker myapp.flows:plait --log-format json --grace 25s --health-port 8001 --health-host 0.0.0.0",
    ),
)
@click.argument("target", shell_complete=complete_target)
@setting_option("--slots", setting=Settings.worker_slots, help="How many tasks each process runs at a time.")
@setting_option("--processes", setting=Settings.worker_processes, help="Number of worker processes.")
@setting_option("--name", setting=Settings.worker_name)
@setting_option(
    "--grace", setting=Settings.worker_grace, help="Time for running tasks to finish after SIGTERM or Ctrl-C."
)
@setting_option("--log-level", setting=Settings.log_level)
@setting_option("--log-format", setting=Settings.log_format)
@setting_option("--health-port", setting=Settings.health_port, help="Port that answers /livez, /readyz and /metrics.")
@setting_option("--health-host", setting=Settings.health_host)
@click.option("--health-socket", hidden=True)
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
    health_port: int | None,
    health_host: str,
    health_socket: str | None,
    child: bool,
) -> int:
    """Serve the workflows of TARGET until SIGTERM or Ctrl-C; a second one stops at once.

    TARGET is package.module:attr or path/to/file.py:attr, where attr is a Plait or a workflow. If a
    process dies, a new one replaces it and its tasks run again at once. After a signal, tasks have the time of
    --grace to finish; a task that does not finish goes back to the queue and keeps all its retries.

    With --health-port one port answers for all processes: /readyz is 200 while all of them take tasks and 503 while
    any starts or stops; /metrics is for Prometheus.
    """
    set_up_logging(log_level, log_format)
    if child:
        serve_target(target, name=name, slots=slots, grace=grace, health_socket=health_socket)
        return 0

    def list_options(number: int) -> list[str]:
        numbered = name if processes == 1 else f"{name}-{number}"
        return [
            *(f"--slots={slots}", f"--name={numbered}", f"--grace={grace}s"),
            *(f"--log-level={log_level}", f"--log-format={log_format}", "--", target),
        ]

    return supervise(
        list_options,
        processes=processes,
        grace=grace,
        database_url=get_database_url(),
        health=None if health_port is None else Address(health_host, health_port),
    )
