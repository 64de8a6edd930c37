"""Clocks, crons, events, versions and what else the guarantees promise."""

from __future__ import annotations

from faults.mutations.mutation import Mutation

TIME = (
    Mutation(
        "clock: a run sees events that were pushed before it",
        "store/sql/read_events_since.sql",
        " AND e.pushed > q.pushed",
        "",
        "test_clocks.py::test_a_run_does_not_see_what_was_pushed_before_it_though_the_clock_was_set_back",
    ),
    Mutation(
        "clock: events count by the server's time",
        "store/sql/read_events_since.sql",
        "e.key = k.key AND",
        "e.created_at >= (SELECT max(created_at) FROM plait.run) AND e.key = k.key AND",
        "test_clocks.py::test_a_run_sees_what_is_pushed_after_it_though_the_clock_was_set_back",
    ),
    Mutation(
        "clock: runs take their turn by their ids",
        "store/functions/start_runs.sql",
        "nextval('plait.position') AS position",
        "('x' || left(replace(w.run_id::text, '-', ''), 15))::bit(60)::bigint AS position",
        "test_clocks.py::test_runs_start_in_the_order_of_their_triggers_whatever_the_clocks_of_clients_say",
    ),
    Mutation(
        "clock: pages of active runs are bounded by ids",
        "store/sql/find_active_runs.sql",
        ("position < (SELECT position FROM bound)\n          AND run_id >= $2"),
        ("run_id < coalesce($1, $3)\n          AND run_id >= $2"),
        "test_clocks.py::test_every_active_run_is_listed_once_whatever_the_clocks_of_clients_say",
    ),
    Mutation(
        "clock: runs are old by their ids",
        "store/sql/list_prunable.sql",
        "AND r.created_at < $3",
        "AND r.id < plait.lowest_id($3)",
        "test_clocks.py::test_runs_are_deleted_by_when_they_ended_and_not_by_their_ids",
    ),
    Mutation(
        "clock: silence goes by the server's time",
        "store/sql/reap_workers.sql",
        "watched_us < (SELECT watched_us FROM watch) - lease_us - $4::int8",
        "heartbeat_at < plait.now() - (lease_us + $4::int8) * interval '1 microsecond'",
        "test_clocks.py::test_a_clock_that_jumps_beyond_the_lease_costs_no_worker_its_tasks",
    ),
    Mutation(
        "clock: a lease of a clock that was set back holds",
        "store/sql/take_lease.sql",
        "   OR l.expires_at NOT BETWEEN plait.now() AND plait.now() + 2 * $3::int8 * interval '1 microsecond'",
        "   OR l.expires_at < plait.now()",
        "test_clocks.py::test_a_killed_leader_is_replaced_and_its_tasks_run_elsewhere_though_the_clock_was_set[-3600]",
    ),
    Mutation(
        "clock: orders to cancel wait for a clock that was set back",
        "store/functions/carry_out_cancellations.sql",
        " OR c.due_at > plait.now() + 40 * again",
        "",
        "test_clocks.py::test_child_runs_are_cancelled_though_the_clock_was_set_back",
    ),
    Mutation(
        "clock: a cron goes on at times that have fired",
        "graph/cron.py",
        "return now if last is None else max(now, last)",
        "return now",
        "test_clocks.py::test_no_fire_time_of_a_cron_gets_two_runs_though_the_clock_was_set_back",
    ),
    Mutation(
        "a cancellation is not sent again when its reply was lost",
        "engine/control.py",
        "ended += await repeat(self._store.control.cancel_runs, page, reason)",
        "ended += await self._store.control.cancel_runs(page, reason)",
        "test_promises.py::test_a_cancellation_of_a_large_family_whose_reply_was_lost_is_whole",
    ),
    Mutation(
        "timers are half a second late",
        "maintenance/timers.py",
        "max(0.001, seconds))",
        "max(0.001, seconds + 0.5))",
        "test_promises.py::test_timers_sleep_no_longer_than_until_the_next_of_them_is_due",
    ),
    Mutation(
        "a cron is fired whether or not its time was dealt with",
        "store/functions/fire_crons.sql",
        "ON c.id = w.id AND c.next_at = w.due",
        "ON c.id = w.id",
        "test_cron_processes.py::test_many_leaders_at_a_time_fire_each_time_once",
    ),
    Mutation(
        "a deployment computes the times of unchanged crons anew",
        "store/sql/sync_crons.sql",
        "(excluded.expression, excluded.timezone) THEN c.next_at",
        "(excluded.expression, excluded.timezone) THEN excluded.next_at",
        "test_promises.py::test_a_deployment_leaves_the_next_time_of_a_cron_that_is_the_same",
    ),
    Mutation(
        "an event stays in the inbox when it is delivered",
        "store/functions/deliver_events.sql",
        "DELETE FROM plait.event_inbox WHERE pushed = ANY (places);",
        "NULL;",
        "test_promises.py::test_events_are_delivered_in_the_order_in_which_they_were_pushed",
    ),
    Mutation(
        "priorities do not matter to a claim",
        "store/sql/claim_tasks.sql",
        ("    ORDER BY h.priority DESC, h.position, h.task\n    LIMIT $3"),
        ("    ORDER BY h.position, h.task\n    LIMIT $3"),
        "test_promises.py::test_workers_that_claim_one_after_the_other_get_the_most_urgent_then_the_oldest",
    ),
    Mutation(
        "what is held of ended runs is not swept",
        "maintenance/reaper.py",
        "            await self._store.sweep_ended(BATCH)\n",
        "",
        "test_promises.py::test_what_is_still_held_of_a_run_that_has_ended_is_dropped",
    ),
    Mutation(
        "events are delivered in the opposite order",
        "store/functions/deliver_events.sql",
        "WHERE id = ANY (fresh) ORDER BY ord) u",
        "WHERE id = ANY (fresh) ORDER BY ord DESC) u",
        "test_promises.py::test_events_are_delivered_in_the_order_in_which_they_were_pushed",
    ),
    Mutation(
        "the inbox is read from its end",
        "store/sql/read_inbox.sql",
        ("WHERE before < $2::int8\nORDER BY pushed"),
        ("WHERE before < $2::int8\nORDER BY pushed DESC"),
        "test_promises.py::test_events_are_delivered_in_the_order_in_which_they_were_pushed",
    ),
)
