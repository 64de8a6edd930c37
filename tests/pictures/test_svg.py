"""Graphs as SVG and as Mermaid: whole, escaped, told apart without colour, the same every time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import combinations
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plait.errors import InvalidInputError
from plait.graph.definition import TaskKind
from plait.pictures.looks import LOOKS, ROLES
from plait.pictures.mermaid import draw_mermaid
from plait.pictures.model import DrawnTask, build_graph
from plait.pictures.svg import draw_svg
from plait.types import TaskStatus

SVG = "{http://www.w3.org/2000/svg}"
DIAMOND = [
    DrawnTask(name="extract"),
    DrawnTask(name="left", parents=("extract",)),
    DrawnTask(name="right", parents=("extract",)),
    DrawnTask(name="report", parents=("left", "right")),
]


def make_fan(count: int) -> list[DrawnTask]:
    leaves = [DrawnTask(name=f"leaf_{number}", parents=("root",)) for number in range(count)]
    return [DrawnTask(name="root"), *leaves, DrawnTask(name="join", parents=tuple(leaf.name for leaf in leaves))]


def parse(tasks: list[DrawnTask], **options: str) -> ElementTree.Element:
    return ElementTree.fromstring(draw_svg(build_graph(tasks), label="Workflow x", **options))


def list_texts(root: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def list_cards(root: ElementTree.Element) -> list[tuple[float, float, float, float]]:
    """Left, top, right, bottom of each box."""
    rects = [group.find(f"{SVG}rect") for group in root.findall(f"{SVG}g")]
    sides = [
        [float(rect.get(name, "0")) for name in ("x", "y", "width", "height")] for rect in rects if rect is not None
    ]
    return [(x, y, x + width, y + height) for x, y, width, height in sides]


def test_it_is_one_element_that_refers_to_nothing_and_has_a_name() -> None:
    text = draw_svg(build_graph(DIAMOND), label="Workflow <x>", description="extract leads to left.")
    root = ElementTree.fromstring(text)
    assert root.get("role") == "img"
    assert root.get("aria-label") == root.findtext(f"{SVG}title") == "Workflow <x>"
    assert root.findtext(f"{SVG}desc") == "extract leads to left."
    assert list_texts(root) == ["extract", "left", "right", "report"]
    assert not re.search(r"href|url\(|@import|<script| id=", text)


@given(st.text(min_size=1, max_size=30), st.text(max_size=200))
@settings(max_examples=100)
def test_whatever_a_name_or_a_condition_holds_is_text(name: str, condition: str) -> None:
    task = DrawnTask(name=name, conditions=(("wait_for", condition),))
    root = parse([task])
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {"svg", "title", "style", "g", "rect", "text"}
    assert len(list_texts(root)) >= 2


@pytest.mark.parametrize("direction", ["LR", "TB"])
@given(data=st.data())
@settings(max_examples=60)
def test_boxes_stand_apart_within_the_picture_and_after_their_parents(direction: str, data: st.DataObject) -> None:
    tasks: list[DrawnTask] = []
    for number in range(data.draw(st.integers(1, 11))):  # fewer than are folded
        parents = data.draw(st.sets(st.sampled_from([task.name for task in tasks]), max_size=3)) if tasks else ()
        name = "n" * data.draw(st.integers(1, 30)) + str(number)
        tasks.append(DrawnTask(name=name, parents=tuple(sorted(parents))))
    root = parse(tasks, direction=direction)
    cards = list_cards(root)
    assert len(cards) == len(tasks)
    for left, top, right, bottom in cards:
        assert 0 <= left < right <= float(root.get("width", "0"))
        assert 0 <= top < bottom <= float(root.get("height", "0"))
    for a, b in combinations(cards, 2):
        assert a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1], "two boxes overlap"
    begin, end = (0, 2) if direction == "LR" else (1, 3)
    card_of = {task.name: card for task, card in zip(tasks, cards, strict=True)}
    for task in tasks:
        assert all(card_of[parent][end] < card_of[task.name][begin] for parent in task.parents)


def test_every_status_has_a_word_and_a_shape_of_its_own() -> None:
    assert set(LOOKS) == set(TaskStatus)
    assert len({look.word for look in LOOKS.values()}) == len(LOOKS)
    assert len({(look.sign, look.dashed) for look in LOOKS.values()}) == len(LOOKS)
    root = parse([DrawnTask(name=f"t{number}", status=status) for number, status in enumerate(LOOKS)])
    assert {look.word for look in LOOKS.values()} <= set(list_texts(root))


def measure_contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("role", [*(look.role for look in LOOKS.values()), "text", "muted", "accent"])
def test_text_can_be_read_on_its_box_and_lines_be_seen_on_any_ground(role: str) -> None:
    for theme in (0, 1):
        assert measure_contrast(ROLES[role][theme], ROLES["card"][theme]) >= 4.5
        assert min(measure_contrast(ROLES["line"][theme], ground) for ground in ("#ffffff", "#0d1117")) >= 3


def test_the_dark_theme_is_a_style_only_where_the_reader_decides() -> None:
    auto, light, dark = (draw_svg(build_graph(DIAMOND), label="x", theme=theme) for theme in ("auto", "light", "dark"))
    assert "prefers-color-scheme: dark" in auto
    assert "<style" not in light + dark
    assert ROLES["card"][0] in light
    assert ROLES["card"][1] in dark


def test_five_hundred_leaves_are_one_box_and_its_statuses_are_counted() -> None:
    tasks = make_fan(500)
    assert list_texts(parse(tasks)) == ["root", "leaf… ×500", "join"]
    leaves = [
        DrawnTask(name=task.name, parents=task.parents, status="FAILED" if number < 5 else "COMPLETED")
        for number, task in enumerate(tasks[1:-1])
    ]
    done = [DrawnTask(name="root", status="COMPLETED"), *leaves, DrawnTask(name="join", parents=tasks[-1].parents)]
    assert list_texts(parse(done)) == ["root", "Completed", "leaf… ×500", "5 failed", "495 completed", "join"]


def test_only_what_cannot_be_told_apart_is_folded() -> None:
    fan = make_fan(20)
    fan[8] = DrawnTask(name="leaf_7", parents=("root",), conditions=(("skip_if", "5 s"),))
    graph = build_graph(fan)
    assert [(box.name, len(box.tasks)) for box in graph.boxes] == [
        ("root", 1),
        ("leaf…", 19),
        ("leaf_7", 1),
        ("join", 1),
    ]
    assert len(build_graph(make_fan(11)).boxes) == 13, "few are shown one by one"
    assert len(build_graph(fan, fold=0).boxes) == 22
    chains = [DrawnTask(name=f"b_{n}", parents=(f"leaf_{n}",)) for n in range(20)]
    assert len(build_graph([*make_fan(20)[:-1], *chains]).boxes) == 3, "pipelines side by side"


def test_the_same_graph_gives_the_same_picture_in_every_process() -> None:
    code = (
        "from plait.pictures.model import DrawnTask as T, build_graph;from plait.pictures.svg import draw_svg;"
        "names=[[f't{j}' for j in range(i) if (i*7+j*5)%4==0] for i in range(14)];"
        "g=build_graph([T(name=f't{i}',parents=tuple(above)) for i,above in enumerate(names)]);"
        "print(draw_svg(g,label='x'))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1


def test_wrong_choices_are_named() -> None:
    with pytest.raises(InvalidInputError, match="direction is 'up': give 'LR' or 'TB'"):
        parse(DIAMOND, direction="up")
    with pytest.raises(InvalidInputError, match="theme is 'pink'"):
        parse(DIAMOND, theme="pink")
    with pytest.raises(InvalidInputError, match="direction is 'up'"):
        draw_mermaid(build_graph(DIAMOND), title="x", direction="up")


def test_mermaid_has_a_node_for_each_task_and_an_arrow_for_each_parent() -> None:
    hook = DrawnTask(name="tell", kind=TaskKind.ON_FAILURE)
    assert draw_mermaid(build_graph([*DIAMOND, hook]), title="Workflow x", direction="TB").split("\n") == [
        "flowchart TB",
        "    accTitle: Workflow x",
        '    t0("extract")',
        '    t1("left")',
        '    t2("right")',
        '    t3("report")',
        '    t4("tell<br><i>on failure</i>"):::hook',
        "    t0 --> t1",
        "    t0 --> t2",
        "    t1 --> t3",
        "    t2 --> t3",
        "    t3 -.-> t4",
        "    classDef hook stroke:#8d8ba0,stroke-dasharray:4 3",
    ]


def test_mermaid_reads_no_markup_in_names_and_conditions() -> None:
    evil = DrawnTask(name='end"] --> x; `a` <b>#35;', conditions=(("skip_if", "a < b && c[0] | {x}\n"),))
    (label,) = re.findall(r'\("(.*)"\)', draw_mermaid(build_graph([evil]), title='a"; b\nflowchart'))
    plain = re.sub(r"#\d+;|<br>|</?small>", "", label)
    assert not set(plain) & set('"`<>[]{}|&;#\n')
