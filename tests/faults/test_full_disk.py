"""The server's disk is full for a while: nothing is lost, and all goes on by itself once there is room again."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from faults.harness.storm import open_storm
from support.ledger import Ledger
from support.server import OwnServer
from support.workers import CALM

pytestmark = pytest.mark.thorough

SIZE = 512 << 20
PIECE = 1 << 20


@pytest.fixture
def small_disk(own_server: OwnServer) -> Iterator[Path]:
    """A disk of 512 MB. (``own_server``, only so that it is left out where no server can be started.)"""
    folder = Path(tempfile.mkdtemp(prefix="plait-disk-"))
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755", "tmpfs", folder], check=False)
    if mounted.returncode:
        pytest.skip("no disk can be mounted here (that needs root): NO DISK WAS FILLED")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)
    folder.rmdir()


def fill(disk: Path) -> Path:
    """Take all the room there is; returns what to delete to give it back."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * PIECE)
    return filler


@pytest.fixture
def cramped(small_disk: Path) -> Iterator[OwnServer]:
    """A PostgreSQL on that disk."""
    server = OwnServer(space=small_disk)
    yield server
    server.close()


def test_a_disk_that_is_full_and_then_not(cramped: OwnServer, small_disk: Path, ledger: Ledger, tmp_path: Path) -> None:
    with open_storm("the disk is full", cramped, ledger, tmp_path) as storm:
        workers = list(storm.start_workers(2, work_ms=5, timings=CALM))
        storm.start_probe()
        client = storm.start_client()
        for _ in range(2):
            storm.wait_for_ends(50)
            refused = client.uncertain
            filler = fill(small_disk)
            storm.note_fault()
            storm.wait(lambda n=refused: client.uncertain > n, "a trigger is refused")  # type: ignore[misc]
            filler.unlink()
            cramped.ensure_started()  # it ends, should there be no room for its log
            goal = len(client.acknowledged) + 20
            storm.wait(lambda goal=goal: len(client.acknowledged) >= goal, "triggers go through")  # type: ignore[misc]
        storm.settle()  # nothing ran again: no lease was lost
        assert [worker.process.poll() for worker in workers] == [None] * 2
