"""The plugin in pytest runs of its own, as a user's project has them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from plait.testing.server import DatabaseServer
from plait.testing.session import FOLDER_PREFIX

USERS_PLUGINS = "-p no:schemathesis -p no:hypothesispytest -p no:anyio"
"""A user's project has not all the plugins that our tests bring along; they take 4 s to import."""

APP = """
    from plait import Context, EmptyModel, Plait

    plait = Plait("postgresql://nobody@127.0.0.1:1/production")
    flow = plait.workflow(name="Flow")

    def fetch() -> str:
        return "real"

    @flow.task(retries=1, backoff_factor=86400, backoff_max_seconds=86400)
    def work(input: EmptyModel, ctx: Context) -> str:
        if ctx.retry_count == 0:
            raise ConnectionError
        return fetch()
"""

TESTS = """
    import os
    import app
    import pytest

    def test_own(plait_test, monkeypatch):
        monkeypatch.setattr(app, "fetch", lambda: "patched")
        plait_test.use(app.plait)
        assert plait_test.run(app.flow) == {"work": "patched"}
        assert len(app.plait.runs.list()) == 1

    @pytest.mark.parametrize("number", range(3))
    def test_nothing_is_left_of_other_tests(plait_test, number):
        plait_test.use(app.plait)
        assert app.plait.runs.list() == []
        assert plait_test.run(app.flow) == {"work": "real"}

    def test_the_plait_has_its_own_database_again():
        assert app.plait._access.database_url == "postgresql://nobody@127.0.0.1:1/production"
        assert "plait_test" not in os.environ.get("PLAIT_DATABASE_URL", "")
"""


@pytest.fixture(autouse=True)
def _no_options_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", USERS_PLUGINS)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.delenv("PYTEST_XDIST_TESTRUNUID", raising=False)


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(app=APP, test_app=TESTS)
    pytester.makeini(
        "[pytest]\nfilterwarnings = error\npythonpath = .\nasyncio_default_fixture_loop_scope = function\n"
    )
    return pytester


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files of pytest runs that start a server; open to the account that runs it for root."""
    folder = Path(tempfile.mkdtemp(prefix="plait-t-", dir="/tmp"))
    folder.chmod(0o755)
    monkeypatch.setenv("TMPDIR", str(folder))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def on_our_server(monkeypatch: pytest.MonkeyPatch, plait_test_server: DatabaseServer) -> DatabaseServer:
    """Where the server does not matter: no other is started."""
    monkeypatch.setenv("PLAIT_TEST_DATABASE_URL", plait_test_server.url)
    return plait_test_server


@pytest.mark.parametrize("options", [(), ("-n", "2")])
def test_a_project_needs_nothing_but_the_fixture(
    project: pytest.Pytester,
    temporary: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
) -> None:
    monkeypatch.setenv("PLAIT_HOME", str(tmp_path / "home"))  # what people work with; tests leave it alone
    project.runpytest_subprocess(*options).assert_outcomes(passed=5)
    assert list(temporary.glob(f"{FOLDER_PREFIX}*")) == []
    assert not (tmp_path / "home").exists()


def test_a_server_of_ones_own_is_used_and_left_as_it_was(
    project: pytest.Pytester, on_our_server: DatabaseServer
) -> None:
    def list_others() -> list[str]:
        return [name for name in on_our_server.list_databases() if not name.startswith(on_our_server.template)]

    before = list_others()
    project.runpytest_subprocess().assert_outcomes(passed=5)
    assert list_others() == before


def test_a_test_that_leaves_a_task_hanging_does_not_hang_the_session(
    pytester: pytest.Pytester, on_our_server: DatabaseServer
) -> None:
    pytester.makepyfile(
        """
        import asyncio, threading
        from plait import Context, EmptyModel, Plait

        def test_hanging(plait_test):
            plait = Plait()

            @plait.task(name="blocks")
            def blocks(input: EmptyModel, ctx: Context) -> None:
                threading.Event().wait(600)

            @plait.task(name="waits")
            async def waits(input: EmptyModel, ctx: Context) -> None:
                await asyncio.sleep(600)

            plait_test.use(plait)
            blocks.run_no_wait()
            waits.run_no_wait()
            while len(plait.runs.list(statuses=["RUNNING"])) < 2:
                pass
        """
    )
    pytester.runpytest_subprocess(timeout=200).assert_outcomes(passed=1)


def test_a_worker_that_cannot_start_fails_the_test_with_the_reason(
    pytester: pytest.Pytester, on_our_server: DatabaseServer
) -> None:
    pytester.makepyfile(
        """
        from plait import Plait

        def test_nothing_to_serve(plait_test):
            plait_test.use(Plait())
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*DefinitionError: worker 'test-1' has no workflows*"])


def test_a_run_without_the_fixture_starts_nothing_and_imports_next_to_nothing(
    pytester: pytest.Pytester, temporary: Path
) -> None:
    pytester.makepyfile("def test_nothing(): pass")
    code = (
        "import sys, pytest; pytest.main(['-q']); "
        "print(sorted(m for m in sys.modules if m.split('.')[0] in ('plait', 'asyncpg', 'pydantic')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == str(
        ["plait", "plait.testing", "plait.testing.plugin", "plait.testing.session", "plait.version"]
    )
    assert list(temporary.glob(f"{FOLDER_PREFIX}*")) == []
