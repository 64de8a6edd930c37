"""The settings of ``plait.django``: what they mean, and what is said of wrong ones."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import django
import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.test import override_settings

from integrations.conftest import EXAMPLES
from plait.client import get_access
from plait.django import DjangoPlait
from plait.django.config import Config, build_url, find_url, read_config
from plait.django.management.command import drop_options
from plait.store import schema
from support import launcher


@pytest.fixture(autouse=True)
def _django() -> None:
    if not settings.configured:
        settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.postgresql"}}, USE_TZ=True)
        django.setup()


def test_without_settings_it_is_the_default_database() -> None:
    assert read_config() == Config("default", None, ("flows", "workflows"))


def test_none_leaves_the_choice_to_plait() -> None:
    with override_settings(PLAIT={"DATABASE": None, "MODULES": ["jobs"]}):
        assert read_config() == Config(None, None, ("jobs",))
        assert find_url() is None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"DATABSE": "default"}, "'DATABSE' (did you mean 'DATABASE'?)"),
        ({"DATABASE": "defualt"}, "'defualt' is not in DATABASES (did you mean 'default'?)"),
        ({"OBJECT": 3}, '"shop.flows.plait"'),
        ({"MODULES": "flows"}, '["flows"]'),
        ("default", "it is a dict"),
    ],
)
def test_a_wrong_setting_is_named_with_the_way_out(given: Any, says: str) -> None:
    with override_settings(PLAIT=given), pytest.raises(ImproperlyConfigured) as caught:
        read_config()
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ({"NAME": "shop"}, "postgresql:///shop"),
        ({"NAME": "shop", "USER": "ada", "HOST": "/run/pg", "PORT": 5433},
         "postgresql://ada@/shop?host=%2Frun%2Fpg&port=5433"),
        ({"NAME": "a/b", "USER": "a@b", "PASSWORD": "p:/?#", "HOST": "db", "PORT": "5432"},
         "postgresql://a%40b:p%3A%2F%3F%23@db:5432/a%2Fb"),
        ({"NAME": "shop", "HOST": "::1", "OPTIONS": {"sslmode": "require", "pool": True}},
         "postgresql://[::1]/shop?sslmode=require"),
    ],
)  # fmt: skip
def test_an_entry_of_databases_becomes_a_url(entry: dict[str, Any], url: str) -> None:
    assert build_url(entry) == url


def test_a_service_file_is_not_read_and_that_is_said() -> None:
    with pytest.raises(ImproperlyConfigured, match="PLAIT_DATABASE_URL"):
        build_url({"OPTIONS": {"service": "shop"}})


def test_the_database_is_looked_up_at_each_use_until_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    plait = DjangoPlait()
    entry = connections["default"].settings_dict
    try:
        for name in ("shop", "test_shop"):  # as the test runner does it
            monkeypatch.setitem(entry, "NAME", name)
            assert get_access(plait).engine._explicit_url == find_url() == build_url(entry)
        plait.use_database("postgresql:///own")
        assert get_access(plait).engine._explicit_url == "postgresql:///own"
    finally:
        plait.close()


def test_djangos_own_options_are_not_passed_on() -> None:
    given = ["--settings", "a.b", "--slots", "3", "--pythonpath=/x", "--settings=c", "-o", "json"]
    assert drop_options(given) == ["--slots", "3", "-o", "json"]


def test_every_migration_of_plait_is_one_of_django() -> None:
    """A new file in store/migrations needs a file of the same name in django/migrations."""
    found = {}
    folder = Path(schema.__file__).parents[1] / "django" / "migrations"
    previous: list[tuple[str, str]] = []
    for path in sorted(folder.glob("[0-9]*.py")):
        module = importlib.import_module(f"plait.django.migrations.{path.stem}")
        assert module.Migration.dependencies == previous
        previous = [("plait", path.stem)]
        [operation] = module.Migration.operations
        found[path.stem] = operation.code.__closure__[0].cell_contents
    assert found == {f"{one.version:04d}_{one.name}": one.version for one in schema.list_migrations()}


def check_project(tmp_path: Path, lines: str) -> str:
    """What ``manage.py check`` says with other settings than the example's."""
    (tmp_path / "other.py").write_text(f"from shop.settings import *\n{lines}\n")
    done = launcher.run(
        ["manage.py", "check", "--settings", "other", "--pythonpath", str(tmp_path)],
        cwd=EXAMPLES / "django_shop",
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return done.stdout + done.stderr


def test_a_database_that_is_no_postgresql_is_an_error(tmp_path: Path) -> None:
    said = check_project(tmp_path, 'DATABASES["default"] = {"ENGINE": "django.db.backends.sqlite3", "NAME": "x"}')
    assert "plait.E001" in said
    assert "SQLite" in said


def test_a_project_without_workflows_is_warned(tmp_path: Path) -> None:
    said = check_project(tmp_path, 'PLAIT = {"MODULES": ["jobs"]}\nROOT_URLCONF = "other"\nurlpatterns = []')
    assert "plait.W001" in said
    assert "jobs.py" in said


def test_an_object_that_does_not_know_the_project_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from plait import Plait\nplait = Plait()\n")
    said = check_project(tmp_path, 'PLAIT = {"OBJECT": "mine.plait"}')
    assert "make it a plait.django.DjangoPlait()" in said
