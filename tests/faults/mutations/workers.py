"""Workers: leases, deaths, suspects, shutdown."""

from __future__ import annotations

from faults.mutations.mutation import Mutation

WORKERS = (
    Mutation(
        "there is no fence",
        "store/functions/finish_tasks.sql",
        " AND h.attempt = o.attempt AND h.worker_id = worker",
        "",
        "test_storms.py::test_workers_frozen_for_three_leases_and_thawed",
    ),
    Mutation(
        "nobody takes up what a dead worker held",
        "store/sql/reap_workers.sql",
        "ORDER BY r.run_id, r.task LIMIT $1",
        "ORDER BY r.run_id, r.task LIMIT least($1, 0)",
        "test_storms.py::test_workers_killed_one_after_the_other",
    ),
    Mutation(
        "a worker gives up storing when the database is away",
        "worker/flusher.py",
        '                await self._outage.pause(error, f"{len(batch)',
        ('                return None\n                await self._outage.pause(error, f"{len(batch)'),
        "test_storms.py::test_postgresql_crashes_again_and_again",
    ),
    Mutation(
        "a worker keeps its tasks although its lease is over",
        "worker/heartbeat.py",
        "> self._timings.lease - self._timings.margin:",
        "> 1000:",
        "test_storms.py::test_an_outage_longer_than_the_lease",
    ),
    Mutation(
        "what a lost reply gave to a worker is not looked for",
        "worker/claimer.py",
        "        if found:\n",
        "        if found and False:\n",
        "test_storms.py::test_replies_lost_after_their_commit",
    ),
    Mutation(
        "a reset connection is an unforeseen error",
        "store/connection.py",
        "    asyncpg.PostgresConnectionError,\n",
        "",
        "test_storms.py::test_connections_reset_at_once",
    ),
    Mutation(
        "an upgrade is no transaction",
        "store/schema.py",
        "            async with connection.transaction():",
        "            if connection:",
        "test_fault_points.py::test_migration",
    ),
    Mutation(
        "a claim is not to be found again",
        "store/sql/read_held.sql",
        "WHERE h.worker_id = $1",
        "WHERE h.worker_id = $1 AND false",
        "test_fault_points.py::test_fault_point[raise at claim committed]",
    ),
    Mutation(
        "clock: a leader that stands still counts all of it",
        "maintenance/reaper.py",
        "step = min(self._every, time.monotonic() - self._answered)",
        "step = time.monotonic() - self._answered",
        "test_silence.py::test_a_reaper_counts_one_round_at_the_most",
    ),
    Mutation(
        "a task that is lost as often as allowed is tried again",
        "graph/judge.py",
        "    if total < limit:",
        "    if total <= limit:",
        "test_suspects.py::test_how_many_workers_a_task_may_lose_is_a_setting",
    ),
    Mutation(
        "the leader's lease goes through the pool",
        "store/store.py",
        "link = self.lead if self.lead.is_open else self.pool",
        "link = self.pool",
        "tests/worker/test_leader.py::test_what_the_leader_does_is_not_in_the_way_of_its_lease",
    ),
    Mutation(
        "the same line is told without end",
        "worker/lines.py",
        "                return False\n",
        "                return True\n",
        "tests/worker/test_lines.py::test_a_kind_of_line_is_told_so_often_each_text_once_and_what_is_left_out_is_counted",
    ),
)
