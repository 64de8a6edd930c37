"""What a process calls to use the embedded PostgreSQL of its project."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from plait.embedded.binaries import find_binaries
from plait.embedded.cluster import DATABASE, SUPERUSER, describe_log
from plait.embedded.instance import Instance, find_home, prepare_instance
from plait.embedded.keeper import EXIT_OTHER_KEEPER
from plait.embedded.locks import FileLock, hold_exclusive, is_held, wait_shared
from plait.embedded.postmaster import Postmaster, accepts_connections, read_postmaster
from plait.errors import EmbeddedPostgresError
from plait.settings import settings


class EmbeddedPostgres:
    """This process's use of a project's server, until ``release()`` or the end of the process.

    Attributes: ``dsn`` (a URL for libpq, psycopg and asyncpg), ``socket_dir``, ``data_dir``, ``log_file``.
    A fork inherits the use: the server runs until the fork has released it or ended, too.
    """

    def __init__(self, instance: Instance, use: _Use, socket_dir: Path) -> None:
        self.socket_dir = socket_dir
        self.data_dir = instance.data_dir
        self.log_file = instance.log_file
        self.dsn = build_dsn(socket_dir)
        self._instance = instance
        self._use: _Use | None = use

    def ensure_running(self) -> None:
        """Start the server again if it was stopped or crashed; for use when a connection fails. Same errors
        as ``start_embedded``."""
        with _registry.guard:
            if self._use is None:
                raise EmbeddedPostgresError(f"{self!r} was released; call start_embedded again.")
            _ensure_server(self._instance, self._use, settings.embedded_timeout.total_seconds())

    def release(self) -> None:
        """This process no longer needs the server (as often as it started it). Idempotent."""
        with _registry.guard:
            use, self._use = self._use, None
            if use is not None:
                _registry.drop(self._instance, use)

    def __enter__(self) -> EmbeddedPostgres:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"EmbeddedPostgres(data_dir={str(self.data_dir)!r})"


class _Use:
    """The shared lock that makes this process a user, and how many handles it has given out on it."""

    def __init__(self, lock: FileLock) -> None:
        self.lock = lock
        self.handles = 0


class _Registry:
    """The servers this process uses."""

    def __init__(self) -> None:
        self.guard = threading.RLock()
        self.uses: dict[Path, _Use] = {}

    def join(self, instance: Instance, deadline: float) -> _Use:
        use = self.uses.get(instance.folder)
        if use is not None and use.lock.is_current():
            return use
        lock = wait_shared(instance.users_lock, deadline)
        if lock is None:
            raise EmbeddedPostgresError(
                f"The PostgreSQL of {instance.folder} is stopping, but does not end." + describe_log(instance)
            )
        os.utime(lock.descriptor)  # tells the keeper that somebody came, however shortly
        use = self.uses[instance.folder] = _Use(lock)
        return use

    def drop(self, instance: Instance, use: _Use) -> None:
        use.handles -= 1
        if use.handles <= 0:
            use.lock.close()  # never unlock: parent or child of a fork may share the description
            if self.uses.get(instance.folder) is use:
                del self.uses[instance.folder]

    def renew_guard(self) -> None:
        """After a fork: a thread of the parent may have held the guard and is not here to release it."""
        self.guard = threading.RLock()


_registry = _Registry()
os.register_at_fork(after_in_child=_registry.renew_guard)


def start_embedded(project: Path | None = None) -> EmbeddedPostgres:
    """Have the PostgreSQL of ``project`` running and count this process among its users.

    ``project``: the folder that has, or gets, ``.plait/``; None finds it from the current directory.
    PLAIT_HOME, if set, is used instead of ``<project>/.plait``. Blocking (about 1 s at the very first start,
    0.2 s after a stop, 1 ms when it runs), thread-safe, callable again at will. PLAIT_EMBEDDED_TIMEOUT
    (seconds, 60) bounds it, PLAIT_EMBEDDED_LINGER (seconds, 2) is how long the server outlives its last user.
    Raises EmbeddedPostgresError with the reason and the way out.
    """
    timeout = settings.embedded_timeout.total_seconds()
    home = find_home(project)
    try:
        instance = prepare_instance(home)
        with _registry.guard:
            use = _registry.join(instance, time.monotonic() + timeout)
            use.handles += 1
            try:
                running = _ensure_server(instance, use, timeout)
            except BaseException:
                _registry.drop(instance, use)
                raise
            return EmbeddedPostgres(instance, use, running.socket_dir)
    except PermissionError as error:
        raise EmbeddedPostgresError(
            f"{home} belongs to another account: uid {os.geteuid()} is denied {error.filename}. Run as the "
            "owner, point PLAIT_HOME to a folder of your own, or set PLAIT_DATABASE_URL."
        ) from error


def build_dsn(socket_dir: Path) -> str:
    """The URL of the database; ``socket_dir`` never holds a character that needs quoting."""
    return f"postgresql://{SUPERUSER}@/{DATABASE}?host={socket_dir}"


def read_ready_server(instance: Instance) -> Postmaster | None:
    """The running server, if it has a keeper, is ready and answers."""
    running = read_postmaster(instance.data_dir)
    if running is None or not running.is_ready or not is_held(instance.keeper_lock):
        return None
    return running if accepts_connections(running.socket_dir) else None


def _ensure_server(instance: Instance, use: _Use, timeout: float) -> Postmaster:
    """Called with the shared lock on the users, so a server that is ready stays ready (unless it crashes)."""
    running = read_ready_server(instance)
    if running is not None:
        return running
    deadline = time.monotonic() + timeout
    with hold_exclusive(instance.start_lock, deadline) as mine:
        running = read_ready_server(instance)
        while running is None:
            if time.monotonic() > deadline:
                whose = "" if mine else " (another process is starting it)"
                raise EmbeddedPostgresError(
                    f"PostgreSQL of {instance.folder} is not ready after {timeout:g} s{whose}. "
                    "PLAIT_EMBEDDED_TIMEOUT sets the limit." + describe_log(instance)
                )
            if mine and not is_held(instance.keeper_lock):
                _launch_keeper(instance, deadline)
            else:
                time.sleep(0.01)
            running = read_ready_server(instance)
    return running


def _launch_keeper(instance: Instance, deadline: float) -> None:
    """Start a keeper and wait until its server is ready; the way it failed becomes the error."""
    linger = settings.embedded_linger.total_seconds()
    seconds = max(1.0, deadline - time.monotonic())
    # -I -S: neither the environment nor site-packages are looked at; it starts faster and keeps nothing of
    # them.
    command = [_find_python(), "-I", "-S", str(Path(__file__).with_name("run_keeper.py"))]
    arguments = [str(instance.folder), str(find_binaries()), str(linger), str(seconds)]
    try:
        done = subprocess.run(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=seconds + 5,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        message = f"PostgreSQL of {instance.folder} did not start in {seconds:g} s."
        raise EmbeddedPostgresError(message + describe_log(instance)) from error
    if done.returncode not in (0, EXIT_OTHER_KEEPER):
        raise EmbeddedPostgresError(done.stderr.strip() or f"The keeper of {instance.folder} failed.")


def _find_python() -> str:
    """A Python interpreter; under uWSGI and the like ``sys.executable`` is something else."""
    folder = Path(sys.base_exec_prefix) / "bin"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    candidates = [Path(sys.executable or ""), folder / f"python{version}", folder / "python3"]
    for path in candidates:
        if path.name.startswith(("python", "pypy")) and os.access(path, os.X_OK):
            return str(path)
    raise EmbeddedPostgresError(
        f"No Python interpreter was found to run PostgreSQL's keeper (sys.executable is {sys.executable!r}). "
        "Set PLAIT_DATABASE_URL to a PostgreSQL that is already running."
    )
