"""Databases that one test hands on to the next: emptying one costs a fifth of what making and dropping one does.

Handed on is only what is sure to be like new: everybody has left it, and nothing in it but rows has changed. Any other
is dropped, and the next test gets a new one.
"""

from __future__ import annotations

import itertools
import os
import time

import psycopg

from support.database import Database
from support.server import Server

_numbers = itertools.count(1)

LEAVE_SECONDS = 0.3
"""How long those who have disconnected may take to be gone."""

_LEAVE = """
RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; UNLISTEN *;
SELECT pg_advisory_unlock_all(), pg_stat_force_next_flush()
"""
"""Undoes what the test may have changed about its own session, which is handed on too; and has it tell what it did."""

_OTHERS = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""

# What was written to the catalogues is counted by PostgreSQL; to read them would take longer than all the rest. Only
# pg_class is read: what empties a table writes there too.
_STATE = """
SELECT
    (SELECT (datacl, datconnlimit, datallowconn)::text FROM pg_database WHERE datname = current_database()),
    (SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
     WHERE d.datname = current_database()),
    (SELECT count(*) FROM pg_shdescription s JOIN pg_database d ON d.oid = s.objoid
     WHERE d.datname = current_database()),
    (SELECT sum(pg_stat_get_tuples_inserted(oid) + pg_stat_get_tuples_updated(oid) + pg_stat_get_tuples_deleted(oid))
     FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r' AND NOT relisshared
     AND relname <> 'pg_class'),
    (SELECT sum(hashtextextended((relname, relowner, relpersistence, relnatts, relchecks, relhasrules, relhastriggers,
        relrowsecurity, relforcerowsecurity, relacl, reloptions)::text, 0))
     FROM pg_class WHERE relnamespace = 'plait'::regnamespace),
    (SELECT (count(*), max(xmin::text::int8))::text FROM plait.migration)
"""

_FILLED = """
SELECT string_agg(oid::regclass::text, ', ') FROM pg_class
WHERE relnamespace = 'plait'::regnamespace AND relkind = 'r' AND relname NOT IN ('migration', 'era')
  AND pg_relation_size(oid) > 0
"""

# As in the template, whose tables were vacuumed: of a table that never was, the planner believes that it has ten pages.
_RESET = """
UPDATE pg_class SET reltuples = 0
WHERE relnamespace = 'plait'::regnamespace AND relkind IN ('r', 'i') AND reltuples < 0;
SELECT setval(seqrelid::regclass, seqstart, seqrelid = 'plait.era_now'::regclass) FROM pg_sequence;
DELETE FROM plait.era WHERE era > 1 OR state > 0;
INSERT INTO plait.era (era) VALUES (1) ON CONFLICT DO NOTHING;
SELECT pg_stat_force_next_flush()
"""


class Pool:
    """The databases of one server of our own."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._made: list[Database] = []
        self._free: list[Database] = []
        self._new: object = None
        """The state of one that nobody has used."""

    def take(self) -> Database:
        """One that is as if it were new."""
        if self._free:
            return self._free.pop()
        database = Database(self._server, f"plait_test_{os.getpid()}_pool_{next(_numbers)}")
        self._made.append(database)
        if self._new is None:
            self._new = database.query(_STATE)
        return database

    def give_back(self, database: Database, *, usable: bool) -> None:
        """Take it back: empty it for the next test, or drop it. ``usable``: False where the test says so."""
        if usable and self._empty(database):
            self._free.append(database)
        else:
            self._made.remove(database)
            database.drop()

    def close(self) -> None:
        for database in self._made:
            database.drop()

    def _empty(self, database: Database) -> bool:
        """Whether it is like new now."""
        try:
            database.query(_LEAVE)
            if not _wait_left(database) or database.query(_STATE) != self._new:
                return False
            filled = database.value(_FILLED)
            database.query((f"TRUNCATE {filled};" if filled else "") + _RESET)
            database.query("SELECT pg_stat_reset()")
        except psycopg.Error:
            return False
        return True


def _wait_left(database: Database) -> bool:
    """Whether all others have disconnected. Who has not may come again, in the middle of another test."""
    end = time.monotonic() + LEAVE_SECONDS
    while database.value(_OTHERS):
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True
