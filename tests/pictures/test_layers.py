"""Where boxes stand."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.pictures.layers import arrange, build_layers, count_crossings, find_depths, fit_rising, place_items

Lines = list[tuple[int, int]]

ORDER: Lines = [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 5), (4, 5), (4, 7), (5, 6), (6, 7), (5, 8)]
TANGLED: Lines = [(0, 4), (0, 5), (1, 3), (1, 5), (2, 3), (2, 4)]
TWISTED: Lines = [(0, 3), (1, 2), (2, 4), (2, 5), (3, 5), (4, 6), (5, 6)]


@pytest.mark.parametrize(("count", "lines"), [(9, ORDER), (7, TWISTED)])
def test_what_can_be_drawn_without_crossings_is(count: int, lines: Lines) -> None:
    assert count_crossings(arrange(count, lines)) == 0


def test_what_must_cross_crosses_as_little_as_it_can() -> None:
    assert count_crossings(build_layers(6, TANGLED)) == 7
    assert count_crossings(arrange(6, TANGLED)) == 2, "a ring of six in two rows"


def test_a_task_stands_behind_its_parents_and_a_lone_source_close_to_its_child() -> None:
    assert find_depths(5, [(0, 1), (1, 2), (2, 3), (4, 3)]) == [0, 1, 2, 3, 2]
    assert find_depths(4, [(0, 1), (1, 3), (0, 3), (0, 2)]) == [0, 1, 1, 2]


def test_a_long_line_has_a_place_of_its_own_in_every_layer_between() -> None:
    layers = arrange(4, [(0, 1), (1, 2), (2, 3), (0, 3)])
    path = layers.paths[0, 3]
    assert len(path) == 4
    middle = place_items(layers, lambda _: 10.0, lambda _a, _b: 2.0)
    assert all(abs(middle[path[level]] - middle[level]) >= 12 for level in (1, 2))
    assert middle[path[1]] == middle[path[2]], "and runs straight"


def test_a_chain_is_straight_and_a_fan_is_even() -> None:
    chain = arrange(4, [(0, 1), (1, 2), (2, 3)])
    assert len(set(place_items(chain, lambda _: 10.0, lambda _a, _b: 2.0))) == 1
    fan = arrange(6, [(0, one) for one in (1, 2, 3, 4)] + [(one, 5) for one in (1, 2, 3, 4)])
    middle = place_items(fan, lambda _: 10.0, lambda _a, _b: 2.0)
    assert middle[0] == pytest.approx(middle[5]) == pytest.approx(sum(middle[1:5]) / 4)
    assert [after - before for before, after in pairwise(sorted(middle[1:5]))] == pytest.approx([12, 12, 12])


@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(0.1, 10)), max_size=12))
def test_the_nearest_rising_sequence_rises_and_nothing_near_it_is_nearer(pairs: list[tuple[float, float]]) -> None:
    values, weights = [value for value, _ in pairs], [weight for _, weight in pairs]
    fitted = fit_rising(values, weights)
    assert len(fitted) == len(values)
    assert all(before <= after + 1e-9 for before, after in pairwise(fitted))

    def measure(sequence: list[float]) -> float:
        return sum(weight * (a - b) ** 2 for a, b, weight in zip(sequence, values, weights, strict=True))

    for place in range(len(fitted)):  # moving the end of the sequence keeps it rising
        for step, moved in ((0.01, fitted[place:]), (-0.01, fitted[:place])):
            other = (
                [*fitted[:place], *(one + step for one in moved)]
                if step > 0
                else [*(one + step for one in moved), *fitted[place:]]
            )
            assert measure(fitted) <= measure(other) + 1e-6
