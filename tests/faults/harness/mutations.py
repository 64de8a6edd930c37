"""Ways to break Plait, each of which a fault test must notice: ``python -m faults.harness.mutations [WORD …]`` breaks a
copy of the repository in each of them, runs the test, and says which breakage went unnoticed.

With words, only those whose description has one of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]

MACHINE = "tests/faults/test_state_machine.py"
STORMS = "tests/faults/test_storms.py::"
POINTS = "tests/faults/test_fault_points.py::"
CLOCKS = "tests/faults/test_clocks.py::"
SUSPECTS = "tests/faults/test_suspects.py::"
LINKS = "tests/faults/test_links.py::"
PROMISES = "tests/faults/test_promises.py::"


@dataclass(frozen=True, slots=True)
class Mutation:
    """``old`` stands once in ``file`` below ``src/plait``; with ``new`` in its place ``test`` must fail."""

    what: str
    file: str
    old: str
    new: str
    test: str


MUTATIONS = (
    Mutation(
        "the fence does not ask which worker",
        "store/functions/finish_tasks.sql",
        " AND h.attempt = o.attempt AND h.worker_id = worker",
        " AND h.attempt = o.attempt",
        MACHINE,
    ),
    Mutation(
        "the fence does not ask which attempt",
        "store/functions/finish_tasks.sql",
        " AND h.attempt = o.attempt AND h.worker_id = worker",
        " AND h.worker_id = worker",
        MACHINE,
    ),
    Mutation(
        "there is no fence",
        "store/functions/finish_tasks.sql",
        " AND h.attempt = o.attempt AND h.worker_id = worker",
        "",
        STORMS + "test_workers_frozen_for_three_leases_and_thawed",
    ),
    Mutation(
        "a join forgets what it counted",
        "store/functions/finish_tasks.sql",
        "array_agg(p.n - coalesce(d.n, 0) ORDER BY p.slot)",
        "array_agg(p.n - coalesce(least(d.n, 1), 0) ORDER BY p.slot)",
        MACHINE,
    ),
    Mutation(
        "a task that is parked overlooks an event",
        "store/functions/park_tasks.sql",
        "AND e.position > greatest(w.position, w.events_from)",
        "AND e.position > greatest(w.position, w.events_from) AND false",
        MACHINE,
    ),
    Mutation(
        "a cancellation forgets what waits",
        "store/functions/cancel_runs.sql",
        "DELETE FROM plait.waiting WHERE run_id = ANY (active)",
        "DELETE FROM plait.waiting WHERE run_id = ANY (active) AND false",
        MACHINE,
    ),
    Mutation(
        "a cancellation forgets the children",
        "store/functions/cancel_runs.sql",
        "AND (r.id = ANY (active) AND",
        "AND false AND (r.id = ANY (active) AND",
        MACHINE,
    ),
    Mutation(
        "a reaped task keeps the number of its attempt",
        "store/sql/reap_workers.sql",
        "t.attempt + 1, t.retry, t.lost +",
        "t.attempt, t.retry, t.lost +",
        MACHINE,
    ),
    Mutation(
        "a replay does not number behind the old attempts",
        "store/functions/replay_runs.sql",
        "first_attempt = begun",
        "first_attempt = 1",
        MACHINE,
    ),
    Mutation(
        "a child is pruned before its parent",
        "store/functions/hold_prunable.sql",
        "SELECT id FROM free WHERE id NOT IN (SELECT id FROM stays)",
        "SELECT id FROM free",
        MACHINE,
    ),
    Mutation(
        "nobody takes up what a dead worker held",
        "store/sql/reap_workers.sql",
        "ORDER BY r.run_id, r.task LIMIT $1",
        "ORDER BY r.run_id, r.task LIMIT least($1, 0)",
        STORMS + "test_workers_killed_one_after_the_other",
    ),
    Mutation(
        "a worker gives up storing when the database is away",
        "worker/flusher.py",
        '                await self._outage.pause(error, f"{len(batch)',
        '                return None\n                await self._outage.pause(error, f"{len(batch)',
        STORMS + "test_postgresql_crashes_again_and_again",
    ),
    Mutation(
        "a worker keeps its tasks although its lease is over",
        "worker/heartbeat.py",
        "> self._timings.lease - self._timings.margin:",
        "> 1000:",
        STORMS + "test_an_outage_longer_than_the_lease",
    ),
    Mutation(
        "what a lost reply gave to a worker is not looked for",
        "worker/claimer.py",
        "        if found:\n",
        "        if found and False:\n",
        STORMS + "test_replies_lost_after_their_commit",
    ),
    Mutation(
        "a reset connection is an unforeseen error",
        "store/connection.py",
        "    asyncpg.PostgresConnectionError,\n",
        "",
        STORMS + "test_connections_reset_at_once",
    ),
    Mutation(
        "an upgrade is no transaction",
        "store/schema.py",
        "            async with connection.transaction():",
        "            if connection:",
        POINTS + "test_migration",
    ),
    Mutation(
        "a claim is not to be found again",
        "store/sql/read_held.sql",
        "WHERE h.worker_id = $1",
        "WHERE h.worker_id = $1 AND false",
        POINTS + "test_fault_point[raise at claim committed]",
    ),
    Mutation(
        "clock: a run sees events that were pushed before it",
        "store/sql/read_events_since.sql",
        " AND e.pushed > q.pushed",
        "",
        CLOCKS + "test_a_run_does_not_see_what_was_pushed_before_it_though_the_clock_was_set_back",
    ),
    Mutation(
        "clock: events count by the server's time",
        "store/sql/read_events_since.sql",
        "e.key = k.key AND",
        "e.created_at >= (SELECT max(created_at) FROM plait.run) AND e.key = k.key AND",
        CLOCKS + "test_a_run_sees_what_is_pushed_after_it_though_the_clock_was_set_back",
    ),
    Mutation(
        "clock: runs take their turn by their ids",
        "store/functions/start_runs.sql",
        "nextval('plait.position') AS position",
        "('x' || left(replace(w.run_id::text, '-', ''), 15))::bit(60)::bigint AS position",
        CLOCKS + "test_runs_start_in_the_order_of_their_triggers_whatever_the_clocks_of_clients_say",
    ),
    Mutation(
        "clock: pages of active runs are bounded by ids",
        "store/sql/find_active_runs.sql",
        "position < (SELECT position FROM bound)\n          AND run_id >= $2",
        "run_id < coalesce($1, $3)\n          AND run_id >= $2",
        CLOCKS + "test_every_active_run_is_listed_once_whatever_the_clocks_of_clients_say",
    ),
    Mutation(
        "clock: runs are old by their ids",
        "store/sql/list_prunable.sql",
        "AND r.created_at < $3",
        "AND r.id < plait.lowest_id($3)",
        CLOCKS + "test_runs_are_deleted_by_when_they_ended_and_not_by_their_ids",
    ),
    Mutation(
        "clock: silence goes by the server's time",
        "store/sql/reap_workers.sql",
        "watched_us < (SELECT watched_us FROM watch) - lease_us - $4::int8",
        "heartbeat_at < plait.now() - (lease_us + $4::int8) * interval '1 microsecond'",
        CLOCKS + "test_a_clock_that_jumps_beyond_the_lease_costs_no_worker_its_tasks",
    ),
    Mutation(
        "clock: a leader that stands still counts all of it",
        "maintenance/reaper.py",
        "step = min(self._every, time.monotonic() - self._answered)",
        "step = time.monotonic() - self._answered",
        "tests/faults/test_silence.py::test_a_reaper_counts_one_round_at_the_most",
    ),
    Mutation(
        "clock: a lease of a clock that was set back holds",
        "store/sql/take_lease.sql",
        "   OR l.expires_at NOT BETWEEN plait.now() AND plait.now() + 2 * $3::int8 * interval '1 microsecond'",
        "   OR l.expires_at < plait.now()",
        CLOCKS + "test_a_killed_leader_is_replaced_and_its_tasks_run_elsewhere_though_the_clock_was_set[-3600]",
    ),
    Mutation(
        "clock: orders to cancel wait for a clock that was set back",
        "store/functions/carry_out_cancellations.sql",
        " OR c.due_at > plait.now() + 40 * again",
        "",
        CLOCKS + "test_child_runs_are_cancelled_though_the_clock_was_set_back",
    ),
    Mutation(
        "clock: a cron goes on at times that have fired",
        "graph/cron.py",
        "return now if last is None else max(now, last)",
        "return now",
        CLOCKS + "test_no_fire_time_of_a_cron_gets_two_runs_though_the_clock_was_set_back",
    ),
    Mutation(
        "a task that is lost as often as allowed is tried again",
        "graph/judge.py",
        "    if total < limit:",
        "    if total <= limit:",
        SUSPECTS + "test_how_many_workers_a_task_may_lose_is_a_setting",
    ),
    Mutation(
        "the isolation level is that of the database",
        "store/connection.py",
        '    "default_transaction_isolation": "read committed",\n',
        "",
        LINKS + "test_the_isolation_level_of_the_database_is_not_ours",
    ),
    Mutation(
        "a cancellation does not look further than one page of descendants",
        "store/functions/carry_out_cancellations.sql",
        "        IF looked_at >= most THEN",
        "        IF false THEN",
        "tests/faults/test_control_faults.py::"
        "test_descendants_of_a_child_that_has_ended_are_cancelled_too_page_by_page",
    ),
    Mutation(
        "a cancellation is not sent again when its reply was lost",
        "engine/control.py",
        "ended += await repeat(self._store.control.cancel_runs, page, reason)",
        "ended += await self._store.control.cancel_runs(page, reason)",
        PROMISES + "test_a_cancellation_of_a_large_family_whose_reply_was_lost_is_whole",
    ),
    Mutation(
        "timers are half a second late",
        "maintenance/timers.py",
        "max(0.001, seconds))",
        "max(0.001, seconds + 0.5))",
        PROMISES + "test_timers_sleep_no_longer_than_until_the_next_of_them_is_due",
    ),
    Mutation(
        "a cron is fired whether or not its time was dealt with",
        "store/functions/fire_crons.sql",
        "ON c.id = w.id AND c.next_at = w.due",
        "ON c.id = w.id",
        "tests/faults/test_cron_processes.py::test_many_leaders_at_a_time_fire_each_time_once",
    ),
    Mutation(
        "a deployment computes the times of unchanged crons anew",
        "store/sql/sync_crons.sql",
        "(excluded.expression, excluded.timezone) THEN c.next_at",
        "(excluded.expression, excluded.timezone) THEN excluded.next_at",
        PROMISES + "test_a_deployment_leaves_the_next_time_of_a_cron_that_is_the_same",
    ),
    Mutation(
        "an event stays in the inbox when it is delivered",
        "store/functions/deliver_events.sql",
        "DELETE FROM plait.event_inbox WHERE pushed = ANY (places);",
        "NULL;",
        PROMISES + "test_events_are_delivered_in_the_order_in_which_they_were_pushed",
    ),
    Mutation(
        "priorities do not matter to a claim",
        "store/sql/claim_tasks.sql",
        "    ORDER BY h.priority DESC, h.position, h.task\n    LIMIT $3",
        "    ORDER BY h.position, h.task\n    LIMIT $3",
        PROMISES + "test_workers_that_claim_one_after_the_other_get_the_most_urgent_then_the_oldest",
    ),
    Mutation(
        "what is held of ended runs is not swept",
        "maintenance/reaper.py",
        "            await self._store.sweep_ended(BATCH)\n",
        "",
        PROMISES + "test_what_is_still_held_of_a_run_that_has_ended_is_dropped",
    ),
    Mutation(
        "events are delivered in the opposite order",
        "store/functions/deliver_events.sql",
        "WHERE id = ANY (fresh) ORDER BY ord) u",
        "WHERE id = ANY (fresh) ORDER BY ord DESC) u",
        PROMISES + "test_events_are_delivered_in_the_order_in_which_they_were_pushed",
    ),
    Mutation(
        "the inbox is read from its end",
        "store/sql/read_inbox.sql",
        "WHERE before < $2::int8\nORDER BY pushed",
        "WHERE before < $2::int8\nORDER BY pushed DESC",
        PROMISES + "test_events_are_delivered_in_the_order_in_which_they_were_pushed",
    ),
    Mutation(
        "a deliverer's portion does not grow again",
        "maintenance/deliverer.py",
        "            load.is_full = portion",
        "            _ = portion",
        "tests/faults/test_slow_links.py::"
        "test_a_deliverer_reads_more_events_at_once_again_when_the_link_is_quick_again",
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
        "tests/worker/test_lines.py",
    ),
)


def make_copy(folder: Path) -> Path:
    """The repository as it is committed, with a Python whose packages are this one's, but for Plait. Returns that."""
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "x", "-C", folder], input=archive, check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    here = Path(sysconfig.get_path("purelib"))
    there = folder / ".venv" / here.relative_to(sys.prefix)
    for path in here.iterdir():
        if path.name != "_editable_impl_plait.pth":
            (there / path.name).symlink_to(path)
    (there / "_editable_impl_plait.pth").write_text(str(folder / "src"))
    return folder / ".venv" / "bin" / "python"


def is_noticed(mutation: Mutation, folder: Path, python: Path) -> bool:
    """Whether the test fails with the mutation."""
    path = folder / "src" / "plait" / mutation.file
    text = path.read_text()
    assert text.count(mutation.old) == 1, f"{mutation.file} has changed: {mutation.what!r} needs another text"
    path.write_text(text.replace(mutation.old, mutation.new))
    try:
        return fails(mutation.test, folder, python)
    finally:
        path.write_text(text)


def fails(test: str, folder: Path, python: Path) -> bool:
    ended = subprocess.run(
        [python, "-m", "pytest", "-q", "-x", test],
        cwd=folder,
        env={**os.environ, "PLAIT_FAULTS": "long" if "raise" in test else "", "PLAIT_TEST_SECONDS": "150"},
        capture_output=True,
        check=False,
    )
    assert ended.returncode in (0, 1), ended.stdout.decode()[-3000:]
    return ended.returncode == 1


def main() -> None:
    words = sys.argv[1:]
    chosen = [one for one in MUTATIONS if not words or any(word in one.what for word in words)]
    unnoticed = 0
    with tempfile.TemporaryDirectory(prefix="plait-mutations-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server of root's tests runs under another account
        python = make_copy(folder)
        broken = [test for test in dict.fromkeys(one.test for one in chosen) if fails(test, folder, python)]
        assert not broken, f"these fail without a mutation: {broken}"
        for mutation in chosen:
            noticed = is_noticed(mutation, folder, python)
            unnoticed += not noticed
            print(f"{'noticed' if noticed else 'UNNOTICED'}: {mutation.what} ({mutation.test})", flush=True)
    sys.exit(bool(unnoticed))


if __name__ == "__main__":
    main()
