"""Graphs as text: every line of a drawing is an arrow of the graph, and every arrow can be followed."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pictures.tracing import Drawing, Edges
from plait.graph.definition import TaskKind
from plait.pictures.lanes import draw_lanes
from plait.pictures.model import DrawnTask, build_graph
from plait.pictures.text import draw_text

Parents = list[set[int]]


@st.composite
def graphs(draw: st.DrawFn) -> Parents:
    """For each task the numbers of its parents, which come before it."""
    count = draw(st.integers(1, 9))
    return [draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set() for number in range(count)]


def make_tasks(parents: Parents) -> list[DrawnTask]:
    return [
        DrawnTask(name=f"t{number}", parents=tuple(f"t{one}" for one in sorted(above)))
        for number, above in enumerate(parents)
    ]


def list_edges(parents: Parents) -> Edges:
    return {(f"t{one}", f"t{number}") for number, above in enumerate(parents) for one in above}


@given(graphs())
@example([set(), set(), {1}, {0}, {2}, {2, 3}, {4, 5}])
@example([set(), set(), set(), {0, 1}, {1, 2}, {0, 2}, {3, 4, 5}])
@example([set(), {0}, {0, 1}, {0, 1, 2}, {0, 1, 2, 3}])
@settings(max_examples=200, deadline=None)
def test_the_lines_of_a_flow_are_the_arrows_of_the_graph(parents: Parents) -> None:
    text = draw_text(build_graph(make_tasks(parents), fold=0), width=10_000)
    assert "▶" in text or not any(parents)
    assert Drawing(text).read_flow() == list_edges(parents), f"\n{text}"


@given(graphs())
@example([set(), set()])
@example([set(), {0}, {0}, {1, 2}, set(), {0, 4}])
@settings(max_examples=200, deadline=None)
def test_the_lines_of_lanes_are_the_arrows_of_the_graph(parents: Parents) -> None:
    lines = [(one, number) for number, above in enumerate(parents) for one in sorted(above)]
    text = "\n".join(draw_lanes([f"t{number}" for number in range(len(parents))], lines))
    assert Drawing(text).read_lanes() == list_edges(parents), f"\n{text}"


def draw(*tasks: DrawnTask, width: int = 100, ascii_only: bool = False) -> Sequence[str]:
    return draw_text(build_graph(tasks), width=width, ascii_only=ascii_only).split("\n")


def test_a_diamond_looks_like_one() -> None:
    assert draw(*make_tasks([set(), {0}, {0}, {1, 2}])) == [
        "t0 ─┬─▶ t1 ─┬─▶ t3",
        "    └─▶ t2 ─┘",
    ]


def test_a_narrow_terminal_gets_lanes() -> None:
    assert draw(*make_tasks([set(), {0}, {0}, {1, 2}]), width=15) == [
        "● t0",
        "├─╮",
        "● │ t1",
        "│ ● t2",
        "├─╯",
        "● t3",
    ]


def test_a_line_that_passes_behind_another_is_interrupted() -> None:
    text = draw_text(build_graph(make_tasks([set(), set(), set(), {0, 1}, {1, 2}, {0, 2}])))
    assert "─│─" in text
    assert Drawing(text).read_flow() == list_edges([set(), set(), set(), {0, 1}, {1, 2}, {0, 2}])


def test_lines_do_not_cross_where_they_need_not() -> None:
    parents: Parents = [set(), {0}, {0}, {0}, {1, 2}, {1}, {3, 4}, {6}, {5, 7}]
    text = draw_text(build_graph(make_tasks(parents)))
    assert "─│" not in text, f"\n{text}"


def test_hooks_say_what_they_are_and_follow_all_that_ends_the_graph() -> None:
    tasks = [*make_tasks([set(), {0}, {0}]), DrawnTask(name="tell", kind=TaskKind.ON_FAILURE)]
    assert draw(*tasks) == [
        "t0 ─┬─▶ t1 ─┬─▶ tell (on failure)",
        "    └─▶ t2 ─┘",
    ]


def test_conditions_stand_below() -> None:
    waiting = DrawnTask(name="pay", parents=("t0",), conditions=(("wait_for", "event 'paid'"), ("skip_if", "5 s")))
    assert draw(*make_tasks([set()]), waiting) == [
        "t0 ──▶ pay",
        "",
        "pay waits for event 'paid'",
        "pay skips if 5 s",
    ]


def test_ascii_has_lines_of_ascii_and_names_as_they_are() -> None:
    tasks = [DrawnTask(name="start─│●"), *(DrawnTask(name=f"語 {n}", parents=("start─│●",)) for n in (1, 2))]
    assert draw(*tasks, ascii_only=True) == ["start─│● -+-> 語 1", "          +-> 語 2"]
    fan = [DrawnTask(name="a"), *(DrawnTask(name=f"leaf_{n}", parents=("a",)) for n in range(500))]
    assert draw(*fan, ascii_only=True) == ["a --> leaf... x500"]


def test_wide_characters_keep_the_columns_straight() -> None:
    tasks = [DrawnTask(name="語"), DrawnTask(name="abcd"), DrawnTask(name="z", parents=("語", "abcd"))]
    assert draw(*tasks) == ["語 ───┬─▶ z", "abcd ─┘"]


def test_nothing_is_drawn_as_nothing() -> None:
    assert draw_text(build_graph([])) == ""
