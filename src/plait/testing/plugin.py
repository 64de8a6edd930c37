"""The pytest plugin: the fixture ``plait_test``. Next to nothing is imported until a test asks for it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from plait.testing.session import find_folder

if TYPE_CHECKING:
    from plait.testing.harness import PlaitTest
    from plait.testing.server import DatabaseServer

_SESSION = pytest.StashKey[str]()
_INPUT = "plait_test_session"


@pytest.fixture(scope="session")
def plait_test_server(pytestconfig: pytest.Config) -> Iterator[DatabaseServer]:
    """The PostgreSQL of this test session: that of ``PLAIT_TEST_DATABASE_URL``, else one of its own."""
    from plait.testing.server import DatabaseServer  # noqa: PLC0415

    server = DatabaseServer(pytestconfig.stash[_SESSION])
    try:
        server.open()
        yield server
    finally:
        server.close()


@pytest.fixture
def plait_test(plait_test_server: DatabaseServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[PlaitTest]:
    """A database of the test's own, workers in this process, and time that can be skipped. See ``PlaitTest``.

    A ``Plait()`` without a URL that is first used during the test uses this database too.
    """
    from plait.testing.harness import PlaitTest  # noqa: PLC0415

    test = PlaitTest(plait_test_server)
    monkeypatch.setenv("PLAIT_DATABASE_URL", test.url)
    try:
        yield test
    finally:
        test._close()


def pytest_configure(config: pytest.Config) -> None:
    """The name of the session: under ``pytest -n`` that of the controller."""
    given: dict[str, Any] = getattr(config, "workerinput", {})
    config.stash[_SESSION] = given.get(_INPUT) or secrets.token_hex(4)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker the name of the session."""
    node.workerinput[_INPUT] = node.config.stash[_SESSION]


def pytest_unconfigure(config: pytest.Config) -> None:
    """The process that outlives the others cleans up, if anything was made."""
    if hasattr(config, "workerinput") or _SESSION not in config.stash:
        return
    session = config.stash[_SESSION]
    if find_folder(session).is_dir():
        from plait.testing.server import destroy_session  # noqa: PLC0415

        destroy_session(session)
