"""``plait.testing`` is for tests: nothing that runs in production imports it, and it serves no command line."""

from __future__ import annotations

import re
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "plait"
IMPORT = re.compile(r"^(?P<indent> *)(?:from|import) (?P<module>plait\.[\w.]+)", re.M)


def test_only_the_mixin_imports_it_and_only_when_it_is_called() -> None:
    importers = {
        (path.relative_to(SOURCE).as_posix(), bool(match["indent"]))
        for path in SOURCE.rglob("*.py")
        if path.parent != SOURCE / "testing"
        for match in IMPORT.finditer(path.read_text())
        if match["module"].startswith("plait.testing")
    }
    assert importers == {("mocking.py", True)}


def test_it_knows_no_command_line_and_no_server() -> None:
    modules = {
        match["module"] for path in (SOURCE / "testing").glob("*.py") for match in IMPORT.finditer(path.read_text())
    }
    assert not [module for module in modules if module.split(".")[1] in ("cli", "server")]
