"""Connections, outages, slow and full servers."""

from __future__ import annotations

from faults.mutations.mutation import Mutation

LINKS = (
    Mutation(
        "the isolation level is that of the database",
        "store/connection.py",
        '    "default_transaction_isolation": "read committed",\n',
        "",
        "test_links.py::test_the_isolation_level_of_the_database_is_not_ours",
    ),
    Mutation(
        "a deliverer's portion does not grow again",
        "maintenance/deliverer.py",
        "            load.is_full = portion",
        "            _ = portion",
        "test_slow_links.py::test_a_deliverer_reads_more_events_at_once_again_when_the_link_is_quick_again",
    ),
)
