"""Type checkers know the types of tasks, results and references, and report what is wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parent / "samples"
SOURCE = Path(__file__).parents[2] / "src"
ERROR = re.compile(r"^(.+?):(\d+): error: (.+)$", re.MULTILINE)

Report = dict[tuple[str, int], str]


def run(*command: str) -> str:
    environment = os.environ | {"MYPYPATH": str(SOURCE), "PYTHONPATH": str(SOURCE)}
    found = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=SAMPLES, check=False)
    assert found.returncode in (0, 1), found.stderr or found.stdout
    return found.stdout


def check_with_mypy() -> Report:
    text = run(
        *(sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--config-file", os.devnull),
        *(
            "--follow-imports",
            "silent",
            "--cache-dir",
            str(SOURCE.parent / ".mypy_cache"),
            "right.py",
            "wrong.py",
        ),
    )
    return {(file, int(line)): message for file, line, message in ERROR.findall(text)}


def check_with_pyright() -> Report:
    command = (sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable)
    text = run(*command, "--project", str(SAMPLES / "pyrightconfig.json"))
    found = json.loads(text[text.index("{") :])["generalDiagnostics"]
    return {
        (Path(problem["file"]).name, problem["range"]["start"]["line"] + 1): problem["message"]
        for problem in found
        if problem["severity"] == "error"
    }


@pytest.fixture(scope="module", params=[check_with_mypy, check_with_pyright])
def found(request: pytest.FixtureRequest) -> Report:
    """What a type checker says of the samples."""
    report: Report = request.param()
    return report


def test_right_usage_has_no_error_and_the_types_that_are_asserted(found: Report) -> None:
    assert {place: message for place, message in found.items() if place[0] == "right.py"} == {}


def test_wrong_usage_is_reported_on_every_marked_line_and_on_no_other(found: Report) -> None:
    lines = (SAMPLES / "wrong.py").read_text().splitlines()
    marked = {number for number, line in enumerate(lines, 1) if line.endswith("# error")}
    report = {line: message for (file, line), message in found.items() if file == "wrong.py"}
    assert set(report) == marked, report
