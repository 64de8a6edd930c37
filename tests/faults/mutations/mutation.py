"""One way to break Plait."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[3]


class Mutation:
    """``old`` stands once in ``file`` below ``src/plait``; with ``new`` in its place each of ``tests`` must fail.

    A test is named by its file and its function, perhaps with parameters in brackets (without them one of its
    examples must fail); the file is one below ``tests/faults``, if no other folder is named.
    """

    def __init__(self, what: str, file: str, old: str, new: str, *tests: str) -> None:
        assert tests, f"no test is named that notices: {what}"
        self.what = what
        self.file = file
        self.old = old
        self.new = new
        self.tests = tuple(test if test.startswith("tests/") else f"tests/faults/{test}" for test in tests)
