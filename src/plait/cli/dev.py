"""``plait dev``: a worker that restarts when the code changes, with a database that Plait starts if needed."""

from __future__ import annotations

import logging
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from plait.cli.completing import complete_target
from plait.cli.database import find_source
from plait.cli.help import command
from plait.cli.links import noted_server
from plait.cli.logs import set_up_logging
from plait.cli.options import common_options, get_database_url, setting_option
from plait.cli.supervision import supervise
from plait.cli.text import clean, style
from plait.embedded import find_project, start_embedded
from plait.settings import Place, Settings
from plait.store.urls import hide_password

GRACE_SECONDS = 2.0
IGNORED = frozenset({"__pycache__", "node_modules", "site-packages", "venv", "env", "build", "dist"})

logger = logging.getLogger("plait.supervisor")


class FolderWatcher:
    """Finds Python files that were changed, added or removed below some folders, by looking at them."""

    def __init__(self, folders: list[Path]) -> None:
        # One below another would be looked at twice.
        self.folders = [
            folder for folder in dict.fromkeys(folders) if not any(other in folder.parents for other in folders)
        ]
        self._seen = self._look()

    def find_changes(self) -> list[str]:
        """Paths that changed since the last call."""
        now = self._look()
        before, self._seen = self._seen, now
        if now == before:
            return []
        changed = {path for path, state in now.items() if before.get(path) != state} | (before.keys() - now.keys())
        return sorted(_shorten(path) for path in changed)

    def _look(self) -> dict[str, tuple[int, int]]:
        return {path: state for folder in self.folders for path, state in _scan(str(folder))}


def _scan(folder: str) -> Iterator[tuple[str, tuple[int, int]]]:
    stack = [folder]
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        if entry.name not in IGNORED and not os.path.exists(f"{entry.path}/pyvenv.cfg"):
                            stack.append(entry.path)
                    elif entry.name.endswith(".py"):
                        status = entry.stat()
                        yield entry.path, (status.st_mtime_ns, status.st_size)
        except OSError:  # gone between two looks, or closed to us
            continue


def find_watched(target: str) -> list[Path]:
    """The folders whose code a target stands for: its own, and the project around it."""
    module, _, _ = target.partition(":")
    path = Path(module)
    here = path.resolve().parent if module.endswith(".py") or "/" in module else Path.cwd()
    project = find_project(here)
    too_wide = project in (Path("/"), Path.home())
    return [here] if too_wide else [project, here]


@command(
    None,
    ("workflows and the dashboard, while you write them", "plait dev flows.py --open"),
)
@click.argument("target", shell_complete=complete_target)
@setting_option("--slots", setting=Settings.worker_slots, help="How many tasks run at a time.")
@setting_option("--log-level", setting=Settings.log_level)
@setting_option("--log-format", setting=Settings.log_format)
@setting_option("--port", setting=Settings.server_port, help="Port of the dashboard.")
@click.option("--open", "open_page", is_flag=True, help="Open the dashboard in a browser.")
@click.option("--no-dashboard", is_flag=True, help="Do not serve the dashboard.")
@common_options
def dev(
    target: str, slots: int, log_level: str, log_format: str, port: int, open_page: bool, no_dashboard: bool
) -> int:
    """Serve the workflows of TARGET and restart whenever a .py file of the project changes.

    Without a database URL this keeps the embedded PostgreSQL running. The dashboard is served on this machine only; if
    its port is in use, the next free one is taken. Log lines of tasks (Python's logging) are stored with their runs.
    """
    set_up_logging(log_level, log_format)
    if Settings.capture_logs.find().place is Place.DEFAULT:
        os.environ[Settings.capture_logs.variables[0]] = "1"
    source = find_source()
    url = source.url or ""
    with ExitStack() as stack:
        if source.url is None:
            embedded = stack.enter_context(start_embedded())
            url = embedded.dsn
            _say("database", f"embedded PostgreSQL in {embedded.data_dir.parent}")
        else:
            _say("database", f"{hide_password(source.url)} ({source.origin})")
        watcher = FolderWatcher(find_watched(target))
        _say("watching", ", ".join(str(folder) for folder in watcher.folders))
        if not no_dashboard:
            address = stack.enter_context(_serve_dashboard(url, port))
            _say("dashboard", address)
            if open_page:
                click.launch(address)
        _say("try", f"plait run {shlex.quote(target)} --no-worker, plait runs list, plait db psql")
        options = [f"--slots={slots}", "--name=dev", f"--grace={GRACE_SECONDS}s"]
        options += [f"--log-level={log_level}", f"--log-format={log_format}"]
        return supervise(
            lambda _: [*options, "--", target],
            processes=1,
            grace=GRACE_SECONDS,
            database_url=get_database_url(),
            watcher=watcher,
        )


@contextmanager
def _serve_dashboard(url: str, port: int) -> Iterator[str]:
    """The dashboard on a thread of this process, for the time of the block; its address."""
    from plait.client import Plait  # noqa: PLC0415 - these three only where there is a dashboard
    from plait.server import serve as runner  # noqa: PLC0415

    plait = Plait(url)
    server = runner.start(plait, port=port)
    try:
        with noted_server(server.url):
            yield server.url
    finally:
        server.stop()
        plait.close()


def _say(what: str, text: str) -> None:
    click.echo(f"{style(f'{what:<9}', 'cyan', sys.stderr)} {clean(text)}", err=True)


def _shorten(path: str) -> str:
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
