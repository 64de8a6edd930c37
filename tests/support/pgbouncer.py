"""A PgBouncer in front of the server of the tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest

from plait.embedded.account import choose_account
from support.server import OwnServer
from support.waiting import eventually

_SETTINGS = """
[databases]
* = host={server} port=5432 user=plait
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = {folder}
auth_type = any
pool_mode = {mode}
default_pool_size = 30
max_client_conn = 500
logfile = {folder}/log
"""


def find_pgbouncer() -> str:
    """The program. Without it the test is left out, and says so; in CI that is a failure."""
    found = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if found:
        return found
    message = "pgbouncer is not there (Debian: apt install pgbouncer)"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


class PgBouncer:
    """As its guide begins, nothing set for Plait: ``mode`` is session or transaction."""

    def __init__(self, server: OwnServer, mode: str) -> None:
        program = find_pgbouncer()
        self.folder = Path(tempfile.mkdtemp(prefix="plait-bouncer-"))
        self.folder.chmod(0o755)
        account = choose_account(server.folder / "data")
        settings = self.folder / "pgbouncer.ini"
        settings.write_text(_SETTINGS.format(server=server.folder, folder=self.folder, mode=mode))
        if account.switch:
            os.chown(self.folder, account.uid, account.gid)
        self._process = subprocess.Popen(
            [program, "-q", str(settings)],
            user=account.user,
            group=account.group,
            extra_groups=account.extra_groups,
            stderr=subprocess.DEVNULL,
        )
        eventually(self._answers, "PgBouncer answers")

    def build_url(self, database: str) -> str:
        return f"postgresql://plait@/{database}?host={self.folder}&port=6432"

    def close(self) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.build_url("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True
