"""What the budgets are counted with."""

from __future__ import annotations

import pytest

from support.database import Database
from support.server import OwnServer


@pytest.fixture
def statements(database: Database, own_server: OwnServer) -> Database:
    """The database, with its statements counted."""
    if "pg_stat_statements" not in database.value("SHOW shared_preload_libraries"):
        pytest.skip("this PostgreSQL has no pg_stat_statements")
    database.query("CREATE EXTENSION pg_stat_statements")
    return database
