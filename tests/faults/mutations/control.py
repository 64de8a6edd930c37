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
)
