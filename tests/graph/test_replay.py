"""What a replay runs again: against an oracle over random graphs, and by example."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plait.graph.definition import Status, TaskDefinition, TaskKind, WorkflowDefinition
from plait.graph.replay import plan_replay
from plait.graph.validation import DraftTask, build_definition


@st.composite
def ended_runs(draw: st.DrawFn) -> tuple[WorkflowDefinition, dict[int, Status], set[int]]:
    """A graph with or without hooks, any outcomes (some missing), and tasks that are asked for."""
    size = draw(st.integers(1, 9))
    drafts = [
        DraftTask(
            TaskDefinition(name=f"t{index}"),
            tuple(f"t{parent}" for parent in draw(st.sets(st.integers(0, max(0, index - 1)), max_size=3)) if index),
        )
        for index in range(size)
    ]
    for kind in (TaskKind.ON_SUCCESS, TaskKind.ON_FAILURE):
        if draw(st.booleans()):
            drafts.append(DraftTask(TaskDefinition(name=kind.value, kind=kind)))
    definition = build_definition("w", drafts)
    ends = [Status.COMPLETED, Status.FAILED, Status.CANCELLED, Status.SKIPPED, None]
    outcomes = {index: draw(st.sampled_from(ends)) for index in range(len(definition.tasks))}
    asked = draw(st.sets(st.integers(0, len(definition.tasks) - 1)))
    return definition, {index: end for index, end in outcomes.items() if end is not None}, asked


@given(ended_runs())
def test_a_replay_runs_the_unsuccessful_the_asked_and_all_below_them_and_counts_their_parents(
    ended: tuple[WorkflowDefinition, dict[int, Status], set[int]],
) -> None:
    definition, outcomes, asked = ended
    plan = plan_replay(definition, outcomes, asked)

    def must(index: int) -> bool:
        bad = outcomes.get(index) in (None, Status.FAILED, Status.CANCELLED) or index in asked
        return bad or any(must(parent) for parent in definition.tasks[index].parents)

    wanted = {index for index in range(len(definition.tasks)) if must(index)}
    assert set(plan.tasks) == wanted
    assert set(plan.ready) == {index for index in wanted if wanted.isdisjoint(definition.tasks[index].parents)}
    joins = [task for task in definition.tasks if len(task.parents) > 1]
    counts = [len(wanted.intersection(join.parents)) for join in joins]
    if len(definition.sinks) > 1:
        counts.append(len(wanted.intersection(definition.sinks)))
    assert list(plan.pending) == counts
    assert len(plan.pending) == len(definition.pending)
    kept = [end for index, end in outcomes.items() if index not in wanted]
    assert plan.worst == max([Status.COMPLETED, *kept])
    assert plan.worst in (Status.COMPLETED, Status.SKIPPED) or not kept


def test_everything_from_the_start_is_the_state_a_run_begins_with() -> None:
    tasks = [TaskDefinition(name=name) for name in "abcd"]
    parents = [(), ("a",), ("a",), ("b", "c")]
    definition = build_definition("w", [DraftTask(task, above) for task, above in zip(tasks, parents, strict=True)])
    plan = plan_replay(definition, dict.fromkeys(range(4), Status.COMPLETED), range(4))
    assert (plan.tasks, plan.ready, plan.pending) == ((0, 1, 2, 3), definition.roots, definition.pending)


def test_nothing_is_to_be_done_for_a_run_that_completed() -> None:
    definition = build_definition("w", [DraftTask(TaskDefinition(name="a"))])
    assert plan_replay(definition, {0: Status.COMPLETED}).tasks == ()


def test_of_several_sinks_the_end_waits_for_those_that_run_again() -> None:
    definition = build_definition("w", [DraftTask(TaskDefinition(name=name)) for name in "abc"])
    outcomes = {0: Status.COMPLETED, 1: Status.FAILED, 2: Status.FAILED}
    assert definition.pending == (3,)
    assert plan_replay(definition, outcomes).pending == (2,)
