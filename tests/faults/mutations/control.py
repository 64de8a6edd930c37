"""Orders: cancellations, replays, child runs, bulk orders."""

from __future__ import annotations

from faults.mutations.mutation import Mutation

CONTROL = (
    Mutation(
        "a cancellation does not look further than one page of descendants",
        "store/functions/carry_out_cancellations.sql",
        "        IF looked_at >= most THEN",
        "        IF false THEN",
        "test_control_faults.py::test_descendants_of_a_child_that_has_ended_are_cancelled_too_page_by_page",
    ),
    # child runs and their keys
    Mutation(
        "who found a run of the same call is not sent where that one was sent",
        "store/functions/start_runs.sql",
        "array_agg(coalesce(o.found_id, r.found_id) ORDER BY r.ord)",
        "array_agg(r.found_id ORDER BY r.ord)",
        "test_child_orders.py::"
        "test_a_bulk_of_one_child_key_and_a_taken_idempotency_key_is_answered_with_the_run_that_has_it",
        "test_control_faults.py::test_children_of_one_key_and_a_taken_idempotency_key_are_the_run_that_has_it",
    ),
    Mutation(
        "a run that an idempotency key found becomes a child of the task that asked",
        "store/functions/start_runs.sql",
        "DELETE FROM plait.child c\n            USING unnest(",
        "UPDATE plait.child c SET run_id = found_id\n            FROM unnest(",
        "test_child_orders.py::"
        "test_a_run_that_an_idempotency_key_finds_inside_a_task_is_neither_replayed_nor_cancelled_with_it",
        "test_control_faults.py::test_a_run_that_an_idempotency_key_found_is_not_cancelled_with_the_task_that_asked",
    ),
    Mutation(
        "a run that an idempotency key found inside a task is replayed",
        "engine/starts.py",
        'if trigger is None or row["trigger_id"] != trigger.id:',
        "if trigger is None:",
        "test_child_orders.py::"
        "test_a_run_that_an_idempotency_key_finds_inside_a_task_is_neither_replayed_nor_cancelled_with_it",
    ),
    Mutation(
        "a run that goes on gets children whether or not their task runs",
        "store/functions/find_children.sql",
        (
            "w.key IS NOT NULL AND (\n            SELECT true FROM plait.running h\n"
            "            WHERE h.run_id = w.parent_id AND h.task = w.task AND h.attempt = w.attempt\n        ) AND"
        ),
        "w.key IS NOT NULL AND",
        "test_child_orders.py::test_a_task_that_was_ended_gets_no_further_children",
        "test_control_faults.py::test_only_the_attempt_that_runs_gets_children",
    ),
    Mutation(
        "an attempt that is over gets the children of the next one",
        "store/functions/find_children.sql",
        " AND h.attempt = w.attempt",
        "",
        "test_control_faults.py::test_only_the_attempt_that_runs_gets_children",
    ),
    Mutation(
        "a child that is refused is missing among the answers",
        "store/functions/find_children.sql",
        "    RETURN found;",
        "    RETURN array_remove(found, NULL);",
        "test_child_orders.py::test_the_child_of_an_ended_parent_is_refused_without_failing_what_shares_its_commit",
        "test_control_faults.py::test_a_child_whose_parent_ended_is_refused_alone",
    ),
    Mutation(
        "who starts a child does not wait for who is ending its task",
        "store/functions/find_children.sql",
        "ORDER BY id FOR SHARE;",
        "ORDER BY id FOR KEY SHARE;",
        "test_control_faults.py::test_a_start_that_meets_the_end_of_its_task_waits_for_what_becomes_of_it",
    ),
    Mutation(
        "what is to be cancelled with a run above it gets children",
        "store/functions/find_children.sql",
        ("\n          AND NOT (EXISTS (SELECT FROM plait.cancellation) AND plait.is_being_cancelled(w.parent_id))"),
        "",
        "test_control_faults.py::test_what_is_to_be_cancelled_is_neither_replayed_nor_gets_children",
    ),
    Mutation(
        "a child's key gives a new run each time",
        "store/functions/hold_children.sql",
        "DO UPDATE SET run_id = c.run_id",
        "DO UPDATE SET run_id = excluded.run_id",
        "test_control_races.py::test_a_parent_killed_amid_its_children_has_exactly_its_children_in_the_end[True]",
        "test_control_faults.py::test_only_the_attempt_that_runs_gets_children",
    ),
    # cancellations and child runs
    Mutation(
        "a cancellation overlooks a child that is just being started",
        "store/functions/cancel_runs.sql",
        "(r.id = ANY (active) AND r.xmax <> pg_current_xact_id()::xid\n           OR (SELECT true",
        "((SELECT true",
        "test_child_orders.py::"
        "test_a_cancellation_leaves_a_child_in_the_users_transaction_to_the_workers_who_cancel_it_when_it_comes",
        "test_control_faults.py::"
        "test_a_cancellation_does_not_wait_for_a_child_that_is_being_started_and_cancels_it_once_it_is",
        "test_control_races.py::test_a_child_that_is_started_while_its_parent_is_cancelled_is_refused_or_cancelled_too",
    ),
    Mutation(
        "a cancellation waits for a child that is just being started",
        "store/functions/cancel_runs.sql",
        "ORDER BY id FOR NO KEY UPDATE",
        "ORDER BY id FOR UPDATE",
        "test_control_faults.py::"
        "test_a_cancellation_does_not_wait_for_a_child_that_is_being_started_and_cancels_it_once_it_is",
    ),
    Mutation(
        "two cancellations of one run lock it in a weak mode first",
        "store/functions/cancel_runs.sql",
        "ORDER BY id FOR NO KEY UPDATE",
        "ORDER BY id FOR SHARE",
        "test_control_races.py::test_two_cancellations_of_one_family_do_not_deadlock",
    ),
    Mutation(
        "a task that is cancelled leaves alone what it started",
        "store/functions/finish_tasks.sql",
        "OR a.status = plait.cancelled() AND (",
        "OR false AND (",
        "test_child_orders.py::test_a_child_that_starts_while_its_cancelled_task_ends_is_cancelled_too[between]",
    ),
    Mutation(
        "a task that is cancelled overlooks what it is just starting",
        "store/functions/finish_tasks.sql",
        "plait.cancelled() AND (a.starting OR (",
        "plait.cancelled() AND ((",
        "test_child_orders.py::"
        "test_a_child_that_starts_while_its_cancelled_task_ends_is_cancelled_too[in the user's transaction]",
    ),
    Mutation(
        "a task that fails overlooks what it is just starting",
        "store/functions/finish_tasks.sql",
        "WHERE a.status = plait.failed() AND a.starting\n           OR ",
        "WHERE ",
        "test_child_orders.py::"
        "test_a_child_that_an_attempt_starts_in_a_transaction_that_outlasts_its_timeout_does_not_run",
        "test_control_faults.py::"
        "test_a_child_that_is_being_started_while_its_task_ends_goes_with_a_cancelled_one_and_a_failed_one",
    ),
    Mutation(
        "a task that completes takes along what it started",
        "store/functions/finish_tasks.sql",
        "OR a.status = plait.cancelled() AND (",
        "OR (",
        "test_control_faults.py::"
        "test_a_child_that_is_being_started_while_its_task_ends_goes_with_a_cancelled_one_and_a_failed_one",
    ),
    Mutation(
        "the cancellation of a task that has completed reaches what it started",
        "store/functions/cancel_task.sql",
        "        RETURN false;",
        (
            "        INSERT INTO plait.cancellation (run_id, asked_id, task, reason)\n"
            "        VALUES (of_run, of_run, which, 'why');\n        RETURN false;"
        ),
        "test_child_orders.py::test_cancelling_a_completed_task_leaves_its_children_alone",
    ),
    Mutation(
        "orders that nobody hears of wait for the next that somebody does",
        "maintenance/canceller.py",
        "return LONGEST_SLEEP if seconds is None",
        "return 3600.0 if seconds is None",
        "test_child_orders.py::test_children_of_a_cancelled_task_are_cancelled_whoever_hears_that_it_was[lost reply]",
        "test_child_orders.py::test_children_of_a_cancelled_task_are_cancelled_whoever_hears_that_it_was[dead worker]",
    ),
    # cancelling a task
    Mutation(
        "only a task that was cancelled counts as one that has ended",
        "store/functions/cancel_task.sql",
        "AND plait.is_outcome(status))",
        "AND status = plait.cancelled())",
        "test_control_faults.py::test_ordering_an_ended_task_to_be_cancelled_says_so_and_changes_nothing",
    ),
    Mutation(
        "the cancellation of a task takes what is awaited before what waits",
        "store/functions/cancel_task.sql",
        "    WITH taken AS (\n        DELETE FROM plait.waiting",
        (
            "    DELETE FROM plait.awaited_event WHERE run_id = of_run AND task = which;\n"
            "    WITH taken AS (\n        DELETE FROM plait.waiting"
        ),
        "test_control_faults.py::test_cancelling_a_task_while_its_event_is_delivered_does_not_deadlock[True]",
    ),
    Mutation(
        "a task that somebody cancelled is parked",
        "store/functions/park_tasks.sql",
        "coalesce(p.task = ANY (r.cancel_tasks), false) AS ordered",
        "false AS ordered",
        "test_control_faults.py::test_a_task_that_was_cancelled_by_order_is_judged_instead_of_parked[False]",
        "test_control_faults.py::test_a_task_that_was_cancelled_by_order_is_judged_instead_of_parked[True]",
    ),
    Mutation(
        "a task that somebody cancelled waits for its retry",
        "store/functions/finish_tasks.sql",
        "coalesce(o.task = ANY (r.cancel_tasks), false) AS ordered",
        "false AS ordered",
        "test_control_faults.py::test_a_task_that_was_cancelled_by_order_does_not_wait_for_its_retry[False]",
        "test_control_faults.py::test_a_task_that_was_cancelled_by_order_does_not_wait_for_its_retry[True]",
    ),
    # races
    Mutation(
        "a finish does not lock its runs first",
        "store/functions/finish_tasks.sql",
        (
            "    PERFORM FROM unnest(run_ids) AS o(run_id)\n"
            "    CROSS JOIN LATERAL (SELECT FROM plait.run WHERE id = o.run_id FOR NO KEY UPDATE) r;\n"
        ),
        "",
        "test_control_races.py::test_cancel_against_finish_leaves_a_legal_end",
        "test_control_faults.py::test_a_task_that_was_cancelled_by_order_does_not_wait_for_its_retry[True]",
    ),
    Mutation(
        "a cancellation forgets what is ready",
        "store/functions/cancel_runs.sql",
        "AND action_id = a.action_id\n",
        "AND action_id <> a.action_id\n",
        "test_control_races.py::test_cancel_against_claim_leaves_nothing_behind",
    ),
    Mutation(
        "a cancellation leaves what a reaping puts back",
        "store/functions/cancel_runs.sql",
        "FOR pass IN 1..2 LOOP",
        "FOR pass IN 1..1 LOOP",
        "test_control_faults.py::test_what_a_reaping_that_crossed_a_cancellation_left_stops_no_replay",
    ),
    Mutation(
        "a cancellation forgets what is awaited",
        "store/functions/cancel_runs.sql",
        "    DELETE FROM plait.awaited_event WHERE run_id = ANY (active);\n",
        "",
        "test_control_races.py::test_cancel_against_park_leaves_nothing_behind",
        "test_control_races.py::test_cancel_against_delivery_leaves_nothing_behind",
    ),
    Mutation(
        "who parks a task does not lock its run first",
        "store/functions/park_tasks.sql",
        "(SELECT FROM plait.run WHERE id = o.run_id FOR NO KEY UPDATE) r;",
        "(SELECT FROM plait.run WHERE id = o.run_id) r;",
        "test_control_races.py::test_cancel_against_park_leaves_nothing_behind",
    ),
    Mutation(
        "a cancellation takes what is awaited before what waits",
        "store/functions/cancel_runs.sql",
        "    WITH gone AS (\n        DELETE FROM plait.waiting",
        (
            "    DELETE FROM plait.awaited_event WHERE run_id = ANY (active);\n"
            "    WITH gone AS (\n        DELETE FROM plait.waiting"
        ),
        "test_control_faults.py::test_cancelling_a_run_while_an_event_of_its_task_is_delivered_does_not_deadlock[True]",
    ),
    # replays
    Mutation(
        "the outcome of an attempt counts for the one that runs now",
        "store/functions/finish_tasks.sql",
        "h.task = o.task AND h.attempt = o.attempt",
        "h.task = o.task",
        "test_control_races.py::test_replay_against_a_stale_finish_never_takes_the_stale_outcome",
    ),
    Mutation(
        "a failure stays an outcome when its run is replayed",
        "store/functions/replay_runs.sql",
        "task = ANY (again) AND plait.is_outcome(status);",
        "task = ANY (again) AND status = plait.cancelled();",
        "test_control_races.py::test_replay_against_the_finish_that_ends_the_run_is_refused_or_comes_after_it",
    ),
    Mutation(
        "a run is replayed that is active already",
        "store/functions/replay_runs.sql",
        "WHEN NOT FOUND OR old.status = plait.open()\n            OR",
        "WHEN NOT FOUND OR",
        "test_control_races.py::test_two_replays_at_once_replay_once",
    ),
    Mutation(
        "a run is replayed that is to be cancelled with a run above it",
        "store/functions/replay_runs.sql",
        " OR plait.is_being_cancelled(old.id);",
        ";",
        "test_control_faults.py::test_what_is_to_be_cancelled_is_neither_replayed_nor_gets_children",
    ),
    Mutation(
        "a replay does not tell who cancels the parent that it is under way",
        "store/functions/replay_runs.sql",
        "WHERE id = old.trigger_id AND old.trigger_kind = plait.by_parent() FOR KEY SHARE;",
        "WHERE id = old.trigger_id AND old.trigger_kind = plait.by_parent();",
        "test_control_faults.py::test_a_child_that_is_being_replayed_while_its_parent_is_cancelled_is_cancelled_too",
    ),
    Mutation(
        "a replay leaves what is still held of the run",
        "store/functions/replay_runs.sql",
        "        DELETE FROM plait.running WHERE run_id = old.id;\n",
        "",
        "test_control_faults.py::test_a_replay_clears_away_what_was_left_of_the_run[running]",
    ),
    Mutation(
        "a replay leaves what is still queued of the run",
        "store/functions/replay_runs.sql",
        "AND action_id = ANY (ARRAY(",
        "AND action_id <> ALL (ARRAY(",
        "test_control_faults.py::test_a_replay_clears_away_what_was_left_of_the_run[ready]",
    ),
    # events
    Mutation(
        "an event is done with although a task that awaits it could not be woken",
        "store/functions/deliver_events.sql",
        "task = g.task AND position < newest\n",
        "task = g.task AND position < newest AND false\n",
        "test_control_faults.py::test_a_task_whose_row_somebody_locked_is_woken_once_that_one_gives_up",
    ),
    Mutation(
        "an event that is larger than a round of the inbox is left there",
        "store/sql/read_inbox.sql",
        " - octet_length(e.payload) AS before",
        " AS before",
        "test_control_faults.py::test_a_round_of_the_inbox_is_cut_by_bytes_and_leaves_out_what_is_set_aside",
    ),
    Mutation(
        "a task is parked while events are delivered",
        "store/functions/park_tasks.sql",
        "        PERFORM pg_advisory_xact_lock_shared(plait.delivery_lock());",
        "        NULL;",
        "test_control_races.py::test_an_event_that_is_delivered_while_a_task_is_parked_is_never_missed",
    ),
    Mutation(
        "deliverers do not wait for one another",
        "store/functions/deliver_events.sql",
        "WHERE pushed = e.pushed FOR UPDATE)",
        "WHERE pushed = e.pushed)",
        "test_control_races.py::test_two_deliverers_deliver_an_event_once",
    ),
    # claims
    Mutation(
        "a claim takes as many as it asked for of each action",
        "store/sql/claim_tasks.sql",
        "h.turn, h.position, h.task\n    LIMIT $5\n",
        "h.turn, h.position, h.task\n",
        "test_claim_bounds.py::test_a_claim_never_returns_more_than_it_asked_for[10]",
        "test_claim_bounds.py::test_concurrent_claims_never_return_more_than_asked_nor_a_task_twice",
    ),
    Mutation(
        "a claim looks for tasks of each action that its worker has",
        "store/fragments/present_actions.sql",
        "SELECT action_id, priority FROM present",
        "SELECT generate_series(s.low, s.high) AS action_id, 1::int2 AS priority",
        "test_claim_bounds.py::test_a_claim_costs_nothing_for_actions_of_which_nothing_is_ready",
    ),
    Mutation(
        "who looks for tasks that expire looks at all that are ready",
        "store/sql/claim_expired.sql",
        "AND expires_at <= plait.now()",
        "AND coalesce(expires_at, 'infinity') <= plait.now()",
        "test_claim_bounds.py::test_no_statement_costs_more_for_what_does_not_concern_it[ready tasks of others]",
    ),
    Mutation(
        "who wakes what is due looks at all that waits",
        "store/functions/wake_tasks.sql",
        "WHERE due_at <= plait.now() ORDER BY due_at LIMIT most",
        "WHERE plait.now() - due_at >= interval '0' LIMIT most",
        "test_claim_bounds.py::test_no_statement_costs_more_for_what_does_not_concern_it[tasks that wait for later]",
    ),
    # comparing
    Mutation(
        "what is held is compared over a link that others may keep busy",
        "store/store.py",
        'self.claims.fetch(load_sql("read_held")',
        'self.pool.fetch(load_sql("read_held")',
        "test_comparing.py::test_results_are_stored_while_a_comparison_is_due_and_the_pool_is_busy",
    ),
    Mutation(
        "what the answer to a flush will bring is taken up before",
        "worker/claimer.py",
        "if answered < self._unsettled:",
        "if answered < 0:",
        "test_comparing.py::test_what_a_late_answer_to_a_flush_brings_is_not_taken_up_before",
    ),
)
