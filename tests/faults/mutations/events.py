"""Busy keys: many tasks that wait for one, many events of one."""

from __future__ import annotations

from faults.mutations.mutation import Mutation

EVENTS = (
    Mutation(
        "who has looked at an event is woken by it again",
        "store/functions/wake_listeners.sql",
        "\n              AND a.position < g.last",
        "",
        "test_busy_keys.py::test_an_event_that_concerns_none_of_many_tasks_reads_none_of_them[it has looked]",
    ),
    Mutation(
        "a task begins to wait behind the last event that its judge read",
        "store/functions/park_tasks.sql",
        "greatest(a.position, reached)",
        "a.position",
        "test_busy_keys.py::test_who_begins_to_wait_while_others_are_still_to_be_woken_is_not_woken_with_them",
    ),
    Mutation(
        "all that wait for a key are woken in one commit",
        "store/functions/wake_listeners.sql",
        "ORDER BY a.position LIMIT share",
        "ORDER BY a.position",
        "test_busy_keys.py::test_waking_many_reads_what_it_wakes_in_commits_of_a_bounded_size",
    ),
    Mutation(
        "nobody can park a task while many are woken",
        "store/functions/continue_deliveries.sql",
        "    SELECT w.woken, w.actions INTO woken,",
        "    PERFORM pg_advisory_xact_lock(plait.delivery_lock());\n    SELECT w.woken, w.actions INTO woken,",
        "test_busy_keys.py::test_while_many_are_woken_others_are_parked_and_other_events_delivered",
    ),
    Mutation(
        "a second event forgets who came to wait since the first",
        "store/functions/deliver_events.sql",
        "DO UPDATE SET last_position = excluded.last_position;",
        "DO UPDATE SET last_position = plait.delivery.last_position;",
        "test_busy_keys.py::test_a_second_event_wakes_who_came_to_wait_while_the_first_was_still_waking_others",
    ),
    Mutation(
        "a woken task reads all events since it began to wait",
        "store/fragments/queue_awaken.sql",
        "AND position < looked_to LIMIT 1",
        "AND position < 0 LIMIT 1",
        "test_busy_keys.py::test_a_task_that_is_woken_does_not_read_the_many_events_that_did_not_concern_it",
    ),
    Mutation(
        "a task that one event wakes overlooks another that was still to wake it",
        "store/functions/deliver_events.sql",
        "(SELECT min(first_position) FROM plait.delivery)",
        "NULL::int8",
        "test_busy_keys.py::test_a_task_that_one_event_wakes_sees_another_that_was_still_to_wake_it",
    ),
    Mutation(
        "a task whose time has come overlooks an event that is still to wake it",
        "store/functions/wake_tasks.sql",
        "(SELECT min(first_position) - 1 FROM plait.delivery)",
        "NULL::int8",
        "test_busy_keys.py::test_a_task_whose_time_has_come_sees_an_event_that_was_under_way[still to wake it]",
    ),
    Mutation(
        "a task whose time has come overlooks an event that is being delivered",
        "store/functions/wake_tasks.sql",
        "(SELECT pushed FROM plait.event_inbox ORDER BY pushed LIMIT 1)",
        "NULL::int8",
        "test_busy_keys.py::test_a_task_whose_time_has_come_sees_an_event_that_was_under_way[being delivered]",
    ),
    Mutation(
        "a task with many events to look at is looked at to the end",
        "worker/conditions.py",
        "        for _ in range(PAGES):\n",
        "        while left:\n",
        "test_busy_keys.py::test_a_task_with_many_events_to_look_at_does_not_hold_up_others",
    ),
    Mutation(
        "what is left of a delivery waits for the next one",
        "maintenance/deliverer.py",
        "        woken = await self._wake_more(now)\n",
        "        woken = 0\n",
        "test_busy_keys.py::test_a_new_leader_goes_on_with_what_another_left",
        "test_busy_keys.py::test_a_round_wakes_a_page_of_many_and_then_the_next_event_has_its_turn",
    ),
    Mutation(
        "what expressions say about an event does not matter",
        "store/functions/deliver_events.sql",
        "WHEN h.key IS NULL THEN",
        "WHEN true THEN",
        "test_busy_keys.py::test_an_event_that_wakes_one_task_reads_none_of_the_many_of_other_versions",
        "test_busy_keys.py::test_an_event_that_concerns_none_of_many_tasks_reads_none_of_them[its expression]",
    ),
    Mutation(
        "expressions are asked about one event at a time",
        "maintenance/listeners.py",
        "            await self.ask_all(events, listeners)\n",
        "            pass\n",
        "test_busy_keys.py::test_a_round_asks_once_what_expressions_say_about_its_events",
    ),
)
