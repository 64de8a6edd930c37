"""What links a run to what started it: keys of child runs, and the metadata that users see."""

from __future__ import annotations

import json

import pytest

from plait.graph.triggers import TRACE_KEY, make_child_key, read_child_key, read_metadata


@pytest.mark.parametrize("key", ["invoice", "a:b", "7", "", "ü"])
def test_a_key_that_was_given_for_a_child_run_is_read_back(key: str) -> None:
    assert read_child_key(make_child_key("flow", key)) == key


def test_the_number_of_a_call_is_no_key_that_was_given() -> None:
    assert read_child_key(make_child_key("flow", 7)) is None


def test_keys_of_two_workflows_and_of_both_kinds_are_never_the_same() -> None:
    keys = [make_child_key(flow, key) for flow in ("a", "b") for key in (1, 2, "1", "2")]
    assert len(set(keys)) == len(keys)


def test_users_see_their_metadata_without_where_the_run_is_traced() -> None:
    assert read_metadata(json.dumps({"user": "anna", TRACE_KEY: {"traceparent": "00"}})) == {"user": "anna"}


def test_a_run_without_metadata_has_an_empty_one() -> None:
    assert read_metadata(None) == {}
