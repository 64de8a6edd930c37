"""The examples as a user runs them, and their modules to import."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support import launcher

EXAMPLES = Path(__file__).parents[2] / "examples"

sys.path[:0] = [str(EXAMPLES / "documents"), str(EXAMPLES / "etl")]


@pytest.fixture
def run_example(database_url: str, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs an example as a script, its results going to ``tmp_path / "out"``."""

    def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return launcher.run(
            [str(EXAMPLES / script), *arguments, "--out", str(tmp_path / "out")],
            env={**os.environ, "DATABASE_URL": database_url},
            cwd=tmp_path,
            timeout=120,
        )

    return run
