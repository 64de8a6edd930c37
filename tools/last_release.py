"""Whether the last release gets on with the present schema: its upgrade, and its tests on a fresh one.

.venv/bin/python tools/last_release.py              its tests/contract
.venv/bin/python tools/last_release.py tests/faults other tests of it, or anything else for pytest

The last release is the newest tag ``v*`` below the present commit. Without one, or without git, there is nothing to do.
Nor are its tests run when the present schema says that it does not work with that code. The exit code is 1 when
something is wrong.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from plait.store import schema  # noqa: E402 - found by the path above
from support.catalog import say_difference  # noqa: E402
from support.database import Database  # noqa: E402
from support.server import SCHEMA_VARIABLE, Server, open_server  # noqa: E402

TESTS = ("tests/contract",)
FACTS = "from plait.store import schema; print(schema.latest_version()); print(schema.render_sql())"


def find_release() -> str | None:
    """The newest tag of a release, of those that the present commit comes after."""
    asked = ["git", "tag", "--list", "v*", "--merged", "HEAD", "--sort=-version:refname"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    return next(iter(done.stdout.split()), None)


def unpack(tag: str, folder: Path) -> None:
    """The files of a tag."""
    archive = folder / "release.tar"
    subprocess.run(["git", "archive", "-o", archive, tag], cwd=ROOT, check=True)
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")


def run_old(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Python with the release's package."""
    there = {**os.environ, "PYTHONPATH": str(folder / "src"), **environment}
    output = None if "pytest" in arguments else subprocess.PIPE
    return subprocess.Popen([sys.executable, *arguments], cwd=folder, env=there, stdout=output, text=True)


def compare_upgraded(server: Server, old_sql: str, old_version: int) -> list[str]:
    """What differs between the release's schema, upgraded, and a fresh one."""
    names = ("plait_release_upgraded", "plait_release_fresh")
    upgraded, fresh = (Database(server, name, template="template0") for name in names)
    try:
        for sql in (old_sql, schema.render_sql(old_version)):
            if sql.strip():
                server.run(sql, url=upgraded.url)
        server.run(schema.render_sql(), url=fresh.url)
        return say_difference(upgraded, fresh)
    finally:
        upgraded.drop()
        fresh.drop()


def check(tag: str, folder: Path, arguments: list[str]) -> bool:
    """Whether a release gets on with the present schema, telling what does not."""
    unpack(tag, folder)
    facts = run_old(folder, "-c", FACTS)
    version, _, old_sql = facts.communicate()[0].partition("\n")
    if facts.returncode != 0:
        print(f"{tag}: its schema could not be read")
        return False
    server = open_server()
    try:
        difference = compare_upgraded(server, old_sql, int(version))
    finally:
        server.close()
    print("\n".join(difference) or f"{tag}: its schema {version}, upgraded, is the same as a fresh one")
    later = [one for one in schema.list_migrations() if one.version > int(version)]
    refused = [one for one in later if one.works_with > int(version)]
    if refused:
        print(f"{tag}: schema {refused[0].version} says that it does not work with that code; its tests are not run")
        return not difference
    present = folder / "present.sql"
    present.write_text(schema.render_sql(), encoding="utf-8")
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *(arguments or TESTS)]
    status = run_old(folder, *command, **{SCHEMA_VARIABLE: str(present)}).wait()
    print(f"{tag}: its tests on the present schema: {'ok' if status == 0 else 'FAILED'}")
    return not difference and status == 0


def main() -> int:
    tag = find_release()
    if tag is None:
        print("there is no release yet (no tag v*): nothing to compare the schema with")
        return 0
    with tempfile.TemporaryDirectory(prefix="plait-release-") as folder:
        return 0 if check(tag, Path(folder), sys.argv[1:]) else 1


if __name__ == "__main__":
    sys.exit(main())
