"""``plait workflows graph``."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

DIAMOND = """\
top
├─ left
│  └─ bottom  ← left, right
└─ right
"""


def test_the_graph_of_declared_code_needs_no_database(execute_here, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    code, stdout, stderr = execute_here("workflows", "graph", "diamond", "--target", "flows.py")
    assert (code, stderr) == (0, "")
    assert stdout == DIAMOND
    assert execute_here("workflows", "graph", "--target", "flows.py:diamond")[1] == stdout


def test_a_stream_without_the_characters_gets_ascii(plait_command):
    plain = plait_command("workflows", "graph", "--target", "flows.py:diamond", env={"PYTHONIOENCODING": "ascii"})
    assert plain.stdout == "top\n|- left\n|  `- bottom  < left, right\n`- right\n"


def test_the_graph_of_a_workflow_that_the_database_knows(control, work_on_control, execute_here):
    work_on_control()
    assert execute_here("workflows", "graph", "orders")[1] == "check\n└─ ship\n"
    code, stdout, _ = execute_here("workflows", "graph", "approval")
    assert code == 0
    assert "approval  waits for event 'approved' where input.ok or 1 h after the run started" in stdout
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
        ((), 2, "name a workflow: NAME for one in the database, or --target"),
        (("x", "--target", "flows.py", "--version", "1"), 2, "give --target or --version, not both"),
        (("x", "--direction", "TB"), 2, "--direction is for -o mermaid and -o svg, not for tree"),
        (("diamnd", "--target", "flows.py"), 4, "did you mean 'diamond'?"),
        (("nothing",), 4, "there is no workflow 'nothing'"),
    ],
)
def test_what_cannot_be_drawn_is_said(execute_here, arguments, code, message):
    found, stdout, stderr = execute_here("workflows", "graph", *arguments)
    assert (found, stdout) == (code, "")
    assert message in stderr


def test_the_picture_in_the_documentation_is_the_one_that_is_drawn(execute_here, project):
    """docs/how-to/draw-a-workflow.md shows it."""
    docs = Path(__file__).parents[2] / "docs"
    page = (docs / "how-to" / "draw-a-workflow.md").read_text()
    (code,) = re.findall(r'^```python title="orders.py"\n(.*?)^```$', page, re.M | re.S)
    (project / "orders.py").write_text(code)
    drawn = execute_here("workflows", "graph", "--target", "orders.py:orders", "-o", "svg")[1]
    assert (docs / "images" / "workflow.svg").read_text() == drawn
    assert ElementTree.fromstring(drawn).get("aria-label") == "Workflow Orders"
