"""What every order of steps must leave right: fence, joins, waits, orders, retention."""

from __future__ import annotations

from faults.mutations.mutation import Mutation

STORE = (
    Mutation(
        "the fence does not ask which worker",
        "store/functions/finish_tasks.sql",
        " AND h.attempt = o.attempt AND h.worker_id = worker",
        " AND h.attempt = o.attempt",
        "test_state_machine.py::test_the_store_does_what_the_model_does",
    ),
    Mutation(
        "the fence does not ask which attempt",
        "store/functions/finish_tasks.sql",
        " AND h.attempt = o.attempt AND h.worker_id = worker",
        " AND h.worker_id = worker",
        "test_state_machine.py::test_the_store_does_what_the_model_does",
    ),
    Mutation(
        "a join forgets what it counted",
        "store/functions/finish_tasks.sql",
        "array_agg(p.n - coalesce(d.n, 0) ORDER BY p.slot)",
        "array_agg(p.n - coalesce(least(d.n, 1), 0) ORDER BY p.slot)",
        "test_state_machine.py::test_the_store_does_what_the_model_does",
    ),
    Mutation(
        "a task that is parked overlooks an event",
        "store/functions/park_tasks.sql",
        "AND e.position > r.looked",
        "AND e.position > r.looked AND false",
        "test_state_machine.py::test_the_store_does_what_the_model_does",
    ),
    Mutation(
        "a cancellation forgets what waits",
        "store/functions/cancel_runs.sql",
        "DELETE FROM plait.waiting WHERE run_id = ANY (active)",
        "DELETE FROM plait.waiting WHERE run_id = ANY (active) AND false",
        "test_state_machine.py::test_the_store_does_what_the_model_does",
    ),
    Mutation(
        "a cancellation forgets the children",
        "store/functions/cancel_runs.sql",
        "AND (r.id = ANY (active) AND",
        "AND false AND (r.id = ANY (active) AND",
        "test_state_machine.py::test_the_store_does_what_the_model_does",
    ),
    Mutation(
        "a reaped task keeps the number of its attempt",
        "store/sql/reap_workers.sql",
        "t.attempt + 1, t.retry, t.lost +",
        "t.attempt, t.retry, t.lost +",
        "test_state_machine.py::test_the_store_does_what_the_model_does",
    ),
    Mutation(
        "a replay does not number behind the old attempts",
        "store/functions/replay_runs.sql",
        "first_attempt = begun",
        "first_attempt = 1",
        "test_state_machine.py::test_the_store_does_what_the_model_does",
    ),
    Mutation(
        "a child is pruned before its parent",
        "store/functions/hold_prunable.sql",
        "SELECT id FROM free WHERE id NOT IN (SELECT id FROM stays)",
        "SELECT id FROM free",
        "tests/contract/test_retention_races.py::test_a_child_that_was_chosen_with_its_parent_stays_when_that_was_replayed",
    ),
    Mutation(
        "no other era of the queue begins",
        "store/sql/turn_eras.sql",
        "SELECT last + 1 FROM facts WHERE",
        "SELECT last + 1 FROM facts WHERE false AND",
        "test_held_snapshots.py::test_a_claim_walks_over_few_of_the_tasks_that_have_left",
    ),
    Mutation(
        "another era begins although nothing is in the way",
        "store/sql/turn_eras.sql",
        "dead >= $2::int8 AND deleted",
        "$2::int8 >= 0 AND deleted",
        "test_held_snapshots.py::test_without_a_held_snapshot_there_is_one_era",
    ),
    Mutation(
        "a claim looks into the newest era only",
        "store/sql/claim_tasks.sql",
        "    FROM plait.era e\n",
        "    FROM (SELECT max(era) AS era FROM plait.era) e\n",
        "test_held_snapshots.py::test_what_is_written_late_is_claimed[open]",
        "test_held_snapshots.py::test_the_most_urgent_goes_first_and_then_the_oldest_run_whatever_their_eras",
    ),
    Mutation(
        "an era is over although somebody may still write to it",
        "store/sql/turn_eras.sql",
        "b.state = 2 AND NOT b.writers && (SELECT transactions FROM writing)",
        "b.state = 2",
        "test_held_snapshots.py::test_what_is_written_late_is_claimed[open]",
    ),
    Mutation(
        "two leaders move on to an era that has no row",
        "store/sql/turn_eras.sql",
        " FOR UPDATE OF e SKIP LOCKED",
        "",
        "test_held_snapshots.py::test_of_two_leaders_at_once_one_moves_on_and_no_era_is_without_its_row",
    ),
    Mutation(
        "the era is the one of the snapshot",
        "store/functions/start_runs.sql",
        "(SELECT last_value FROM plait.era_now)",
        "(SELECT max(era) FROM plait.era)",
        "test_held_snapshots.py::test_what_is_written_late_is_claimed[old snapshot]",
    ),
)
