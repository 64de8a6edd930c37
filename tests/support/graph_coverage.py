"""Which branches of ``src/plait/graph`` the tests in ``tests/graph`` take; asked for by GRAPH_COVERAGE, a file's path.

It is measured in the run of all tests, and only while those tests run. Nothing of Plait may be imported before this
module: the lines that an import runs count, too. ``make test`` puts the files of the processes together.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from coverage import Coverage

FILE = os.environ.get("GRAPH_COVERAGE", "")
ROOT = Path(__file__).resolve().parents[2]
GRAPH = ROOT / "src" / "plait" / "graph"

# Not for another copy of the repository: a test that runs the tests of a release in one passes the variable on.
IS_WANTED = bool(FILE) and Path(FILE).resolve().parent == ROOT
_coverage = Coverage(FILE, data_suffix=True, branch=True, source=[str(GRAPH)]) if IS_WANTED else None


@contextmanager
def measure() -> Iterator[None]:
    """Note what is run in here."""
    if _coverage is None:
        yield
        return
    _coverage.start()
    try:
        yield
    finally:
        _coverage.stop()


def save() -> None:
    """Write what this process has noted."""
    if _coverage is not None:
        _coverage.save()


with measure():
    for path in sorted(GRAPH.glob("*.py")):
        import_module(f"plait.graph.{path.stem}".removesuffix(".__init__"))
