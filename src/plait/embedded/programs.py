"""Running PostgreSQL's programs under the server's account."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from plait.embedded.account import Account
from plait.embedded.locks import FileLock
from plait.errors import EmbeddedPostgresError

# The user's secrets stay with the user: the server gets only these variables.
_PASSED_ON = ("PATH", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs in ``folder``. Each inherits ``lock``, so it stays held while one of them lives."""

    folder: Path
    account: Account
    lock: FileLock

    def call(self, program: str, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run to the end with ``text`` as its input; output and errors come together in ``stdout``."""
        return subprocess.run(
            [str(self.folder / program), *arguments],
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            cwd="/",
            env=_build_environment(),
            pass_fds=(self.lock.descriptor,),
            user=self.account.user,
            group=self.account.group,
            extra_groups=self.account.extra_groups,
        )

    def run(self, program: str, *arguments: str, text: str = "") -> None:
        """As ``call``; raises EmbeddedPostgresError with the output when it fails."""
        result = self.call(program, *arguments, text=text)
        # A single-user server reports a failed statement and exits with 0.
        if result.returncode != 0 or "ERROR:" in result.stdout or "FATAL:" in result.stdout:
            command = " ".join([program, *arguments])
            raise EmbeddedPostgresError(
                f"`{command}` failed under uid {self.account.uid} (exit code {result.returncode}):\n"
                f"{result.stdout.strip()[-2000:]}\nIf this cannot be helped, set PLAIT_DATABASE_URL to a "
                "PostgreSQL that is already running."
            )

    def launch(self, program: str, *arguments: str, log: int) -> subprocess.Popen[bytes]:
        """Start in a session of its own, writing to the descriptor ``log``."""
        return subprocess.Popen(
            [str(self.folder / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=_build_environment(),
            pass_fds=(self.lock.descriptor,),
            start_new_session=True,
            user=self.account.user,
            group=self.account.group,
            extra_groups=self.account.extra_groups,
        )


def _build_environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**kept, "LC_ALL": "C"}
