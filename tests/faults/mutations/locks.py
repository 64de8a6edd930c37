"""Locks, joins, plans, and statements that are refused."""

from __future__ import annotations

from faults.mutations.mutation import Mutation

LOCKS: tuple[Mutation, ...] = (
    # keys that are held
    Mutation(
        "a start waits for whoever holds its key",
        "store/functions/start_runs.sql",
        "ELSE '10ms' END;",
        "ELSE '1h' END;",
        "test_held_keys.py::test_a_held_key_is_told_with_its_workflow_and_holds_up_nobody_who_shares_the_commit",
        "test_held_keys.py::test_a_bulk_says_what_else_of_it_was_started",
    ),
    Mutation(
        "with one key that is held all of its commit are",
        "store/functions/hold_keys.sql",
        "ELSIF cardinality(keys) = 1 THEN",
        "ELSIF cardinality(keys) > 0 THEN",
        "test_held_keys.py::test_a_bulk_says_what_else_of_it_was_started",
    ),
    Mutation(
        "a key that is held is not asked for again",
        "engine/starts.py",
        "list(answers), time.monotonic() + PATIENCE",
        "list(answers), time.monotonic()",
        "test_held_keys.py::"
        "test_a_trigger_waits_for_a_transaction_that_ends_in_time_and_takes_the_key_if_it_is_given_back",
    ),
    Mutation(
        "a key that is held is not looked for among those that are committed",
        "store/functions/hold_keys.sql",
        "ARRAY[(SELECT run_id FROM plait.idempotency_key WHERE workflow = workflows[1] AND key = keys[1])]",
        "ARRAY[NULL::uuid]",
        "test_held_keys.py::test_a_key_that_is_committed_is_answered_though_an_open_transaction_used_it_again",
    ),
    Mutation(
        "whose child's key is held counts as ended",
        "store/functions/find_children.sql",
        "ELSE coalesce(h.run_id, plait.held()) END",
        "ELSE h.run_id END",
        "test_held_keys.py::"
        "test_an_attempt_that_hangs_in_its_transaction_fails_the_same_start_of_its_retry_and_holds_up_no_other",
    ),
    Mutation(
        "a user's own transaction does not wait for a key",
        "store/functions/start_runs.sql",
        "CASE WHEN own_transaction THEN NULL ELSE '10ms' END;",
        "'10ms';",
        "test_held_keys.py::test_in_their_own_transactions_users_wait_for_each_other",
    ),
    # joins
    Mutation(
        "a join fires with the last of its parents but one",
        "store/functions/finish_tasks.sql",
        "AND c.pending[e.slot] = 0",
        "AND c.pending[e.slot] <= 1",
        "test_joins.py::test_no_join_is_lost_or_doubled_when_two_workers_finish_its_parents_at_once[7-join]",
        "test_joins.py::test_a_finish_that_waits_for_another_counts_on_from_there[left-join]",
        "test_joins.py::test_a_finish_that_waited_for_one_that_rolled_back_counts_alone",
    ),
    Mutation(
        "of the parents of a join only the first is looked up",
        "worker/intake.py",
        "for parent in parents if parent not in run.results)",
        "for parent in parents[:1] if parent not in run.results)",
        "test_joins.py::test_two_worker_processes_on_the_joins_of_many_runs",
    ),
    Mutation(
        "who waited for a lock sees what was there before",
        "store/connection.py",
        '"default_transaction_isolation": "read committed"',
        '"default_transaction_isolation": "repeatable read"',
        "test_joins.py::test_no_join_is_lost_or_doubled_when_two_workers_finish_its_parents_at_once[40-both]",
        "test_joins.py::test_a_finish_that_waits_for_another_counts_on_from_there[right-end]",
    ),
    Mutation(
        "a finish does not wait for another of the same runs",
        "store/functions/finish_tasks.sql",
        "WHERE id = o.run_id FOR NO KEY UPDATE) r;",
        "WHERE id = o.run_id FOR NO KEY UPDATE NOWAIT) r;",
        "test_joins.py::test_a_finish_that_waits_for_another_counts_on_from_there[left-both]",
        "test_joins.py::test_a_finish_that_waited_for_one_that_rolled_back_counts_alone",
    ),
    Mutation(
        "a worker may finish what another one holds",
        "store/functions/finish_tasks.sql",
        "AND h.attempt = o.attempt AND h.worker_id = worker",
        "AND h.attempt = o.attempt",
        "test_joins.py::test_a_repeated_finish_and_one_by_another_worker_change_nothing",
    ),
    Mutation(
        "what is reaped stays with its worker, too",
        "store/sql/reap_workers.sql",
        "DELETE FROM plait.running r USING orphan o",
        "UPDATE plait.running r SET lost = r.lost FROM orphan o",
        "test_joins.py::test_finishers_and_the_reaper_at_a_barrier_accept_each_task_once",
    ),
    # the order of locks
    Mutation(
        "a cancellation takes its runs in the order in which they are named",
        "store/functions/cancel_runs.sql",
        "ORDER BY id FOR NO KEY UPDATE",
        "ORDER BY array_position(wanted, id) FOR NO KEY UPDATE",
        "test_lock_order.py::test_no_pair_of_statements_deadlocks_in_either_order[run]",
    ),
    Mutation(
        "a reaper waits for finishers, and begins at the other end",
        "store/sql/reap_workers.sql",
        "ORDER BY r.run_id, r.task LIMIT $1\n    FOR UPDATE SKIP LOCKED",
        "ORDER BY r.run_id DESC, r.task LIMIT $1\n    FOR UPDATE",
        "test_lock_order.py::test_no_pair_of_statements_deadlocks_in_either_order[running]",
    ),
    Mutation(
        "a claim waits for what somebody else takes",
        "store/sql/claim_tasks.sql",
        "LIMIT s.n\n        FOR UPDATE SKIP LOCKED",
        "LIMIT s.n\n        FOR UPDATE",
        "test_lock_order.py::test_no_pair_of_statements_deadlocks_in_either_order[ready]",
    ),
    Mutation(
        "timers wait for what somebody else takes",
        "store/functions/wake_tasks.sql",
        "ORDER BY due_at LIMIT most\n        FOR UPDATE SKIP LOCKED",
        "ORDER BY due_at LIMIT most\n        FOR UPDATE",
        "test_lock_order.py::test_no_pair_of_statements_deadlocks_in_either_order[waiting]",
    ),
    Mutation(
        "keys are taken in the order of the runs",
        "store/functions/hold_keys.sql",
        "SELECT workflow, key, run_id FROM wanted ORDER BY ord",
        "SELECT workflow, key, run_id FROM wanted ORDER BY run_id",
        "test_lock_order.py::test_starts_with_the_same_keys_in_opposite_orders_do_not_deadlock",
    ),
    Mutation(
        "the tasks of a version are stored in its order",
        "store/sql/register_version.sql",
        "    ORDER BY name\n    ON CONFLICT",
        "    ORDER BY ord\n    ON CONFLICT",
        "test_lock_order.py::test_registering_versions_with_shared_tasks_in_opposite_orders_does_not_deadlock",
    ),
    Mutation(
        "finishes of a run share its lock until they change it",
        "store/functions/finish_tasks.sql",
        "WHERE id = o.run_id FOR NO KEY UPDATE) r;",
        "WHERE id = o.run_id FOR SHARE) r;",
        "test_lock_triples.py::test_no_triple_of_statements_on_one_run_deadlocks[alone]",
    ),
    Mutation(
        "a cancellation waits for a user who starts a child",
        "store/functions/cancel_runs.sql",
        "ORDER BY id FOR NO KEY UPDATE",
        "ORDER BY id FOR UPDATE",
        "test_lock_triples.py::test_no_triple_of_statements_on_one_run_deadlocks[while a child is being started]",
    ),
    # plans
    Mutation(
        "an empty table may be read as a whole",
        "store/connection.py",
        '    "enable_seqscan": "off",\n',
        "",
        "test_plans.py::test_a_plan_made_in_an_empty_database_probes_when_it_has_a_history[read_inbox]",
    ),
    # statements that end before their time
    Mutation(
        "a statement that an operator ends counts as refused",
        "store/connection.py",
        'return UnansweredError(f"PostgreSQL at {place} gave up a statement that took too long", database=place)',
        "return None",
        "test_refused_statements.py::test_a_cancelled_finish_is_sent_again_and_fails_no_task",
        "test_refused_statements.py::test_a_cancelled_claim_is_sent_again_and_ends_no_worker",
        "test_refused_statements.py::test_a_cancelled_heartbeat_ends_no_worker",
    ),
    Mutation(
        "with one outcome its whole batch is refused",
        "worker/flusher.py",
        "                middle = len(batch) // 2\n"
        "                await self._write_isolating(batch[:middle], beside=beside)\n"
        '                reach("half of a batch stored")\n'
        "                await self._write_isolating(batch[middle:], beside=beside)\n",
        "                failed = Report(Status.FAILED, error=_REFUSED)\n"
        "                await self._write_isolating([(one, failed) for one, _ in batch], beside=beside)\n",
        "test_refused_statements.py::test_one_outcome_the_database_refuses_does_not_take_its_batch_with_it",
    ),
    Mutation(
        "inputs are parsed before the tasks are sent to their threads",
        "worker/executor.py",
        "            assignment.execution = execution\n",
        "            assignment.execution = execution\n            _ = execution.context.input\n",
        "test_refused_statements.py::test_a_run_whose_stored_input_cannot_be_read_fails_alone",
    ),
    Mutation(
        "one output that cannot be read is an error of all that are read with it",
        "engine/waiter.py",
        "        except Exception as error:  # what is stored of this run cannot be read; others are not to suffer\n"
        "            if not future.done():\n"
        "                future.set_exception(error)\n",
        "",
        "test_refused_statements.py::test_a_stored_output_that_cannot_be_read_harms_no_other_waiter",
    ),
    # claims that come late, neighbours that block
    Mutation(
        "a worker compares what it holds after a lost reply only",
        "worker/claimer.py",
        "if now < self._next_look and doubts <= self._known_doubts:",
        "if doubts <= self._known_doubts:",
        "test_late_and_blocked.py::test_a_claim_committed_after_it_was_given_up_is_taken_up",
    ),
    Mutation(
        "the time of a task begins when it is handed to its loop",
        "worker/assignment.py",
        "        self.started = clock.monotonic()\n        self.task:",
        "        self.started = clock.monotonic()\n"
        "        assignment.deadline = self.started + timeout\n"
        "        self.task:",
        "test_late_and_blocked.py::test_a_blocked_loop_costs_its_neighbours_none_of_their_time",
    ),
    Mutation(
        "an error has the fields that its class promises",
        "worker/reports.py",
        'getattr(error, "after", None) if',
        "error.after if",
        "test_late_and_blocked.py::test_an_error_that_lacks_its_own_fields_is_reported_as_what_it_is",
    ),
    Mutation(
        "an expression may take all the time it needs",
        "values/evaluating.py",
        '            signal.setitimer(signal.ITIMER_VIRTUAL, header["seconds"])\n',
        "",
        "test_late_and_blocked.py::test_an_expression_that_takes_for_ever_holds_up_nobody",
    ),
    Mutation(
        "a failure is told whether or not it was stored",
        "worker/flusher.py",
        "            if position not in finished.accepted:\n                continue\n",
        "",
        "test_late_and_blocked.py::"
        "test_what_a_cancelled_task_raises_before_its_worker_hears_of_it_is_not_told_as_a_failure",
    ),
    # orders that cross what a worker does
    Mutation(
        "a cancellation that comes before the answer to a claim is forgotten",
        "worker/claimer.py",
        "if used and hints != self._revoker.hints:",
        "if used and hints > self._revoker.hints:",
        "test_control_worker.py::test_a_cancellation_that_is_told_before_the_claims_reply_stops_the_code",
    ),
    Mutation(
        "a task that comes again does not end its former attempt",
        "worker/intake.py",
        "if earlier is not None and not earlier.concluded:",
        "if earlier is not None and earlier.concluded:",
        "test_control_worker.py::"
        "test_a_task_that_comes_back_by_a_replay_before_its_worker_noticed_the_cancellation_takes_one_slot",
    ),
    Mutation(
        "an outcome that is not to be stored any more keeps its slot",
        "worker/flusher.py",
        "                self._holdings.drop(assignment)  # its run",
        "                self._holdings.remove(assignment)  # its run",
        "test_control_worker.py::"
        "test_an_outcome_that_was_to_be_stored_when_its_task_came_back_by_a_replay_gives_its_slot_back",
    ),
    Mutation(
        "who waits for a run gets what others waited for",
        "engine/waiter.py",
        "if run_id not in self._waiting or self._waiting[run_id].done():",
        "if run_id not in self._waiting:",
        "test_control_worker.py::"
        "test_the_result_of_a_replayed_run_is_its_new_one_while_somebody_still_waits_for_a_batch_with_the_old",
    ),
    Mutation(
        "a replay whose reply was lost is not known to have been done",
        "engine/control.py",
        "if calls > 1 and len(replayed) < len(plans):",
        "if calls > 2 and len(replayed) < len(plans):",
        "test_control_worker.py::test_orders_whose_reply_was_lost_are_known_to_have_been_carried_out",
    ),
    Mutation(
        "an event that cannot be planned stops its round",
        "maintenance/deliverer.py",
        "            except Exception as error:\n",
        "            except ValueError as error:\n",
        "test_control_worker.py::test_an_event_that_cannot_be_planned_is_set_aside_and_others_are_delivered",
    ),
    Mutation(
        "runs of events are started in one commit whatever their size",
        "maintenance/deliverer.py",
        " > MOST_STARTS or size > START_BYTES):",
        " > MOST_STARTS):",
        "test_control_worker.py::test_large_payloads_for_many_workflows_are_delivered_in_several_commits",
    ),
    Mutation(
        "what looks at many conditions fails for the first task",
        "worker/intake.py",
        "                if len(looks) > 1:\n                    return [left",
        "                if len(looks) > CONDITIONS_PAGE:\n                    return [left",
        "test_control_worker.py::test_a_failing_look_at_conditions_fails_that_task_alone_and_keeps_no_slot",
    ),
    Mutation(
        "a worker that stops leaves the outcomes to its tasks",
        "worker/session.py",
        "self._outbox.conclude(assignment, Report(Status.RELEASED, retry_us=0, reason=WORKER_STOPPED))",
        "pass",
        "test_control_worker.py::test_a_cancelled_task_is_not_logged_as_failed",
    ),
    # tasks that do what no task should
    Mutation(
        "what ends a thread is no outcome of its task",
        "worker/executor.py",
        "            value = self._caller.call(code, execution.context)\n"
        '            reach("after the body")\n'
        "            report = self._report_output(execution, code, value)\n"
        "        except BaseException as error:\n",
        "            value = self._caller.call(code, execution.context)\n"
        '            reach("after the body")\n'
        "            report = self._report_output(execution, code, value)\n"
        "        except Exception as error:\n",
        "test_hostile_tasks.py::test_every_misdeed_is_recorded_and_harms_nobody_else",
    ),
    Mutation(
        "a task that ends its worker is no suspect",
        "store/sql/reap_workers.sql",
        "t.lost + (t.begun AND plait.is_suspicious(t.ending))::int,",
        "t.lost,",
        "test_hostile_tasks.py::test_a_task_that_kills_its_worker_again_and_again_fails_with_the_reason",
    ),
    Mutation(
        "coroutines of tasks run on the loop of the engine",
        "worker/executor.py",
        "self._user_loop = user.loop",
        "self._user_loop = engine_loop",
        "test_hostile_tasks.py::test_a_task_that_blocks_the_loop_does_not_cost_the_worker_its_lease",
    ),
    Mutation(
        "the end of an engine's thread is told to nobody",
        "engine/portal.py",
        "        if self.on_death is not None:\n            self.on_death(error)\n",
        "",
        "test_hostile_tasks.py::test_a_worker_whose_engine_has_died_ends_and_another_runs_its_tasks",
    ),
    Mutation(
        "an engine whose thread has ended is kept",
        "engine/access.py",
        " or self._engine.portal.has_died:",
        ":",
        "test_hostile_tasks.py::test_a_program_whose_engine_has_died_gets_another_one",
    ),
    Mutation(
        "a thread that has ended counts as busy",
        "worker/executor.py",
        "        self._on_threads.discard(execution)\n",
        "",
        "test_hostile_tasks.py::test_threads_that_go_on_after_their_tasks_are_over_are_counted",
    ),
)
