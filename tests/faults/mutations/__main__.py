"""``python -m faults.mutations [-j JOBS] [WORD …]`` breaks a copy of what is committed in each of the listed ways,
runs the tests that must notice, and names those that did not.

With words, only breakages whose description or test has one of them. JOBS, of which there are 2 if not told
otherwise, have a copy each.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from faults.mutations import MUTATIONS
from faults.mutations.mutation import ROOT, Mutation

LONG = ("[raise at", "test_state_machine.py")
"""Tests that ``make test`` has no such example of, or not enough examples: these are tried as in ``make faults``."""


class Copy:
    """The repository as it is committed, with a Python whose packages are this one's, but for Plait."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        folder.chmod(0o755)  # the server of root's tests runs under another account
        archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "x", "-C", folder], input=archive, check=True)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
        here = Path(sysconfig.get_path("purelib"))
        there = folder / ".venv" / here.relative_to(sys.prefix)
        for path in here.iterdir():
            if path.name != "_editable_impl_plait.pth":
                (there / path.name).symlink_to(path)
        (there / "_editable_impl_plait.pth").write_text(str(folder / "src"))
        self._folder = folder

    def list_unnoticed(self, mutation: Mutation) -> list[str]:
        """Which of its tests do not fail with the mutation."""
        path = self._folder / "src" / "plait" / mutation.file
        text = path.read_text()
        assert text.count(mutation.old) == 1, f"{mutation.file} has changed: {mutation.what!r} needs another text"
        path.write_text(text.replace(mutation.old, mutation.new))
        try:
            failed = self.list_failed(mutation.tests)
        finally:
            path.write_text(text)
        return [test for test in mutation.tests if not any(_is_of(one, test) for one in failed)]

    def list_failed(self, tests: Iterable[str]) -> list[str]:
        tests = list(tests)
        ended = subprocess.run(
            [self._folder / ".venv" / "bin" / "python", "-m", "pytest", "-q", "-rfE", "--tb=no", *tests],
            cwd=self._folder,
            env={
                **os.environ,
                "PLAIT_FAULTS": "long" if any(word in test for test in tests for word in LONG) else "",
                "PLAIT_TEST_SECONDS": "150",
                "COLUMNS": "1000",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode in (0, 1), ended.stdout[-3000:] + ended.stderr[-3000:]
        return re.findall(r"^(?:FAILED|ERROR) (tests/.*?)(?: - .*)?$", ended.stdout, flags=re.MULTILINE)


def _is_of(failed: str, test: str) -> bool:
    return failed == test or failed.startswith((f"{test}[", f"{test}::"))


def _choose(words: Sequence[str]) -> list[Mutation]:
    return [
        one for one in MUTATIONS if not words or any(word in text for word in words for text in (one.what, *one.tests))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m faults.mutations", description=__doc__)
    parser.add_argument("-j", "--jobs", type=int, default=2)
    parser.add_argument("words", nargs="*", metavar="WORD")
    arguments = parser.parse_args()
    chosen = _choose(arguments.words)
    unnoticed = 0
    with (
        tempfile.TemporaryDirectory(prefix="plait-mutations-") as name,
        ThreadPoolExecutor(arguments.jobs) as executor,
    ):
        Path(name).chmod(0o755)
        copies: SimpleQueue[Copy] = SimpleQueue()
        for number in range(arguments.jobs):
            copies.put(Copy(Path(name) / str(number)))

        def try_one(mutation: Mutation) -> list[str]:
            copy = copies.get()
            try:
                return copy.list_unnoticed(mutation)
            finally:
                copies.put(copy)

        copy = copies.get()
        failed = copy.list_failed(dict.fromkeys(test for one in chosen for test in one.tests))
        copies.put(copy)
        assert not failed, f"these fail without a mutation: {failed}"
        for number, (mutation, missed) in enumerate(zip(chosen, executor.map(try_one, chosen), strict=True), 1):
            unnoticed += bool(missed)
            verdict = f"UNNOTICED by {', '.join(missed)}" if missed else f"noticed by {', '.join(mutation.tests)}"
            print(f"{number}/{len(chosen)} {mutation.what}: {verdict}", flush=True)
    print(f"{len(chosen)} mutations, {unnoticed} of them unnoticed by a test that should")
    sys.exit(bool(unnoticed))


if __name__ == "__main__":
    main()
