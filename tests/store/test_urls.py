"""What hosts of PostgreSQL and other drivers give as URL."""

from __future__ import annotations

import pytest

from plait import Plait
from plait.errors import OperationError
from plait.store.urls import normalise_url
from support.database import Database

NEON = "postgresql://u:p@ep-a-pooler.eu-central-1.aws.neon.tech/neondb"
SUPABASE = "postgresql://postgres.ref:p@aws-0-eu-central-1.pooler.supabase.com:6543/postgres"
AZURE = "postgresql://u%40server:p@server.postgres.database.azure.com:5432/postgres?sslmode=require"


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (f"{NEON}?sslmode=require&channel_binding=require", f"{NEON}?sslmode=require"),
        (f"{SUPABASE}?pgbouncer=true", SUPABASE),
        (f"{SUPABASE}?pgbouncer=true&connection_limit=1&sslmode=require", f"{SUPABASE}?sslmode=require"),
        (AZURE, AZURE),
        ("postgres://u:p@h/d?schema=public", "postgresql://u:p@h/d"),
        ("postgresql+asyncpg://u:p@h/d?ssl=require", "postgresql://u:p@h/d?sslmode=require"),
        ("postgresql://u@/d?host=/a b&connect_timeout=10", "postgresql://u@/d?host=/a b"),
    ],
)
def test_urls_are_taken_as_their_hosts_give_them(given: str, taken: str) -> None:
    assert normalise_url(given) == taken


@pytest.mark.parametrize(
    "more",
    [
        "connect_timeout=10",
        "keepalives=1&keepalives_idle=30",
        "ssl=disable",
        "schema=public",
        "pgbouncer=true&connection_limit=5",
        "application_name=x",
        "sslmode=prefer&channel_binding=prefer",
        "gssencmode=disable",
    ],
)
def test_parameters_of_other_drivers_do_no_harm(database: Database, more: str) -> None:
    plait = Plait(f"{database.url}&{more}")
    assert list(plait.runs.list(limit=1).items) == []
    plait.close()


def test_a_parameter_that_nobody_knows_is_named(database: Database) -> None:
    plait = Plait(f"{database.url}&slots=10")
    with pytest.raises(OperationError, match="slots"):
        plait.runs.list(limit=1)
    plait.close()
