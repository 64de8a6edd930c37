"""The tree of a run, apart from any terminal."""

from datetime import UTC, datetime, timedelta

import pytest

from plait.cli.text import clean, clean_line, format_seconds, to_json
from plait.cli.tree import build_lines, render_graph, render_plain, select_lines
from plait.errors import TaskRunError
from plait.features.run_views import AttemptDetails, RunDetails, RunSummary, TaskDetails
from plait.graph.definition import TaskKind
from plait.pictures.model import DrawnTask, build_graph
from plait.types import TaskStatus, WorkflowRunStatus

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def make_task(name, *parents, status="PENDING", kind=TaskKind.TASK, **fields):
    given = {
        "output": None, "error": None, "reason": None, "queued_at": None, "started_at": None,
        "finished_at": None, "due_at": None, "worker_id": None, "max_attempts": 1, "attempts": (), **fields,
    }  # fmt: skip
    return TaskDetails(name=name, kind=kind, parents=parents, status=TaskStatus(status), **given)


def make_run(*tasks):
    summary = RunSummary("id", "flow", WorkflowRunStatus.RUNNING, 1, NOW - timedelta(seconds=3), None, {})
    return RunDetails(summary, {}, {task.name: task for task in tasks})


def labels(*tasks):
    return [line.label for line in build_lines(make_run(*tasks), NOW)]


def test_a_join_stands_below_its_deepest_parent_and_names_all():
    tasks = [
        make_task("a"),
        make_task("b", "a"),
        make_task("c", "b"),
        make_task("d", "a"),
        make_task("e", "c", "d"),
    ]
    lines = build_lines(make_run(*tasks), NOW)
    assert [line.label for line in lines] == [
        "· a",
        "├─ · b",
        "│  └─ · c",
        "│     └─ · e",
        "└─ · d",
    ]
    assert lines[3].notes == "← c, d"


def test_hooks_stand_apart():
    tasks = [make_task("a"), make_task("oops", "a", kind=TaskKind.ON_FAILURE)]
    lines = build_lines(make_run(*tasks), NOW)
    assert [line.label for line in lines] == ["· a", "· oops"]
    assert lines[1].notes == "(on failure)"


def test_a_long_chain_stays_on_the_screen():
    chain = [make_task("t0")] + [make_task(f"t{n}", f"t{n - 1}") for n in range(1, 2000)]
    found = labels(*chain)
    assert len(found) == 2000
    assert max(map(len, found)) < 50


def test_running_and_waiting_tasks_say_how_long_and_which_attempt():
    retried = AttemptDetails(1, 0, "RETRIED", None, None, None, NOW, TaskRunError("bad", "ValueError"), None)
    lost = AttemptDetails(2, 1, "LOST", None, None, None, NOW, None, "worker lost")
    running = make_task(
        "a", status="RUNNING", started_at=NOW - timedelta(seconds=65), max_attempts=3,
        attempts=(retried, lost), error=retried.error,
    )  # fmt: skip
    waiting = make_task("b", due_at=NOW + timedelta(seconds=2), max_attempts=3, attempts=(retried,))
    lines = build_lines(make_run(running, waiting), NOW)
    assert lines[0].notes == "1 m 05 s  attempt 2/3  1 lost"
    assert lines[0].error == "ValueError: bad"
    assert lines[1].notes == "attempt 2/3  goes on in 2.0 s"


def test_what_does_not_fit_is_counted_and_what_matters_stays():
    tasks = [make_task(f"done{n}", status="COMPLETED") for n in range(50)]
    tasks += [
        make_task("busy", status="RUNNING"),
        make_task("broken", status="FAILED", error=TaskRunError("x", "E")),
    ]
    lines, rest = select_lines(build_lines(make_run(*tasks), NOW), 10)
    assert [line.label for line in lines[-2:]] == ["● busy", "✗ broken"]
    assert sum(1 + bool(line.error) for line in lines) + 1 <= 10
    assert rest == f"… and {52 - len(lines)} more: {52 - len(lines)} COMPLETED"


def test_names_and_errors_cannot_steer_the_terminal():
    evil = make_task("a\x1b[2J", status="FAILED", error=TaskRunError("x\x07\ny\u202e", "E\x1b]0;t\x07"))
    text = render_plain(make_run(evil), NOW)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert "a\\x1b[2J" in text


def test_ascii_output_has_ascii_only():
    text = render_plain(make_run(make_task("a"), make_task("b", "a", status="COMPLETED")), NOW, unicode=False)
    assert text.isascii()


def test_the_graph_of_a_workflow_has_the_shape_of_its_runs():
    tasks = [
        DrawnTask(name="a"),
        DrawnTask(name="b", parents=("a",), conditions=(("wait_for", "event 'paid'"), ("skip_if", "5 s"))),
        DrawnTask(name="c", parents=("a",)),
        DrawnTask(name="d", parents=("c", "b")),
        DrawnTask(name="e\x1b[2J", parents=("a",)),
        DrawnTask(name="oops", kind=TaskKind.ON_FAILURE),
    ]
    assert render_graph(build_graph(tasks)).splitlines() == [
        "a",
        "├─ b         waits for event 'paid'  skips if 5 s",
        "│  └─ d      ← b, c",
        "├─ c",
        "└─ e\\x1b[2J",
        "oops         (on failure)",
    ]


def test_tasks_that_are_alike_are_one_line_in_the_graph_of_a_workflow():
    leaves = [DrawnTask(name=f"leaf_{number}", parents=("root",)) for number in range(1200)]
    join = DrawnTask(name="join", parents=("root", *(leaf.name for leaf in leaves)))
    graph = build_graph([DrawnTask(name="root"), *leaves, join])
    assert render_graph(graph).splitlines() == ["root", "└─ leaf… ×1,200", "   └─ join       ← root, leaf… ×1,200"]
    assert render_graph(build_graph([])) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 ms"),
        (0.0123, "12 ms"),
        (0.9999, "1.0 s"),
        (59.99, "1 m 00 s"),
        (61, "1 m 01 s"),
        (11_220, "3 h 07 m"),
        (172_769, "47 h 59 m"),
        (172_800, "2 d"),
        (190_800, "2 d 05 h"),
        (604_790, "7 d"),
    ],
)
def test_durations(seconds, text):
    assert format_seconds(seconds) == text


def test_cleaning_and_json():
    assert clean("a\tb\nc\r\x00\x9b") == "a\tb\nc\\x0d\\x00\\x9b"
    assert clean_line("first\nsecond") == "first …"
    big = 10**5000
    assert to_json({"n": big}) == '{"n": 1' + "0" * 5000 + "}"
    with pytest.raises(ValueError, match="JSON"):
        to_json(float("nan"))
