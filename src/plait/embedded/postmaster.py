"""What a running PostgreSQL says about itself in ``postmaster.pid``."""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from plait.embedded.instance import PORT

_TLS_REQUEST = struct.pack("!ii", 8, 80877103)


@dataclass(frozen=True, slots=True)
class Postmaster:
    """``status`` is PostgreSQL's word: starting, ready, stopping or standby."""

    pid: int
    socket_dir: Path
    status: str

    @property
    def is_ready(self) -> bool:
        return self.status == "ready"


def read_postmaster(data_dir: Path) -> Postmaster | None:
    """The postmaster of ``data_dir`` if its process lives, else None; a file left by a crash counts as None.

    The pid in such a file may belong to an unrelated process by now, so the owner must match the data's.
    """
    try:
        lines = (data_dir / "postmaster.pid").read_text().splitlines()
        owner = data_dir.stat().st_uid
    except OSError:
        return None
    if len(lines) < 8 or not lines[0].strip().isdigit():
        return None
    pid = int(lines[0])
    if pid <= 1 or not is_alive(pid) or read_owner(pid) not in (owner, None):
        return None
    return Postmaster(pid, Path(lines[4].strip()), lines[7].strip())


def is_alive(pid: int) -> bool:
    """Whether the process runs. A zombie does not: a container's pid 1 may never collect it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return not Path("/proc/self/stat").exists()  # no /proc at all: not Linux


def read_owner(pid: int) -> int | None:
    """The uid a process runs under; None where that cannot be known."""
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return None


def accepts_connections(socket_dir: Path) -> bool:
    """Whether PostgreSQL answers on its socket in the folder.

    It is asked for TLS and says no: connecting alone also succeeds on a postmaster that is stopped or dying.
    A client that goes away after that answer leaves nothing in the log.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(5)
        try:
            probe.connect(str(socket_dir / f".s.PGSQL.{PORT}"))
            probe.sendall(_TLS_REQUEST)
            return probe.recv(1) in (b"N", b"S")
        except OSError:
            return False
