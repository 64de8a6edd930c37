"""How each statement file is called in a ``World``, and which of them may look at more than a few rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from plait.ids import new_run_id
from plait.store.ranges import find_ranges
from plans.world import SLOTS, World

FIRST, LAST = UUID(int=0), UUID(int=(1 << 128) - 1)
FAR, OLD = datetime(2100, 1, 1, tzinfo=UTC), datetime(2001, 1, 1, tzinfo=UTC)
AN_HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)

Call = Callable[[World], tuple[Any, ...]]


def _nothing(_world: World) -> tuple[Any, ...]:
    return ()


def _filters(columns: int) -> tuple[None, ...]:
    return (None,) * columns


CALLS: dict[str, Call] = {
    "beat_worker": lambda w: (w.worker, [1, 0, 1, 0, 1, 0], 0.0, ["true"]),
    "begin_suspect": lambda w: (w.worker, w.running, 0, 1, []),
    "cancel_runs": lambda w: ([w.ready, w.running, w.waiting, w.child], "why"),
    "cancel_task": lambda w: (w.waiting, 0),
    "carry_out_cancellations": lambda _: (10,),
    "change_cron": lambda w: (w.cron, "* * * * *", "UTC", "none", 0, b"{}", None, 1, FAR, True),
    "chart_runs": lambda w: (LAST, FIRST, ["subject"], *_filters(8), 100, 10),
    "claim_expired": lambda w: (w.worker, 10),
    "claim_tasks": lambda w: (w.worker, *find_ranges([w.actions]), 10, 10, 1, 1 << 20, [0]),
    "continue_deliveries": lambda _: (10,),
    "count_held": lambda _: (100,),
    "count_outcomes": lambda w: (FIRST, LAST, ["subject"], 100),
    "count_ready": lambda w: (w.actions, 100),
    "count_stored": lambda w: ([w.ended], [0], [1], [2]),
    "create_filter": lambda _: (new_run_id(), "subject", "s", "true", "{}"),
    "delete_cron": lambda w: (w.cron, False),
    "delete_filter": lambda w: (w.filter,),
    "delete_matching_scheduled": lambda _: ("subject", None),
    "delete_scheduled": lambda w: ([w.scheduled],),
    "deliver_events": lambda w: (
        [w.fresh_event], 100, [1], [new_run_id()], [w.version], [None], [1],
        ["go", "go"], ["", ""], [w.version, w.other], [0, 0], [1, None],
    ),
    "drop_lease": lambda w: ("maintenance", w.worker),
    "end_worker": lambda w: (w.worker,),
    "filter_runs": lambda w: ([w.ended, w.running], ["subject"], *_filters(6)),
    "find_active_runs": lambda _: (None, FIRST, LAST, ["subject"], 10),
    "find_event_before": lambda _: (LAST, FIRST, 100),
    "find_run_before": lambda _: (LAST, FIRST, 100),
    "find_triggered_runs": lambda w: (w.event, LAST, FIRST, 10),
    "find_version": lambda _: ("subject",),
    "finish_tasks": lambda w: (
        w.worker, [w.running], [0], [5], [1 << 32 | 1], [b"1"], [1], [2], [None], [None], [None],
        [2 << 48 | 1 << 24 | 1], [w.actions[1]], [True], [-1],
    ),
    "fire_crons": lambda w: ([w.cron], [w.moment], [FAR], [1], [new_run_id()], [w.moment], ["then"]),
    "insert_cron": lambda _: (
        new_run_id(), "subject", "new", "* * * * *", "UTC", "none", 0, b"{}", None, 1, FAR
    ),
    "insert_logs": lambda w: ([w.running], [1], [0], [1], [20], ["a line"]),
    "is_being_cancelled": lambda w: (w.child,),
    "list_children": lambda w: (w.running, FIRST, 10),
    "list_clocks": _nothing,
    "list_crons": lambda w: ("subject", None, None, None, 10),
    "list_declared_crons": lambda _: (["subject"],),
    "list_due_crons": lambda _: (10, []),
    "list_due_scheduled": lambda _: (10, []),
    "list_holders": lambda _: (60.0,),
    "list_filters": lambda _: (FIRST, None, None, 10),
    "list_held": lambda w: (w.worker, 10),
    "list_idle_workers": lambda _: (1.0,),
    "list_kept": lambda w: ([w.ended],),
    "list_logs": lambda w: (w.ended, [0, 1], 0, 0, "line", 10, None),
    "list_names": lambda _: (10,),
    "list_prunable": lambda _: (OLD, 0, AN_HOUR_AGO, 100, 100),
    "list_scheduled": lambda _: (None, None, None, None, 10),
    "list_slowest": lambda _: (10,),
    "list_suspects": lambda _: (10,),
    "list_switched_off": lambda _: (True,),
    "list_to_serve": lambda w: ([w.version],),
    "list_unserved": lambda _: (10,),
    "list_versions": lambda _: ("subject", 1 << 30, 10),
    "list_workers": _nothing,
    "list_workflows": lambda _: ("", None, 10),
    "lock_free_run": lambda w: (w.running,),
    "measure_connections": _nothing,
    "measure_tasks": lambda w: ([w.ended], 100),
    "measure_workflow": lambda _: ("subject", 100, 10),
    "move_scheduled": lambda w: ([w.scheduled], [FAR]),
    "park_tasks": lambda w: (
        w.worker, [w.running], [0], [1], [w.version], [-1], [None], [0], ["{}"], ['[[0, "later", null]]']
    ),
    "peek_priority": lambda w: find_ranges([w.actions])[:2],
    "prune_events": lambda _: (AN_HOUR_AGO, 10),
    "prune_logs": lambda w: ([w.ended], FAR, 100),
    "prune_runs": lambda w: ([w.ended], FAR),
    "prune_scheduled": lambda _: (FAR, 10),
    "prune_workers": lambda _: (FAR, 10),
    "push_events": lambda _: ([new_run_id()], ["go"], [b"{}"], [None], [None], [None]),
    "read_actions": lambda w: (w.actions,),
    "read_cancellations": lambda w: ([w.ended],),
    "read_cron": lambda w: (w.cron,),
    "read_ended": lambda w: ([w.ended, w.running], 1 << 20),
    "read_event": lambda w: (w.event,),
    "read_events_since": lambda _: (['["go", "stay"]'], [0], [0], True, 100, 1 << 20),
    "read_filter": lambda w: (w.filter,),
    "read_fleet": lambda w: (w.worker,),
    "read_held": lambda w: (w.worker,),
    "read_inbox": lambda _: (10, 1 << 20, []),
    "read_input_piece": lambda w: (w.running, 1, 10),
    "read_inputs": lambda w: ([w.running],),
    "read_lifetimes": lambda w: ([w.ended],),
    "read_listeners": lambda _: (["go"], ["s"]),
    "read_moment": lambda _: (timedelta(seconds=1),),
    "read_next_due": _nothing,
    "read_next_schedule": lambda _: ([],),
    "read_outcome_piece": lambda w: (w.ended, 0, 1, 10),
    "read_outcomes": lambda w: ([w.ended], [0], 1 << 20),
    "read_paces": lambda _: (10,),
    "read_payloads": lambda w: ([w.event],),
    "read_replayable": lambda w: ([w.ended],),
    "read_run": lambda w: (w.running,),
    "read_run_inputs": lambda w: ([w.running], 1 << 20),
    "read_run_view": lambda w: (w.child, None),
    "read_running": lambda w: (w.worker, [w.running], [0], 1 << 20),
    "read_scheduled": lambda w: ([w.scheduled],),
    "read_served": lambda _: ("subject",),
    "read_server": _nothing,
    "read_version": lambda w: (w.version,),
    "read_waits": lambda w: ([w.waiting], [0]),
    "read_worker": lambda w: (w.worker,),
    "read_workflow": lambda _: ("subject", None),
    "reap_workers": lambda _: (10, 0, 0, 0),
    "register_version": lambda _: ("new", "d", "{}", ["a"], [0], [-1], [1], 1, False),
    "register_worker": lambda w: (
        new_run_id(), "w", "h", 1, 10, None, w.actions, w.worker, "0", 3_600_000_000, "died", [w.version]
    ),
    "replay_runs": lambda w: (
        json.dumps([{
            "run_id": str(w.ended), "finished_at": w.ended_at.isoformat(), "tasks": [0, 1], "ready": [0],
            "pending": [1], "worst": 2, "anew": [0],
        }]),
    ),
    "run_cron": lambda w: (w.cron, new_run_id(), "now"),
    "schedule_runs": lambda w: ([new_run_id()], [w.version], [FAR], [b"{}"], [None], [1]),
    "search_events": lambda _: (LAST, FIRST, ["go"], None, 100, 10, None),
    "search_runs": lambda _: (LAST, FIRST, ["subject"], *_filters(6), 100, 10),
    "send_hints": lambda _: (["plait_ready"], ["1"]),
    "serve_workflow": lambda w: ("subject", w.version, ["go"], ["s"], ["true"], ["{}"]),
    "set_cron_paused": lambda w: (w.cron, True, None),
    "start_runs": lambda w: (
        [new_run_id(), new_run_id()], [w.version] * 2, [b"{}"] * 2, [None] * 2, [1] * 2, [None, "k"], True,
        [1, None], [w.running, None], [0, None], [1, None], ["k2", None],
    ),
    "start_scheduled": lambda w: ([w.scheduled], [new_run_id()]),
    "survey_running": lambda _: (10,),
    "survey_tasks": lambda w: (w.running, w.actions, None, None),
    "survey_workers": lambda _: (10, True),
    "sweep_ended": lambda _: (10,),
    "sync_crons": lambda w: (
        "subject", [new_run_id()], ["c"], ["* * * * *"], ["UTC"], ["none"], [0], [b"{}"], [None], [1], [FAR], w.version
    ),
    "turn_eras": lambda _: (0, 0, 8),
    "take_lease": lambda w: ("maintenance", w.worker, 1_000_000),
    "update_filter": lambda w: (w.filter, "true", "s", "{}"),
    "wake_tasks": lambda _: (10,),
}  # fmt: skip
"""By the name of the file: what it is called with."""

FEW = 300
"""Rows that a statement may visit, whatever there is beside them: a few probes for each of those it is about, and what
its arguments allow."""

_SLOTS = "running is read once, as large as all slots in use"
MORE: dict[str, tuple[int, str]] = {
    "carry_out_cancellations": (1_000, "looks at 100 orders"),
    "delete_matching_scheduled": (1 << 40, "may delete whatever is scheduled"),
    "prune_workers": (SLOTS + FEW, _SLOTS),
    "reap_workers": (SLOTS + FEW, _SLOTS),
}
"""Statements that visit more by their nature: how many rows, and why."""
