"""The PostgreSQL that the tests use: a real one, made for the session in a folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

from plait.embedded.account import choose_account
from plait.embedded.binaries import find_binaries, prepare_binaries
from plait.embedded.locks import FileLock
from plait.embedded.programs import Programs
from plait.store import schema
from support.faketime import MovableClock
from support.waiting import eventually

SCHEMA_VARIABLE = "PLAIT_TEST_SCHEMA"
"""Names a file with the SQL of another schema to test on: that of a later release (``tools/last_release.py``)."""

TEMPLATE = f"plait_template_{os.getpid()}"
"""A name of this process: those of `pytest -n` may share the server of ``TEST_DATABASE_URL``."""

# No fsync: these tests kill PostgreSQL, not the machine. No full-page images and no autovacuum: the budgets count
# bytes of WAL, which only the statements under test shall write. A deadlock is found at once.
SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{folder}'
max_connections = 150
shared_buffers = 64MB
fsync = off
full_page_writes = off
autovacuum = off
checkpoint_timeout = 1h
max_wal_size = 4GB
deadlock_timeout = 200ms
log_lock_waits = on
log_line_prefix = '%m [%p] %a %d: '
shared_preload_libraries = '{preload}'
timezone = 'UTC'
log_timezone = 'UTC'
"""


class Server(ABC):
    """A PostgreSQL on which databases are made for single tests."""

    url: str
    """Of a database to connect to for making others."""

    def __init__(self) -> None:
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    def run(self, sql: str, *, url: str | None = None) -> list[tuple[Any, ...]]:
        """Run one statement in autocommit and return its rows; without ``url`` always on the same connection."""
        if url is not None:
            with psycopg.connect(url, autocommit=True) as connection:
                return _execute(connection, sql)
        if self._connection is not None:
            try:
                return _execute(self._connection, sql)
            except psycopg.OperationalError:
                if not self._connection.closed:
                    raise
        self._connection = psycopg.connect(self.url, autocommit=True)
        return _execute(self._connection, sql)

    def disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def build_url(self, database: str) -> str:
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{database}"))

    def make_template(self) -> None:
        """A database with Plait's schema, from which those of the tests are copied."""
        self.run(f"DROP DATABASE IF EXISTS {TEMPLATE}")
        self.run(f"CREATE DATABASE {TEMPLATE}")
        with psycopg.connect(self.build_url(TEMPLATE), autocommit=True) as connection:
            other = os.environ.get(SCHEMA_VARIABLE)
            connection.execute(Path(other).read_bytes() if other else schema.render_sql().encode())
            connection.execute("VACUUM ANALYZE")
        # Statistics are copied along, and so is what the first session after the VACUUM notes about the catalogues.
        psycopg.connect(self.build_url(TEMPLATE)).close()

    @abstractmethod
    def read_log(self) -> str:
        """What the server has logged so far; empty where it cannot be read."""

    def read_new_log(self) -> str:
        """What it has logged since this was last asked: the fault of one test is not that of all that follow."""
        return ""

    @abstractmethod
    def close(self) -> None:
        """Give back everything that was made."""


def choose_space() -> str:
    """Memory, if there is enough: a database is 300 files, and nearly every test has one of its own made."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > 4 << 30 else "/tmp"


def _execute(connection: psycopg.Connection[tuple[Any, ...]], sql: str) -> list[tuple[Any, ...]]:
    cursor = connection.execute(sql)
    return cursor.fetchall() if cursor.description else []


class ForeignServer(Server):
    """The server of ``TEST_DATABASE_URL``. Its role must be allowed to create databases."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.make_template()

    def read_log(self) -> str:
        return ""

    def close(self) -> None:
        self.run(f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)")
        self.disconnect()


class OwnServer(Server):
    """A server of our own, from the embedded binaries; it can be killed and started again.

    ``primary``: be a synchronous standby of that server, which from then on commits nothing without this one.
    ``space``: the folder to be made in. ``movable``: have a clock that the test can set.
    """

    clock: MovableClock | None = None

    def __init__(self, primary: OwnServer | None = None, *, space: Path | None = None, movable: bool = False) -> None:
        super().__init__()
        # Not pytest's temporary folder: that is closed to the account that runs root's server.
        self.folder = Path(tempfile.mkdtemp(prefix="plait-test-", dir=space or choose_space()))
        self.folder.chmod(0o755)
        account = choose_account(self.folder / "data")
        binaries = prepare_binaries(find_binaries(), account, (self.folder,))
        self._lock = FileLock(self.folder / "server.lock")
        self._programs = Programs(binaries, account, self._lock)
        self._log = self.folder / "postgresql.log"
        self._read = 0
        """How far in it ``read_new_log`` has come."""
        self._child: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql://plait@/postgres?host={self.folder}"
        data = self.folder / "data"
        data.mkdir(mode=0o700)
        if account.switch:
            for path in (data, self.folder):
                os.chown(path, account.uid, account.gid)
        if primary is None:
            self._programs.run(
                "initdb", "-D", str(data), "--no-locale", "--encoding=UTF8", "--username=plait", "--auth=trust",
                "--no-sync",
            )  # fmt: skip
        else:
            self._programs.run(
                "pg_basebackup", "-D", str(data), "-h", str(primary.folder), "-U", "plait", "-R", "-c", "fast",
                "--no-sync",
            )  # fmt: skip
        library = next((binaries.parent / "lib").rglob("pg_stat_statements.*"), None)
        settings = SETTINGS.format(folder=self.folder, preload="pg_stat_statements" if library else "")
        with (data / "postgresql.conf").open("a") as file:
            file.write(settings)
            if primary is not None:
                file.write(f"primary_conninfo = 'user=plait host={primary.folder} application_name=standby'\n")
                (data / "postgresql.auto.conf").write_text("")  # where pg_basebackup has put another
        # Should this process be killed, its pipe closes and the server goes too.
        self._guard = subprocess.Popen(
            ["sh", "-c", f"read _; kill -QUIT $(head -1 {data}/postmaster.pid); sleep 1; rm -rf {self.folder}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        if movable:
            self.clock = MovableClock(self.folder)
        self.start()
        if primary is None:
            self.make_template()
            return
        primary.run("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        primary.run("SELECT pg_reload_conf()")
        eventually(lambda: primary.run("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"), "it follows")

    def promote(self) -> None:
        """A standby becomes the primary."""
        assert self.run("SELECT pg_promote()") == [(True,)]

    @property
    def socket(self) -> Path:
        """The server's Unix socket."""
        return self.folder / ".s.PGSQL.5432"

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self._log.open("ab") as log:
            command = ["postgres", "-D", str(self.folder / "data")]
            if self.clock is not None:
                settings = [f"{name}={value}" for name, value in self.clock.environment.items()]
                command = ["/usr/bin/env", *settings, str(self._programs.folder / command[0]), *command[1:]]
            self._child = self._programs.launch(*command, log=log.fileno())
        eventually(self._answers, "PostgreSQL answers")

    def stop(self, *, immediate: bool = False) -> None:
        """Stop it: in good order, or as if it had crashed (``pg_ctl stop -m immediate``)."""
        assert self._child is not None
        self._child.send_signal(signal.SIGQUIT if immediate else signal.SIGINT)
        self._child.wait(60)
        self._child = None

    def ensure_started(self) -> None:
        """Start it if the last test left it stopped."""
        if self._child is None or self._child.poll() is not None:
            self.start()

    def read_log(self) -> str:
        return self._log.read_text(errors="replace")

    def read_new_log(self) -> str:
        with self._log.open("rb") as log:
            log.seek(self._read)
            new = log.read()
        new = new[: new.rfind(b"\n") + 1]
        self._read += len(new)
        return new.decode(errors="replace")

    def close(self) -> None:
        self.disconnect()
        if self._child is not None:
            self.stop()
        self._guard.kill()
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait()
        self._lock.close()
        shutil.rmtree(self.folder)

    def _answers(self) -> bool:
        try:
            return bool(self.run("SELECT 1"))
        except psycopg.OperationalError:
            return False


def open_server() -> Server:
    """The server for this process: that of ``TEST_DATABASE_URL``, or one of our own."""
    url = os.environ.get("TEST_DATABASE_URL")
    return ForeignServer(url) if url else OwnServer()
