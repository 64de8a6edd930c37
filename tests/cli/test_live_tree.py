"""The tree on a terminal: a real one, as far as the command can tell."""

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time

import pytest

from support import launcher

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def run_on_terminal(project, env, *arguments, rows=40, columns=120):
    """The exit code of ``plait`` on a terminal, and everything it wrote there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    with open(theirs, "r+b", buffering=0) as terminal:
        process = launcher.start(
            ["-P", "-m", "plait", *arguments],
            cwd=project,
            env={"TERM": "xterm-256color", **env},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
    written = b""
    deadline = time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], 1)[0]:
                continue
            try:
                data = os.read(ours, 65536)
            except OSError:  # Linux says so when the other end is closed
                break
            if not data:
                break
            written += data
        return process.wait(10), written.decode()
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_the_tree_shows_glyph_and_word_for_every_task_and_then_the_result(project, environment):
    code, text = run_on_terminal(project, environment, "run", "flows:diamond", "n=3")
    assert code == 0, text
    plain = COLOUR.sub("", text)
    last = plain[plain.rindex("diamond  ") :]
    for name in ("top", "left", "right", "bottom"):
        assert re.search(rf"✓ {name} +COMPLETED", last), last
    assert "← left, right" in last
    assert "attempt 2/3" in last
    assert '"bottom": 10' in last
    assert "printed by a task" in plain
    assert COLOUR.search(text), "colour is there where it is welcome"


def test_no_color_means_words_alone(project, environment):
    code, text = run_on_terminal(project, {**environment, "NO_COLOR": "1"}, "run", "flows:diamond")
    assert code == 0
    assert not COLOUR.search(text)
    assert "COMPLETED" in text


def test_a_failed_task_shows_its_error_below_it(project, environment):
    code, text = run_on_terminal(project, environment, "run", "flows:failing")
    assert code == 1
    plain = COLOUR.sub("", text)
    assert re.search(r"✗ explode +FAILED", plain)
    assert "ValueError: boom \\x1b[31mred" in plain
    assert re.search(r"⊘ never +CANCELLED", plain)


@pytest.mark.parametrize("rows", [8])
def test_a_small_terminal_ends_with_the_whole_tree(project, environment, rows):
    code, text = run_on_terminal(project, environment, "run", "flows:diamond", rows=rows)
    assert code == 0
    assert re.search(r"✓ bottom +COMPLETED", COLOUR.sub("", text))


def test_output_json_is_for_programs_on_a_terminal_too(project, environment):
    code, text = run_on_terminal(project, environment, "run", "flows:hello", "-o", "json")
    assert code == 0
    assert '"status": "COMPLETED"' in text
    assert "\x1b[?25l" not in text, "no live display"
