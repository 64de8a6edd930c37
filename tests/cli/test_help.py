"""What the command says of itself, and that saying it costs nothing."""

import subprocess
import sys

import pytest

LIST_MODULES = """
import sys
from plait.cli import execute
execute(sys.argv[1:])
names = (name for name in sys.modules if "." not in name or name.startswith("plait"))
print(*names, file=sys.stderr)
"""


def list_modules(*arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LIST_MODULES, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["runs", "--help"], ["db", "--help"]])
def test_help_imports_click_and_nothing_else(arguments):
    modules = list_modules(*arguments)
    assert "click" in modules
    assert not modules & {"asyncio", "asyncpg", "pydantic", "rich", "concurrent"}
    assert {name for name in modules if name.startswith("plait")} == {
        "plait",
        "plait.cli",
        "plait.cli.lazy",
        "plait.version",
    }


def test_a_command_without_a_terminal_does_not_import_rich():
    assert "rich" not in list_modules("runs", "list", "--help")
    assert "rich" not in list_modules("run", "--help")


def test_a_supervisor_loads_neither_the_driver_nor_pydantic():
    assert not list_modules("worker", "--help") & {"asyncpg", "pydantic", "rich"}


def test_help_lists_every_command():
    from plait.cli import COMMANDS  # noqa: PLC0415 - the table under test

    shown = subprocess.run([sys.executable, "-m", "plait", "--help"], capture_output=True, text=True, check=True)
    for name, entry in COMMANDS.items():
        assert f"\n  {name} " in shown.stdout
        assert entry.help in shown.stdout


def test_every_command_of_the_table_exists_and_has_help():
    from plait.cli import COMMANDS  # noqa: PLC0415 - the table under test

    for name, entry in COMMANDS.items():
        for member, command in entry.members.items() or [(name, entry)]:
            assert command.load(member).help, (name, member)


@pytest.mark.parametrize(("typed", "meant"), [(["wroker"], "plait worker"), (["runs", "shwo"], "plait runs show")])
def test_a_misspelt_command_suggests_the_nearest(plait_command, typed, meant):
    done = plait_command(*typed)
    assert done.returncode == 2
    assert f"did you mean `{meant}`?" in done.stderr


def test_an_unknown_option_is_a_usage_error_with_the_next_step(plait_command):
    done = plait_command("runs", "list", "--sttus", "FAILED")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "--status" in done.stderr
    assert done.stdout == ""


def test_version(plait_command):
    import plait  # noqa: PLC0415

    assert plait_command("--version").stdout == f"plait {plait.__version__}\n"


def test_the_public_names_are_those_that_are_imported_for_type_checkers():
    import plait  # noqa: PLC0415

    assert set(plait._MODULE_BY_NAME) == set(plait.__all__)
    for name in plait.__all__:
        assert getattr(plait, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Palit'"):
        plait.Palit  # noqa: B018
