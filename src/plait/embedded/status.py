"""Looking at, and stopping, the embedded PostgreSQL of a project: for ``plait db`` and ``plait doctor``."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from plait.embedded.cluster import describe_log
from plait.embedded.instance import Instance, find_home, find_instance
from plait.embedded.locks import POLL_SECONDS, count_shared, is_held
from plait.embedded.postmaster import accepts_connections, is_alive, read_postmaster
from plait.embedded.server import build_dsn
from plait.errors import EmbeddedPostgresError


@dataclass(frozen=True, slots=True)
class EmbeddedStatus:
    """What is known about a project's server.

    ``running``: it answers. ``keeper_pid``: None if nobody would stop it; the next start adopts it.
    ``version``: the major version of the data, None before the first start. ``users``: the processes that use
    it, None where the system does not tell. The paths are None before the first start.
    """

    running: bool
    home: Path
    pid: int | None = None
    keeper_pid: int | None = None
    version: str | None = None
    users: int | None = None
    dsn: str | None = None
    data_dir: Path | None = None
    log_file: Path | None = None
    socket_dir: Path | None = None


def get_status(project: Path | None = None) -> EmbeddedStatus:
    """The state of the server of ``project`` (found as in ``start_embedded``). Changes nothing."""
    home = find_home(project)
    try:
        instance = find_instance(home)
        return EmbeddedStatus(running=False, home=home) if instance is None else _read_status(home, instance)
    except PermissionError as error:
        raise EmbeddedPostgresError(
            f"{home} belongs to another account: {error}. Run this command as its owner."
        ) from error


def _read_status(home: Path, instance: Instance) -> EmbeddedStatus:
    running = read_postmaster(instance.data_dir)
    try:
        version = (instance.data_dir / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        version = None
    return EmbeddedStatus(
        running=running is not None and running.is_ready and accepts_connections(running.socket_dir),
        home=home,
        pid=running.pid if running else None,
        keeper_pid=_read_keeper_pid(instance),
        version=version,
        users=count_shared(instance.users_lock),
        dsn=build_dsn(running.socket_dir) if running else None,
        data_dir=instance.data_dir,
        log_file=instance.log_file,
        socket_dir=running.socket_dir if running else None,
    )


def stop_embedded(project: Path | None = None, *, timeout: float = 90.0) -> bool:
    """Stop the server of ``project`` now, users or not; True if it ran. ``timeout`` is in seconds.

    Nothing that was committed is lost. A user that is left starts it again with its next ``start_embedded``
    or ``ensure_running``. Raises EmbeddedPostgresError when it does not end in time or belongs to another
    account.
    """
    home = find_home(project)
    instance = find_instance(home)
    if instance is None:
        return False
    deadline, found = time.monotonic() + timeout, False
    while time.monotonic() < deadline:
        try:
            pid = _choose_target(instance)
            if pid is None:
                return found
            if not found or not is_held(instance.keeper_lock):
                os.kill(pid, signal.SIGTERM if is_held(instance.keeper_lock) else signal.SIGINT)
        except ProcessLookupError:
            continue
        except PermissionError as error:
            raise EmbeddedPostgresError(f"The PostgreSQL of {home} belongs to another account: {error}.") from error
        found = True
        _wait_for_end(pid, deadline)
    raise EmbeddedPostgresError(f"PostgreSQL of {home} did not stop in {timeout:g} s." + describe_log(instance))


def _choose_target(instance: Instance) -> int | None:
    """Whom to signal: the keeper, which stops the server; without one, the postmaster itself."""
    keeper = _read_keeper_pid(instance)
    if keeper is not None:
        return keeper
    running = read_postmaster(instance.data_dir)
    return running.pid if running is not None and is_held(instance.server_lock) else None


def _read_keeper_pid(instance: Instance) -> int | None:
    if not is_held(instance.keeper_lock):
        return None
    text = instance.keeper_lock.read_text().strip()
    return int(text) if text.isdigit() else None


def _wait_for_end(pid: int, deadline: float) -> None:
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
