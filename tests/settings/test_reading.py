"""Who decides what a setting is, and what is said about a value that does not fit."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from plait import Plait
from plait.errors import SettingError
from plait.settings import SETTINGS, Place, Settings, find_database, settings
from plait.wording import shorten


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder to be in, and no setting in the environment."""
    for name in [name for name in os.environ if name.startswith("PLAIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    (tmp_path / ".plait").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(project: Path, *lines: str) -> None:
    (project / "pyproject.toml").write_text("\n".join(["[tool.plait]", *lines]))


def test_without_a_word_the_default_counts():
    found = Settings.worker_slots.find()
    assert (found.value, found.place, found.origin) == (100, Place.DEFAULT, "default")
    assert settings.retention is None
    assert settings.worker_grace == timedelta(seconds=30)


def test_the_argument_comes_before_the_environment_before_the_file_before_the_default(project, monkeypatch):
    write(project, "worker_slots = 2")
    assert settings.worker_slots == 2
    assert Settings.worker_slots.find().origin == str(project / "pyproject.toml")
    monkeypatch.setenv("PLAIT_WORKER_SLOTS", "3")
    assert settings.worker_slots == 3
    assert Settings.worker_slots.find().origin == "PLAIT_WORKER_SLOTS"
    assert Settings.worker_slots.read(4) == 4
    assert Settings.worker_slots.find(4, option="--slots").origin == "--slots"


def test_the_first_variable_wins_and_an_empty_one_is_none(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://b/b")
    assert find_database().origin == "DATABASE_URL"
    monkeypatch.setenv("PLAIT_DATABASE_URL", "postgresql://a/a")
    assert find_database().url == "postgresql://a/a"
    monkeypatch.setenv("PLAIT_DATABASE_URL", "")
    assert find_database().url == "postgresql://b/b"
    assert find_database("postgresql://c/c").origin == "argument"


def test_a_worker_takes_what_its_caller_left_out_from_the_settings(monkeypatch):
    monkeypatch.setenv("PLAIT_WORKER_SLOTS", "7")
    monkeypatch.setenv("PLAIT_WORKER_NAME", "night")
    monkeypatch.setenv("PLAIT_WORKER_GRACE", "1m")
    worker = Plait("postgresql://nowhere/").worker()
    assert (worker.name, worker.slots, worker.timings.grace) == ("night", 7, 60.0)
    assert Plait("postgresql://nowhere/").worker("mine", slots=1).slots == 1


def test_paths_of_the_file_start_from_its_folder(project, monkeypatch):
    write(project, 'home = "data"', 'accounts = "/etc/accounts"')
    (project / "inner").mkdir()
    monkeypatch.chdir(project / "inner")
    assert settings.home == project / "data"
    assert settings.accounts == Path("/etc/accounts")
    monkeypatch.setenv("PLAIT_HOME", "data")
    assert settings.home == project / "inner" / "data"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("retention", "30d", timedelta(days=30)),
        ("retention", "OFF", None),
        ("worker_grace", "0", timedelta(0)),
        ("worker_grace", "1.5", timedelta(seconds=1.5)),
        ("capture_logs", "Yes", True),
        ("capture_logs", "off", False),
        ("log_level", "DEBUG", "debug"),
        ("allowed_hosts", "a.example, b.example,", ("a.example", "b.example")),
        ("server_port", "0", 0),
    ],
)
def test_how_values_are_written_in_the_environment(name, text, value, monkeypatch):
    monkeypatch.setenv(SETTINGS[name].variables[0], text)
    assert getattr(settings, name) == value


def test_the_file_has_values_of_its_own_types(project):
    write(project, "retention = false", "worker_grace = 5", "capture_logs = true", 'allowed_hosts = ["a", "b"]')
    assert settings.retention is None
    assert settings.worker_grace == timedelta(seconds=5)
    assert settings.capture_logs is True
    assert settings.allowed_hosts == ("a", "b")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("retention", "30"),  # days? seconds? a unit is asked for where a slip would delete
        ("retention", "0d"),
        ("retention", "20y"),
        ("worker_slots", "0"),
        ("worker_slots", "many"),
        ("worker_grace", "-1s"),
        ("worker_grace", "1" + "0" * 30),
        ("embedded_timeout", "9" * 400),
        ("embedded_timeout", "9" * 400 + "s"),
        ("embedded_linger", "315360000000"),
        ("capture_logs", "maybe"),
        ("log_format", "xml"),
        ("server_port", "65536"),
    ],
)
def test_a_value_that_does_not_fit_names_the_variable_and_one_that_would(name, text, monkeypatch):
    setting = SETTINGS[name]
    monkeypatch.setenv(setting.variables[0], text)
    with pytest.raises(SettingError) as caught:
        getattr(settings, name)
    message = str(caught.value)
    assert message.startswith(f"{setting.variables[0]}={shorten(text)}")
    assert f"{setting.variables[0]}={setting.kind.example}" in message
    assert "unset it" in message


@pytest.mark.parametrize(
    "line",
    [
        'worker_slots = "many"',
        "worker_slots = true",
        "log_level = 3",
        "home = [1]",
        f"worker_grace = 1{'0' * 400}",
        "worker_grace = -1e30",
        "worker_grace = inf",
        "worker_grace = nan",
    ],
)
def test_a_wrong_entry_names_the_file_and_the_key(line, project):
    write(project, line)
    name = line.partition(" ")[0]
    with pytest.raises(SettingError, match=f"pyproject.toml.*{name}") as caught:
        getattr(settings, name)
    assert "leave it out" in str(caught.value)


def test_every_example_is_accepted(project, monkeypatch):
    for name, setting in SETTINGS.items():
        monkeypatch.setenv(setting.variables[0], setting.kind.example)
        wanted = getattr(settings, name)
        monkeypatch.delenv(setting.variables[0])
        if setting.in_file:
            write(project, f"{name} = {setting.kind.to_toml()}")
            assert getattr(settings, name) == wanted
            write(project)


def test_an_unknown_key_is_refused_with_the_nearest_name(project):
    write(project, "worker-slot = 3")
    with pytest.raises(SettingError, match=r"no setting 'worker-slot' \(did you mean 'worker_slots'\?\)"):
        settings.retention  # noqa: B018


def test_a_secret_has_no_place_in_the_file_and_is_not_repeated(project):
    write(project, 'server_token = "hush-hush"')
    with pytest.raises(SettingError, match="PLAIT_SERVER_TOKEN") as caught:
        settings.server_token  # noqa: B018
    assert "hush" not in str(caught.value)


def test_a_file_that_is_no_toml_is_named_where_it_speaks_of_plait(project):
    (project / "pyproject.toml").write_text("[tool.plait\n")
    with pytest.raises(SettingError, match=r"pyproject\.toml is not valid TOML"):
        settings.retention  # noqa: B018
    (project / "pyproject.toml").write_text("[tool.other\n")
    assert settings.retention is None


def test_a_changed_file_is_read_again(project):
    write(project, "worker_slots = 2")
    assert settings.worker_slots == 2
    write(project, "worker_slots = 33")
    assert settings.worker_slots == 33


def test_a_file_that_a_stranger_put_there_is_not_read(project, monkeypatch):
    write(project, 'database_url = "postgresql://attacker/"')
    monkeypatch.setattr("plait.settings.sources.is_trusted", lambda path: False)
    assert find_database().url is None


def test_declaring_reads_no_environment_and_no_file(project):
    write(project, "nonsense = 1")
    code = (
        "import os\n"
        "class Watched(dict):\n"
        "    def get(self, name, *rest):\n"
        "        assert not name.startswith(('PLAIT', 'DATABASE')), name\n"
        "        return super().get(name, *rest)\n"
        "os.environ = Watched(os.environ)\n"
        "from plait import Plait\n"
        "flow = Plait().workflow(name='w')\n"
        "@flow.task()\n"
        "def t(input, ctx): ...\n"
        "flow.definition\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
