"""Processes that the tests fork from a warm one are like those that Python starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from support import launcher
from support.waiting import eventually

TELL = """
import os, sys
print(sys.argv, __name__, os.getcwd(), sys.path, sys.dont_write_bytecode, sorted(os.environ.items()))
print(sys.stdin.read(), sys.stdin.encoding, sys.stdout.encoding, sys.stdout.errors, sys.stderr.errors)
print("on its standard error", file=sys.stderr)
sys.exit(7)
"""
LAST = """
class Last:
    def __del__(self):
        print("taken apart at the end")

last = Last()
"""
FAIL = "import atexit; atexit.register(print, 'at its exit'); print('é'); raise SystemExit('no more')"


def run_really(arguments: list[str], folder: Path, env: Mapping[str, str], input: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=env, input=input, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["-c", TELL, "one", "two words"],
        ["-P", "-c", TELL],
        ["-m", "tell", "-m", "x"],
        ["-P", "-m", "elsewhere", "\udcff"],
        ["tell.py", "y"],
        ["-c", FAIL],
        ["-c", LAST],
        ["-c", f"import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()\n{LAST}"],
        ["-c", f"import threading; threading.Timer(0.1, print, ['on a thread']).start()\n{LAST}"],
        ["-c", "import sys; sys.exit(-3)"],
        ["-c", "import os; print('never written'); os.close(1)"],
        ["-W", "error::SyntaxWarning", "-c", TELL],
    ],
)
def test_a_fork_is_what_python_would_have_started(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "tell.py").write_text(TELL)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "elsewhere.py").write_text(TELL)
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "more"), "PYTHONDONTWRITEBYTECODE": "1", "OWN": "é"}
    done = launcher.run(arguments, cwd=tmp_path, env=env, input="some input\n")
    wanted = run_really(arguments, tmp_path, env, "some input\n")
    for found, real in zip((done.returncode, done.stdout, done.stderr), wanted, strict=True):
        assert found == real


def test_an_error_is_told_as_by_python_but_for_the_frames_of_the_launcher(tmp_path: Path) -> None:
    done = launcher.run(["-c", "1 / 0"], cwd=tmp_path, env=os.environ)
    assert done.returncode == 1
    assert done.stderr.endswith('  File "<string>", line 1, in <module>\nZeroDivisionError: division by zero\n')


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_a_fork_ends_by_signals(tmp_path: Path, number: signal.Signals) -> None:
    with (tmp_path / "output").open("w+b") as output:
        code = "import time; print('begun', flush=True); time.sleep(60)"
        process = launcher.start(["-c", code], cwd=tmp_path, env=os.environ, stdout=output, stderr=output)
        eventually(lambda: (tmp_path / "output").read_text() == "begun\n")
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.send_signal(number)
        assert process.wait(20) == -number
        assert process.poll() == process.returncode == -number


def test_what_python_reads_only_when_it_starts_makes_a_process_of_its_own(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    code = "import sys; print(sys.stdout.encoding, 'plait' in sys.modules)"
    assert launcher.run(["-c", code], cwd=tmp_path, env=env).stdout == "ascii False\n"
    assert launcher.run(["-c", code], cwd=tmp_path, env=os.environ).stdout.split()[1] == str(sys.platform == "linux")
