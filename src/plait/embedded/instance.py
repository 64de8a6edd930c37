"""Where the files of a project's PostgreSQL are.

``<project>/.plait/postgres/`` is the *instance folder*: data, socket, lock files, log. A root process whose
project is closed to the server's account (``/root`` is 0700) puts it elsewhere;
``<project>/.plait/postgres.json`` says where.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from plait.embedded.account import Account, can_traverse, choose_account
from plait.errors import EmbeddedPostgresError
from plait.settings.project import find_project, is_trusted

SPACES = (
    Path("/var/lib/plait"),
    Path("/var/tmp/plait-root"),
)  # of root; the second survives a read-only /var/lib
PORT = 5432
_SOCKET_PATH_BYTES = 103  # macOS has 104 with the final NUL, Linux 108
_LONGEST_SOCKET_DIR = _SOCKET_PATH_BYTES - len(f"/.s.PGSQL.{PORT}")
_INSIDE = "postgres"
RECORD = "postgres.json"


@dataclass(frozen=True, slots=True)
class Instance:
    """The paths of one embedded PostgreSQL. ``folder`` is the instance folder."""

    folder: Path

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def log_file(self) -> Path:
        return self.folder / "postgres.log"

    @property
    def conf_file(self) -> Path:
        """Plait's settings. Outside the data folder: root never writes where the server's account may."""
        return self.folder / "postgresql.plait.conf"

    @property
    def users_lock(self) -> Path:
        """Held shared by every user; exclusively by the keeper while it stops the server."""
        return self.folder / "users.lock"

    @property
    def start_lock(self) -> Path:
        """Held exclusively by the one user that starts the server."""
        return self.folder / "start.lock"

    @property
    def keeper_lock(self) -> Path:
        """Held exclusively by the keeper, as long as it lives; contains its pid."""
        return self.folder / "keeper.lock"

    @property
    def server_lock(self) -> Path:
        """Held exclusively by PostgreSQL's own processes, as long as one of them lives."""
        return self.folder / "server.lock"


def find_home(project: Path | None) -> Path:
    """The ``.plait`` folder: ``PLAIT_HOME`` if set, else that of ``project``, else the one that the settings of the
    project found here name, else its own."""
    from plait.settings import Place, Settings  # noqa: PLC0415 - the keeper uses this module and reads no settings

    chosen = Settings.home.find()
    if chosen.value is not None and (project is None or chosen.place is Place.ENVIRONMENT):
        return chosen.value
    home = (find_project() if project is None else Path(project).resolve()) / ".plait"
    if home.is_dir() and not is_trusted(home):
        raise EmbeddedPostgresError(
            f"{home} belongs to uid {home.stat().st_uid}, neither to this process (uid {os.geteuid()}) nor to the "
            "owner of the folder it is in, so its database is not trusted. Remove it or set PLAIT_HOME."
        )
    return home


def find_instance(home: Path) -> Instance | None:
    """The instance recorded for ``home``, or None before its first start. Creates nothing."""
    folder = _read_record(home)
    return Instance(folder) if folder is not None else None


def prepare_instance(home: Path) -> Instance:
    """The instance of ``home``; the first call decides where it is, makes its folder and records it."""
    _create_folder(home, 0o755 if os.geteuid() == 0 else 0o700, {".gitignore": "*\n"})
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # two first starts must not decide differently
        found = find_instance(home)
        if found is not None and found.folder.is_dir():
            return found
        if found is not None and found.folder.parent != home:
            raise EmbeddedPostgresError(
                f"The PostgreSQL data of this project was in {found.folder} and is gone (a rebuilt "
                f"container?). Restore that folder; or remove {home / RECORD} to start with an empty "
                "database; or point PLAIT_HOME to a folder on a volume that every user may enter."
            )
        folder = _create_instance_folder(home)
        _write_record(home, folder)
        return Instance(folder)
    finally:
        os.close(descriptor)


def _create_instance_folder(home: Path) -> Path:
    folder = home / _INSIDE
    account = choose_account(folder / "data")
    if folder.is_dir() or can_traverse(home, account):
        # Root: others may pass through, to the data and the socket that the server's account owns, not look.
        _create_folder(folder, 0o711 if account.switch else 0o700, {"README": _README})
        return folder
    return _create_folder_elsewhere(home, account)


_README = "The PostgreSQL of this Plait project: data, log, locks. Stop it (`plait db stop`) before you touch it.\n"


def _create_folder_elsewhere(home: Path, account: Account) -> Path:
    name = f"{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}-{secrets.token_hex(2)}"
    for space in SPACES:
        try:
            _create_folder(space, 0o755, {"README": "PostgreSQL data of Plait projects that root runs.\n"})
        except EmbeddedPostgresError:
            continue
        if space.stat().st_uid != 0 or not can_traverse(space, account):
            continue
        _create_folder(space / name, 0o711, {"project": f"{home}\n"})
        return space / name
    raise EmbeddedPostgresError(
        f"{home} is closed to the account with uid {account.uid} that has to run PostgreSQL for root, and "
        f"neither {' nor '.join(map(str, SPACES))} can be used instead. Point PLAIT_HOME to a folder on a "
        "local disk that every user may enter, or set PLAIT_DATABASE_URL."
    )


def _read_record(home: Path) -> Path | None:
    """The recorded instance folder; None without a record, or with that of the project this is a copy of."""
    try:
        record = json.loads((home / RECORD).read_text())
        folder, owner = Path(record["folder"]), Path(record["home"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EmbeddedPostgresError(
            f"{home / RECORD} cannot be read ({error}). It says where this project's PostgreSQL data is. "
            "Correct or remove it, or set PLAIT_HOME or PLAIT_DATABASE_URL."
        ) from error
    if folder.is_absolute() and owner != home and (owner / RECORD).exists():
        return None
    return home / folder


def _write_record(home: Path, folder: Path) -> None:
    name = _INSIDE if folder.parent == home else str(folder)
    draft = home / f".{RECORD}.{secrets.token_hex(4)}"
    draft.write_text(json.dumps({"home": str(home), "folder": name}) + "\n")
    if os.geteuid() == 0:
        owner = home.stat()
        os.chown(draft, owner.st_uid, owner.st_gid)
    draft.replace(home / RECORD)


def _create_folder(folder: Path, mode: int, files: dict[str, str]) -> None:
    """Make ``folder`` appear with its mode and its files at once; one that exists is left as it is."""
    if folder.is_dir():
        return
    draft = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft.mkdir(mode=0o700)
        for name, text in files.items():
            (draft / name).write_text(text)
        draft.chmod(mode)
        if os.geteuid() == 0:  # leave it to the owner of the project
            above = folder.parent.stat()
            for path in (draft, *draft.iterdir()):
                os.chown(path, above.st_uid, above.st_gid)
        draft.rename(folder)
    except OSError as error:
        if folder.is_dir():  # another process was faster
            _remove_draft(draft)
            return
        raise EmbeddedPostgresError(
            f"{folder} cannot be made ({error}). It is where Plait keeps this project's PostgreSQL. Make "
            f"{folder.parent} writable, point PLAIT_HOME to another folder, or set PLAIT_DATABASE_URL."
        ) from error


def _remove_draft(draft: Path) -> None:
    for path in draft.iterdir():
        path.unlink()
    draft.rmdir()


def prepare_socket_dir(instance: Instance, account: Account) -> Path:
    """The folder of the server's socket, owned by the server's account and closed to others.

    Inside the instance folder if its path is short and plain enough for a socket and for a URL, else in
    ``/tmp`` under a name derived from the instance folder. Raises EmbeddedPostgresError when somebody else
    made that one.
    """
    inside = instance.folder / "run"
    plain = re.fullmatch(r"[A-Za-z0-9/._-]+", str(inside)) is not None
    if plain and len(str(inside)) <= _LONGEST_SOCKET_DIR:
        folder = inside
    else:
        folder = Path("/tmp") / f"plait-{hashlib.sha256(os.fsencode(instance.folder)).hexdigest()[:16]}"
    try:
        folder.mkdir(mode=0o700)
        if account.switch:
            os.chown(folder, account.uid, account.gid)
    except FileExistsError:
        pass
    status = folder.lstat()
    private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
    if not private or status.st_uid not in (account.uid, os.geteuid()):
        raise EmbeddedPostgresError(
            f"{folder} should be a folder that only the account with uid {account.uid} may enter, for the socket of "
            f"PostgreSQL; it belongs to uid {status.st_uid} with mode {stat.filemode(status.st_mode)}. Remove it, or "
            "set PLAIT_HOME to a folder with a shorter path, or set PLAIT_DATABASE_URL."
        )
    if status.st_uid != account.uid:
        os.chown(folder, account.uid, account.gid)
    return folder
