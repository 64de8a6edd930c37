"""Making, starting and stopping PostgreSQL on an instance folder. Used by the keeper alone."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

from plait.embedded.account import Account, can_traverse, choose_account
from plait.embedded.binaries import parse_major, prepare_binaries, read_version
from plait.embedded.instance import PORT, SPACES, Instance, prepare_socket_dir
from plait.embedded.locks import FileLock, open_owned
from plait.embedded.postmaster import read_postmaster
from plait.embedded.programs import Programs
from plait.embedded.settings import render_settings
from plait.errors import EmbeddedPostgresError

DATABASE = "plait"
SUPERUSER = "plait"
_DRAFT = "data.init-"
_POLL = 0.005


class Cluster:
    """One data folder and the server that runs on it, its own child or adopted from a keeper that died."""

    def __init__(self, instance: Instance, binaries: Path) -> None:
        self.instance = instance
        self.account: Account = choose_account(instance.data_dir)
        self._found_binaries = binaries
        self._binaries: Path | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None
        self._socket_dir: Path | None = None

    @property
    def pid(self) -> int | None:
        return self._pid

    @property
    def binaries(self) -> Path:
        """The programs, or their copy that the server's account can reach."""
        if self._binaries is None:
            if not can_traverse(self.instance.folder, self.account):
                raise EmbeddedPostgresError(
                    f"{self.instance.folder} is closed to the account with uid {self.account.uid} that has "
                    "to run PostgreSQL for root. Open its parent folders to that account (chmod o+x), move "
                    "the project, or set PLAIT_HOME or PLAIT_DATABASE_URL."
                )
            self._binaries = prepare_binaries(self._found_binaries, self.account, SPACES)
        return self._binaries

    def start(self, deadline: float) -> None:
        """Have the server ready: adopt the one that runs, else initialise the data if needed and start one.

        ``deadline`` is of ``time.monotonic``; past it, and when PostgreSQL ends, EmbeddedPostgresError is
        raised.
        """
        with _ServerLock(self.instance) as lock:
            while not lock.try_exclusive():
                running = read_postmaster(self.instance.data_dir)
                if running is not None and running.status in ("ready", "starting"):
                    self._child, self._pid, self._socket_dir = None, running.pid, running.socket_dir
                    self._wait_ready(deadline)
                    return
                if time.monotonic() > deadline:
                    raise EmbeddedPostgresError(
                        f"Processes of an earlier PostgreSQL on {self.instance.data_dir} do not end, "
                        f"perhaps in another container. See {self.instance.log_file}."
                    )
                time.sleep(_POLL)
            # No process of an earlier server lives: what it left behind is stale.
            (self.instance.data_dir / "postmaster.pid").unlink(missing_ok=True)
            programs = Programs(self.binaries, self.account, lock)
            self._initialise(programs)
            self._launch(programs)
        self._wait_ready(deadline)

    def is_running(self) -> bool:
        if self._child is not None:
            return self._child.poll() is None
        adopted = read_postmaster(self.instance.data_dir)
        return adopted is not None and adopted.pid == self._pid

    def stop(self, *, fast_seconds: float = 60) -> None:
        """Stop the server and wait for its end: a clean shutdown, past ``fast_seconds`` an immediate one."""
        for number, seconds in ((signal.SIGINT, fast_seconds), (signal.SIGQUIT, 10.0)):
            if self._pid is None or not self.is_running():
                break
            os.kill(self._pid, number)
            limit = time.monotonic() + seconds
            while self.is_running() and time.monotonic() < limit:
                time.sleep(_POLL)
        self._child = self._pid = None
        if self._socket_dir is not None and self._socket_dir.parent != self.instance.folder:
            with contextlib.suppress(OSError):
                self._socket_dir.rmdir()

    def _initialise(self, programs: Programs) -> None:
        """Make the data folder if there is none: a draft is renamed when it is whole and on disk."""
        data_dir = self.instance.data_dir
        for draft in data_dir.parent.glob(f"{_DRAFT}*"):
            shutil.rmtree(draft, ignore_errors=True)  # of an initdb that was killed
        if data_dir.exists():
            self._check_version()
            return
        draft = data_dir.with_name(_DRAFT + secrets.token_hex(4))
        draft.mkdir(mode=0o700)
        if self.account.switch:
            os.chown(draft, self.account.uid, self.account.gid)
        options = ["--no-locale", "--encoding=UTF8", f"--username={SUPERUSER}", "--auth=trust", "--no-sync"]
        programs.run("initdb", "-D", str(draft), *options)
        create = f"CREATE DATABASE {DATABASE}"
        programs.run("postgres", "--single", "-F", "-D", str(draft), "template1", text=create)
        programs.run("initdb", "--sync-only", "-D", str(draft))
        draft.rename(data_dir)
        _sync_folder(data_dir.parent)

    def _check_version(self) -> None:
        try:
            found = (self.instance.data_dir / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            raise EmbeddedPostgresError(
                f"{self.instance.data_dir} is no PostgreSQL data folder (it has no PG_VERSION). Move it away."
            ) from None
        version = read_version(self.binaries)
        if parse_major(found) != parse_major(version):
            raise EmbeddedPostgresError(
                f"The data in {self.instance.data_dir} was made by PostgreSQL {found}; the programs in {self.binaries} "
                f"are {version} and cannot read it. Either dump it with PostgreSQL {found} (pg_dumpall) and load it "
                "here after moving the folder away; or move the folder away and start with an empty database; or set "
                f"PLAIT_DATABASE_URL to a PostgreSQL {found} that runs on it."
            )

    def _write_settings(self, programs: Programs, socket_dir: Path) -> None:
        data_dir, library = self.instance.data_dir, programs.folder.parent / "lib"
        names = ("pg_stat_statements.so", "pg_stat_statements.dylib")
        probe = ("-C", "wal_compression", "-c", "wal_compression=lz4", "-D", str(data_dir))
        text = render_settings(
            user_conf=data_dir / "postgresql.conf",
            socket_dir=socket_dir,
            port=PORT,
            has_lz4=programs.call("postgres", *probe).returncode == 0,
            has_statements=any((folder / n).exists() for folder in (library, library / "postgresql") for n in names),
        )
        draft = self.instance.conf_file.with_name(f".conf-{secrets.token_hex(4)}")
        with os.fdopen(open_owned(draft, os.O_WRONLY), "w") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o644)  # root writes it, the server's account reads it
        draft.replace(self.instance.conf_file)

    def _launch(self, programs: Programs) -> None:
        self._socket_dir = prepare_socket_dir(self.instance, self.account)
        for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
            (self._socket_dir / name).unlink(missing_ok=True)  # stale: no process of an earlier server lives
        self._write_settings(programs, self._socket_dir)
        conf = f"config_file={self.instance.conf_file}"
        log = open_owned(self.instance.log_file, os.O_WRONLY | os.O_APPEND)
        try:
            self._child = programs.launch("postgres", "-D", str(self.instance.data_dir), "-c", conf, log=log)
        finally:
            os.close(log)
        self._pid = self._child.pid

    def _wait_ready(self, deadline: float) -> None:
        while True:
            if not self.is_running():
                raise EmbeddedPostgresError("PostgreSQL ended while it started." + describe_log(self.instance))
            running = read_postmaster(self.instance.data_dir)
            if running is not None and running.pid == self._pid and running.is_ready:
                return
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError("PostgreSQL is not ready in time." + describe_log(self.instance))
            time.sleep(_POLL)


class _ServerLock(FileLock):
    """``server.lock``. Closed without unlocking: the server that inherited the descriptor keeps the lock."""

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance.server_lock)

    def __enter__(self) -> _ServerLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def describe_log(instance: Instance, lines: int = 15) -> str:
    """The end of the log and where it is, to be added to an error message."""
    try:
        tail = instance.log_file.read_text(errors="replace")[-8000:].splitlines()[-lines:]
    except OSError:
        tail = []
    return f" Log: {instance.log_file}" + "".join(f"\n  | {line}" for line in tail)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
