"""TARGET: what is found, what is not, and what people are told."""

import pytest


def write(project, name, text):
    path = project / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_missing_module_and_a_missing_file_are_not_found(plait_command):
    missing = plait_command("run", "nothing.here:plait")
    assert (missing.returncode, missing.stdout) == (4, "")
    assert "there is no module 'nothing'" in missing.stderr
    near = plait_command("run", "flow.py:plait")
    assert near.returncode == 4
    assert "did you mean 'flows.py'?" in near.stderr


@pytest.mark.parametrize("name", ["README.md", "my-data.csv", "docs/page.md"])
def test_a_file_of_another_kind_is_told_so(execute_here, project, name):
    write(project, name, "# A page\n")
    code, stdout, stderr = execute_here("run", name)
    assert (code, stdout) == (2, "")
    assert f"{name} is not a Python file" in stderr


def test_an_unknown_attribute_suggests_the_nearest(plait_command):
    done = plait_command("run", "flows.py:diamnd")
    assert done.returncode == 4
    assert "flows.py has no 'diamnd' (did you mean 'diamond'?)" in done.stderr
    assert "try: flows.py:plait or flows.py:diamond" in done.stderr


def test_an_attribute_of_another_kind_is_refused(plait_command):
    done = plait_command("run", "flows:Numbers")
    assert done.returncode == 2
    assert "not a Plait or a workflow" in done.stderr


def test_a_plait_with_several_workflows_needs_a_name(plait_command):
    unnamed = plait_command("run", "flows")
    assert unnamed.returncode == 2
    assert "--workflow diamond" in unnamed.stderr
    misspelt = plait_command("run", "flows", "--workflow", "helo")
    assert misspelt.returncode == 4
    assert "did you mean 'hello'?" in misspelt.stderr
    assert plait_command("run", "flows", "--workflow", "hello").returncode == 0


def test_several_plaits_in_a_module_are_listed(plait_command, project):
    write(project, "two.py", "from plait import Plait\na = Plait()\nb = Plait()\n")
    done = plait_command("run", "two")
    assert done.returncode == 2
    assert "two:a or two:b" in done.stderr


def test_an_import_error_shows_the_users_lines_and_not_ours(plait_command, project):
    write(project, "broken.py", "def build():\n    return 1 / 0\n\nbuild()\n")
    done = plait_command("run", "broken.py:plait")
    assert done.returncode == 2
    assert 'broken.py", line 4' in done.stderr
    assert "return 1 / 0" in done.stderr
    assert "error: broken.py cannot be imported: ZeroDivisionError" in done.stderr.replace(f"{project}/", "")
    assert "plait/cli" not in done.stderr
    assert "importlib" not in done.stderr


def test_a_syntax_error_shows_its_place(plait_command, project):
    write(project, "broken.py", "x = (\n")
    done = plait_command("run", "broken:plait")
    assert done.returncode == 2
    assert 'broken.py", line 1' in done.stderr
    assert "SyntaxError" in done.stderr


def test_a_definition_error_is_one_line_with_its_place(plait_command, project):
    write(
        project,
        "wrong.py",
        "from plait import Plait\nplait = Plait()\nw = plait.workflow(name='w')\nplait.workflow(name='w')\n",
    )
    done = plait_command("run", "wrong:w")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "wrong.py:4)" in done.stderr.splitlines()[0]


def test_a_script_that_exits_at_import_is_told_about_the_main_guard(plait_command, project):
    write(project, "script.py", "raise SystemExit(0)\n")
    done = plait_command("run", "script.py")
    assert done.returncode == 2
    assert "__main__" in done.stderr


FLOW = """
from plait import Context, EmptyModel, Plait
{more}
plait = Plait()

@plait.task()
def answer(input: EmptyModel, ctx: Context) -> int:
    return {value}
"""


def test_a_file_inside_a_package_may_import_relatively(plait_command, project):
    write(project, "shop/__init__.py", "")
    write(project, "shop/prices.py", "PRICE = 42\n")
    write(project, "shop/flows.py", FLOW.format(more="from .prices import PRICE", value="PRICE"))
    assert plait_command("run", "shop/flows.py:answer").stdout == "42\n"
    assert plait_command("run", "shop.flows:answer").stdout == "42\n"


def test_a_file_named_like_a_library_is_the_users_own(plait_command, project):
    write(project, "json.py", FLOW.format(more="", value="7"))
    assert plait_command("run", "json.py:answer").stdout == "7\n"


@pytest.mark.parametrize("target", ["unbound:w", "unbound"])
def test_a_workflow_without_a_plait_is_given_one(plait_command, project, target):
    write(
        project,
        "unbound.py",
        "from plait import Workflow\nw = Workflow('alone')\n\n@w.task()\ndef only(input, ctx) -> int:\n    return 5\n",
    )
    assert plait_command("run", target).stdout == '{"only": 5}\n'
