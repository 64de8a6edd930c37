"""``plait.testing`` is for tests: nothing else imports it, and it knows no command line."""

from __future__ import annotations

import re
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "plait"
IMPORT = re.compile(r"^(?P<indent> *)(?:from|import) (?P<module>plait\.[\w.]+)", re.M)
MOCK = re.compile(r"^(?P<indent> *)from plait\.declaration(?:\.mock import|.* import .*\bmock\b)", re.M)


def test_nothing_else_imports_it() -> None:
    importers = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if path.parent != SOURCE / "testing"
        for match in IMPORT.finditer(path.read_text())
        if match["module"].startswith("plait.testing")
    }
    assert importers == set()


def test_what_runs_a_body_by_itself_is_imported_when_it_is_called() -> None:
    importers = {
        (path.relative_to(SOURCE).as_posix(), bool(match["indent"]))
        for path in SOURCE.rglob("*.py")
        for match in MOCK.finditer(path.read_text())
    }
    assert {name for name, indented in importers if not indented} == set()
    assert "declaration/mockable.py" in {name for name, _ in importers}


def test_it_knows_no_command_line_and_no_server() -> None:
    modules = {
        match["module"] for path in (SOURCE / "testing").glob("*.py") for match in IMPORT.finditer(path.read_text())
    }
    assert not [module for module in modules if module.split(".")[1] in ("cli", "server")]
