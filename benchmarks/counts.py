"""Machine-independent counts from PostgreSQL's own statistics: statements, rows and WAL bytes."""

from __future__ import annotations

import asyncpg

_ROWS = """
SELECT coalesce(sum(n_tup_ins), 0)::int8 AS inserts, coalesce(sum(n_tup_del), 0)::int8 AS deletes,
       coalesce(sum(n_tup_hot_upd), 0)::int8 AS hot_updates,
       coalesce(sum(n_tup_upd - n_tup_hot_upd), 0)::int8 AS cold_updates
FROM pg_stat_user_tables
WHERE schemaname = 'plait' AND relname IN ('run', 'ready', 'waiting', 'running', 'attempt')
"""
_REST = """
SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::int8 AS wal_bytes,
       (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()) AS commits
"""
_STATEMENTS = """
SELECT coalesce(sum(calls) FILTER (WHERE query NOT LIKE '%pg_notify%'), 0)::int8 AS statements,
       coalesce(sum(calls) FILTER (WHERE query LIKE '%pg_notify%'), 0)::int8 AS notifies
FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
WHERE d.datname = current_database() AND toplevel AND query ~ 'plait\\.|pg_notify'
"""


async def read_counts(connection: asyncpg.Connection) -> dict[str, int]:
    """All counters now; subtract two readings. Backends report their rows with a delay of up to a second."""
    counts = dict(await connection.fetchrow(_ROWS)) | dict(await connection.fetchrow(_REST))
    if await connection.fetchval("SELECT to_regclass('pg_stat_statements')") is not None:
        counts |= dict(await connection.fetchrow(_STATEMENTS))
    return counts
