"""Which account runs PostgreSQL, and what that account can reach.

PostgreSQL refuses to run as root. A root process (the usual case in containers) runs it under an unprivileged
account instead, without changing the permissions of any folder that Plait did not make.
"""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from plait.errors import EmbeddedPostgresError


@dataclass(frozen=True, slots=True)
class Account:
    """The user and group PostgreSQL's processes run under. ``switch`` says that root has to change to it."""

    uid: int
    gid: int
    switch: bool

    @property
    def user(self) -> int | None:
        """``user=`` of subprocess; None when there is nothing to change."""
        return self.uid if self.switch else None

    @property
    def group(self) -> int | None:
        """``group=`` of subprocess."""
        return self.gid if self.switch else None

    @property
    def extra_groups(self) -> list[int] | None:
        """``extra_groups=`` of subprocess: those of root are dropped."""
        return [] if self.switch else None


def choose_account(data_dir: Path) -> Account:
    """The account for the server of ``data_dir``, which need not exist yet.

    Not root: the caller's own. Root: the owner of the existing data; else the owner of the project, so that
    the owner can go on without root; else ``postgres``; else ``nobody``. Raises EmbeddedPostgresError when
    root finds no unprivileged account.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), switch=False)
    for folder in (data_dir, *data_dir.parents):
        if folder.is_dir():
            owner = folder.stat()
            if owner.st_uid != 0 and (folder == data_dir or _is_known(owner.st_uid)):
                return Account(owner.st_uid, owner.st_gid, switch=True)
            break
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(entry.pw_uid, entry.pw_gid, switch=True)
    raise EmbeddedPostgresError(
        "This process runs as root, PostgreSQL does not, and there is no account 'postgres' or 'nobody' to "
        "run it under. Add one (for example `useradd --system postgres`), run Plait as an ordinary user, "
        "or set PLAIT_DATABASE_URL to a PostgreSQL that is already running."
    )


def _is_known(uid: int) -> bool:
    """Whether the uid has a passwd entry: initdb refuses to run without one."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def can_traverse(folder: Path, account: Account) -> bool:
    """Whether the account may pass through ``folder`` and every folder above it, judged by the mode bits."""
    if not account.switch:
        return True
    resolved = folder.resolve()
    return all(_may_enter(path, account) for path in (resolved, *resolved.parents))


def _may_enter(path: Path, account: Account) -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)
