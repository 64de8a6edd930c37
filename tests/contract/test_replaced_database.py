"""A database that is emptied or restored under a living process."""

from __future__ import annotations

import pytest

from plait import Context, EmptyModel, Plait
from plait.errors import UnknownVersionError
from support.database import Database


def test_a_trigger_whose_workflow_version_is_gone_starts_nothing_and_the_next_one_works(
    plait: Plait, database: Database
) -> None:
    workflow = plait.workflow(name="echo")

    @workflow.task()
    def only(input: EmptyModel, ctx: Context) -> int:
        return 1

    workflow.run_no_wait()
    database.query("DELETE FROM plait.workflow_version RETURNING id")

    with pytest.raises(UnknownVersionError, match="Trigger again"):
        workflow.run_no_wait()
    assert database.count("run") == 1

    workflow.run_no_wait()
    assert database.count("run") == 2
    assert database.count("ready") == 2
