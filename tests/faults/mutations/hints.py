"""Hints between processes, and what they may cost."""

from __future__ import annotations

from faults.mutations.mutation import Mutation

HINTS = (
    Mutation(
        "a hint is held back after another",
        "store/hints.py",
        "RATE, BURST = 90.0, 4",
        "RATE, BURST = 90.0, 1",
        "test_hints.py::test_a_few_hints_after_a_pause_go_at_once_though_they_come_one_after_another",
    ),
    Mutation(
        "hints go out though nobody asks",
        "store/hints.py",
        "        return kind not in ASKED_FOR or",
        "        return True or kind not in ASKED_FOR or",
        "test_hints.py::test_hints_that_nobody_asks_for_are_kept_until_somebody_does",
    ),
    Mutation(
        "it is forgotten at once that somebody asks",
        "store/hints.py",
        "            self._asked[kind] = now + 2.5 * ASK_SECONDS\n",
        "",
        "test_hints.py::test_hints_that_somebody_asks_for_are_sent_for_a_while",
    ),
    Mutation(
        "everybody asks for himself",
        "store/hints.py",
        "            if kinds:\n                self._said",
        "            if False:\n                self._said",
        "test_hints.py::test_of_those_who_ask_for_the_same_one_says_so_for_all",
    ),
    Mutation(
        "who does not listen holds back",
        "store/hints.py",
        "or not self.is_listening(ASK) or",
        "or",
        "test_hints.py::test_who_does_not_listen_cannot_know_who_asks_and_sends_all",
    ),
    Mutation(
        "hints that nobody asks for are kept without end",
        "store/hints.py",
        "        while held and (len(held) > MOST_HELD or next(iter(held.values())) < now - HELD_SECONDS):\n",
        "        while False:\n",
        "test_hints.py::test_what_is_kept_is_bounded_and_what_is_old_is_dropped",
    ),
    Mutation(
        "every worker sends as many hints as one alone",
        "store/hints.py",
        "min(RATE, max(LEAST_RATE, FLEET_RATE / max(1, workers)))",
        "RATE",
        "test_hints.py::test_many_workers_share_what_all_may_send",
    ),
    Mutation(
        "a trigger notifies, however full the queue is",
        "store/functions/tell.sql",
        "CASE WHEN pg_notification_queue_usage() < 0.9 THEN pg_notify(channel, payload) END",
        "pg_notify(channel, payload)",
        "test_full_queue.py::test_triggers_events_and_schedules_are_stored_and_carried_out_all_the_same",
    ),
    Mutation(
        "a trigger carries no hint",
        "store/functions/tell.sql",
        "pg_notification_queue_usage() < 0.9",
        "false",
        "test_full_queue.py::test_where_there_is_room_a_trigger_carries_its_hint",
    ),
    Mutation(
        "who claims beside another takes what is less urgent",
        "store/sql/claim_tasks.sql",
        " AND r.priority >= s.least",
        "",
        "test_promises.py::test_who_claims_beside_another_takes_nothing_less_urgent_in_place_of_what_that_one_holds",
    ),
)
