"""The counters of a graph against brute force: whatever the graph, the outcomes, their order and how they are batched,
each join is released exactly once, after its last parent, and the run ends exactly once, after its last sink."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from plait.graph.definition import RUN_END, Edge, TaskDefinition, WorkflowDefinition


@st.composite
def definitions(draw: st.DrawFn) -> WorkflowDefinition:
    """A random graph in topological order."""
    size = draw(st.integers(1, 12))
    tasks = []
    for index in range(size):
        parents = draw(st.sets(st.integers(0, index - 1), max_size=index)) if index else set()
        tasks.append(TaskDefinition(name=f"t{index}", parents=tuple(sorted(parents))))
    return WorkflowDefinition("w", tuple(tasks))


@dataclass
class Counting:
    """What ``finish_tasks.sql`` does with the edges of a batch, in Python."""

    definition: WorkflowDefinition
    released: Counter[int] = field(default_factory=Counter)
    ends: int = 0

    def __post_init__(self) -> None:
        self.pending = list(self.definition.pending)

    def finish(self, batch: list[int]) -> list[int]:
        """The children that become free when these tasks are terminal together."""
        hits: Counter[Edge] = Counter(edge for task in batch for edge in self.definition.edges[task])
        freed = []
        for edge, count in hits.items():
            if count < edge.need:  # else all parents are in this batch: the counter is not even touched
                self.pending[edge.slot - 1] -= count
                assert self.pending[edge.slot - 1] >= 0
                if self.pending[edge.slot - 1]:
                    continue
            if edge.child == RUN_END:
                self.ends += 1
            else:
                freed.append(edge.child)
        self.released.update(freed)
        return freed


@settings(max_examples=200)
@given(definitions(), st.data())
def test_every_task_is_released_once_after_its_last_parent_and_the_run_ends_once(
    definition: WorkflowDefinition, data: st.DataObject
) -> None:
    counting = Counting(definition)
    ready, terminal = list(definition.roots), set[int]()
    while ready:
        size = data.draw(st.integers(1, len(ready)))
        batch = data.draw(st.permutations(ready))[:size]
        assert counting.ends == 0
        terminal.update(batch)
        freed = counting.finish(batch)
        for child in freed:
            assert set(definition.tasks[child].parents) <= terminal
        # Nothing that brute force would release is forgotten.
        free = {
            index
            for index, task in enumerate(definition.tasks)
            if task.parents and set(task.parents) <= terminal and set(task.parents) & set(batch)
        }
        assert set(freed) == free
        ready = [task for task in ready if task not in batch] + freed
    assert terminal == set(range(len(definition.tasks)))
    assert counting.ends == 1
    assert all(count == 1 for count in counting.released.values())
    assert not any(number < 0 for number in counting.pending)


@given(definitions())
def test_what_follows_from_the_graph_agrees_with_itself(definition: WorkflowDefinition) -> None:
    tasks = definition.tasks
    for index, task in enumerate(tasks):
        assert (index in definition.roots) == (not task.parents)
        assert (index in definition.sinks) == (not definition.children[index])
        for parent in task.parents:
            assert index in definition.children[parent]
        assert len(definition.edges[index]) == max(1, len(definition.children[index]))
    slots = [edge.slot for edges in definition.edges for edge in edges if edge.slot]
    assert set(slots) == set(range(1, len(definition.pending) + 1))
    for edges in definition.edges:
        for edge in edges:
            assert (edge.slot > 0) == (edge.need > 1)
            if edge.slot:
                assert definition.pending[edge.slot - 1] == edge.need


@given(definitions())
def test_a_definition_survives_its_own_json(definition: WorkflowDefinition) -> None:
    again = WorkflowDefinition.from_json(definition.to_json())
    assert again == definition
    assert again.digest == definition.digest
    assert again.to_json() == definition.to_json()


def test_fields_of_a_newer_plait_are_ignored() -> None:
    text = '{"name": "w", "tasks": [{"name": "a", "colour": "red"}], "mood": 3}'
    assert WorkflowDefinition.from_json(text) == WorkflowDefinition("w", (TaskDefinition(name="a"),))


def test_a_join_of_ten_thousand_parents_is_counted_in_one_number() -> None:
    parents = 10_000
    tasks = [TaskDefinition(name=f"p{number}") for number in range(parents)]
    tasks.append(TaskDefinition(name="join", parents=tuple(range(parents))))
    definition = WorkflowDefinition("wide", tuple(tasks))
    assert definition.pending == (parents,)
    assert definition.edges[parents] == (Edge(RUN_END, 1, 0),)
    assert definition.index_by_name["join"] == parents
    counting = Counting(definition)
    assert counting.finish(list(range(parents - 1))) == []
    assert counting.finish([parents - 1]) == [parents]


def test_the_edge_to_the_end_of_the_run_has_the_smallest_number() -> None:
    assert Edge(RUN_END, 3, 2).packed == 3 << 24 | 2
    assert Edge(0, 3, 2).packed == 1 << 48 | 3 << 24 | 2


@given(st.integers(-1, 32_000), st.integers(0, 2**24 - 1), st.integers(0, 2**24 - 1))
def test_an_edge_is_packed_as_the_statement_unpacks_it(child: int, need: int, slot: int) -> None:
    packed = Edge(child, need, slot).packed
    assert ((packed >> 48) - 1, packed >> 24 & 16777215, packed & 16777215) == (child, need, slot)
    assert packed < 2**63
