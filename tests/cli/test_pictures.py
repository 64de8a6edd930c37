"""``plait workflows graph`` and ``plait runs gantt``."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest

from plait.cli.run_gantt import iter_spans
from support import views

NEVER = "0198c0de-7abc-7def-8123-456789abcdef"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")


def test_the_graph_of_declared_code_needs_no_database(execute_here, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    code, stdout, stderr = execute_here("workflows", "graph", "diamond", "--target", "flows.py")
    assert (code, stderr) == (0, "")
    assert stdout == "top ─┬─▶ left ──┬─▶ bottom\n     └─▶ right ─┘\n"
    assert execute_here("workflows", "graph", "--target", "flows.py:diamond")[1] == stdout


def test_a_narrow_terminal_gets_a_narrow_picture_and_a_plain_one_ascii(execute_here, plait_command, monkeypatch):
    draw = ("workflows", "graph", "--target", "flows.py:diamond")
    monkeypatch.setenv("COLUMNS", "20")
    narrow = execute_here(*draw)[1]
    assert narrow == "● top\n├─╮\n● │ left\n│ ● right\n├─╯\n● bottom\n"
    plain = plait_command(
        "workflows", "graph", "--target", "flows.py:diamond", env={"PYTHONIOENCODING": "ascii"}
    ).stdout
    assert plain == "top -+-> left --+-> bottom\n     +-> right -+\n"


def test_the_graph_of_a_workflow_that_the_database_knows(control, work_on_control, execute_here):
    work_on_control()
    assert execute_here("workflows", "graph", "orders")[1] == "check ──▶ ship\n"
    code, stdout, _ = execute_here("workflows", "graph", "approval")
    assert code == 0
    assert "approval waits for event 'approved' where input.ok or 1 h after the run started" in stdout
    assert execute_here("workflows", "graph", "flaky", "-o", "mermaid")[1] == control.flaky.to_mermaid() + "\n"
    assert execute_here("workflows", "graph", "flaky", "-o", "svg", "--theme", "dark", "--direction", "tb")[1] == (
        control.flaky.to_svg("TB", theme="dark") + "\n"
    )
    shown = json.loads(execute_here("workflows", "graph", "approval", "--json")[1])
    assert shown["workflow"] == "approval"
    assert shown["tasks"] == [
        {
            "name": "approval",
            "kind": "task",
            "parents": [],
            "wait_for": "event 'approved' where input.ok or 1 h after the run started",
        }
    ]


def test_many_tasks_that_are_alike_are_one_unless_all_are_wanted(execute_here, project):
    (project / "wide.py").write_text(
        "from plait import Plait\nplait = Plait()\nwide = plait.workflow(name='wide')\n"
        "for n in range(30):\n    wide.task(name=f'leaf_{n}')(lambda input, ctx: 1)\n"
    )
    assert execute_here("workflows", "graph", "--target", "wide.py:wide")[1] == "leaf… ×30\n"
    assert len(execute_here("workflows", "graph", "--target", "wide.py:wide", "--all")[1].splitlines()) == 30


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "say which workflow: NAME, or --target"),
        (("x", "--target", "flows.py", "--version", "1"), 2, "give --target or --version, not both"),
        (("x", "--direction", "TB"), 2, "--direction is for -o mermaid and -o svg, not for ascii"),
        (("diamnd", "--target", "flows.py"), 4, "did you mean 'diamond'?"),
        (("nothing",), 4, "there is no workflow 'nothing'"),
    ],
)
def test_what_cannot_be_drawn_is_said(execute_here, arguments, code, message):
    found, stdout, stderr = execute_here("workflows", "graph", *arguments)
    assert (found, stdout) == (code, "")
    assert message in stderr


def test_the_timeline_of_a_run_shows_attempts_and_the_time_between_them(plait_command, execute_here):
    assert plait_command("run", "flows:diamond", "-o", "json").returncode == 0
    (run,) = json.loads(execute_here("runs", "list", "-o", "json")[1])["items"]
    head, axis, *rows, legend = execute_here("runs", "gantt", run["id"])[1].splitlines()
    assert head.startswith(f"diamond  {run['run_id']}  COMPLETED")
    assert axis.split()[0] == "0"
    assert [row.split()[:2] for row in rows] == [[name, "COMPLETED"] for name in ("top", "left", "right", "bottom")]
    assert re.search(r"▓.*█.* attempt 2/3$", rows[2]), "a failed attempt, then a good one"
    assert "█ ran" in legend
    assert all(len(row) <= 100 for row in rows)
    spans = {
        task["name"]: [span["kind"] for span in task["spans"] if span["kind"] not in ("queued", "waiting")]
        for task in json.loads(execute_here("runs", "gantt", run["id"], "-o", "json")[1])["tasks"]
    }
    assert spans == {"top": ["ran"], "left": ["ran"], "right": ["failed", "ran"], "bottom": ["ran"]}


def test_following_the_timeline_ends_with_the_run(control, work_on_control, execute_here):
    run = control.orders.run_no_wait(control.Order(amount=3))
    work_on_control()
    code, stdout, _ = execute_here("runs", "gantt", run.workflow_run_id, "--follow")
    assert code == 0
    assert "  COMPLETED  " in stdout.splitlines()[0]
    assert execute_here("runs", "gantt", run.workflow_run_id, "--follow", "-o", "json")[0] == 2
    assert execute_here("runs", "gantt", NEVER)[0] == 4


def make_task(name="t", status="COMPLETED", parents=(), **fields):
    return views.make_task(name, *parents, status=status, **fields)


def at(seconds):
    return NOW + timedelta(seconds=seconds)


def make_attempt(outcome, queued, started, finished, **fields):
    return views.make_attempt(outcome, at(finished), queued_at=at(queued), started_at=at(started), **fields)


def list_spans(task, *others, now=20):
    details = views.make_run(task, *others, now=NOW)
    return [
        (span.kind.value, (span.begin - NOW).total_seconds(), (span.end - NOW).total_seconds())
        for span in iter_spans(details, task, at(now))
    ]


PARENT = make_task("p", finished_at=at(1))


def test_an_attempt_is_queued_then_runs_and_backs_off_to_the_next():
    task = make_task(attempts=(make_attempt("RETRIED", 0, 1, 2), make_attempt("COMPLETED", 7, 8, 9)))
    assert list_spans(task) == [
        ("queued", 0, 1), ("failed", 1, 2), ("waiting", 2, 7), ("queued", 7, 8), ("ran", 8, 9),
    ]  # fmt: skip


def test_what_is_not_over_reaches_until_now():
    running = make_task(status="RUNNING", queued_at=at(3), started_at=at(4))
    assert list_spans(running) == [("waiting", 0, 3), ("queued", 3, 4), ("running", 4, 20)]
    assert list_spans(make_task(status="QUEUED", queued_at=at(0))) == [("queued", 0, 20)]
    backing_off = make_task(status="PENDING", due_at=at(30), attempts=(make_attempt("LOST", 0, 1, 2),))
    assert list_spans(backing_off) == [("queued", 0, 1), ("failed", 1, 2), ("waiting", 2, 20)]


def test_conditions_are_waited_for_from_the_end_of_the_parents_on():
    task = make_task(parents=("p",), attempts=(make_attempt("COMPLETED", 5, 5, 6),))
    assert list_spans(task, PARENT) == [("waiting", 1, 5), ("ran", 5, 6)]
    assert list_spans(make_task(status="PENDING", parents=("p",), waits_for=("x",)), PARENT) == [("waiting", 1, 20)]
    assert list_spans(make_task(status="PENDING", parents=("p",)), make_task("p", "RUNNING")) == []


def test_a_task_whose_code_never_ran_takes_no_time():
    assert list_spans(make_task(status="CANCELLED", attempts=(make_attempt("CANCELLED", 0, 0, 0),))) == []


def test_attempts_before_a_replay_are_shown_and_the_time_until_it_is_no_waiting():
    first, second = (make_attempt("RETRIED", at, at, at + 1, superseded=True) for at in (0, 3))
    task = make_task(attempts=(first, second, make_attempt("COMPLETED", 10, 11, 12)))
    assert list_spans(task) == [
        ("failed", 0, 1), ("waiting", 1, 3), ("failed", 3, 4), ("queued", 10, 11), ("ran", 11, 12),
    ]  # fmt: skip


def test_the_picture_in_the_documentation_is_the_one_that_is_drawn(execute_here, project):
    """docs/how-to/draw-a-workflow.md shows it."""
    docs = Path(__file__).parents[2] / "docs"
    page = (docs / "how-to" / "draw-a-workflow.md").read_text()
    (code,) = re.findall(r'^```python title="orders.py"\n(.*?)^```$', page, re.M | re.S)
    (project / "orders.py").write_text(code)
    drawn = execute_here("workflows", "graph", "--target", "orders.py:orders", "-o", "svg")[1]
    assert (docs / "images" / "workflow.svg").read_text() == drawn
    assert ElementTree.fromstring(drawn).get("aria-label") == "Workflow Orders"
