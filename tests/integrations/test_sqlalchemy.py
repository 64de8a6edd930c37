"""The SQLAlchemy example: a row and its run, from synchronous and asynchronous sessions."""

from __future__ import annotations

from collections.abc import Callable

from integrations.conftest import EXAMPLES, Program
from support.database import Database


def test_an_account_and_its_welcome_are_one_transaction(start: Callable[..., Program], database: Database) -> None:
    program = start("signup.py", folder=EXAMPLES / "sqlalchemy_outbox")
    assert program.process.wait(60) == 0, program.log
    assert program.log.splitlines() == [
        "accounts: ada@example.com grace@example.com",
        "{'welcome': 'welcome, ada@example.com'}",
        "{'welcome': 'welcome, grace@example.com'}",
        "runs: 2",
    ]
    assert database.count("run") == 2  # the two that were rolled back are not there
