"""How often something may be done: a few times at once after a pause, and no oftener than the rate in the long run."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plait.store.allowance import Allowance

RATE, BURST = 10.0, 4


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_after_a_pause_so_many_are_allowed_at_once_and_then_one_at_a_time() -> None:
    clock = Clock()
    allowance = Allowance(RATE, BURST, clock=clock)
    for _ in range(BURST):
        assert allowance.delay() == 0
        allowance.take()
    for _ in range(5):
        assert 0 < allowance.delay() <= 1 / RATE + 1e-9
        clock.now += allowance.delay() + 1e-9
        assert allowance.delay() == 0
        allowance.take()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_whoever_keeps_to_the_delay_stays_below_the_rate(pauses: list[float]) -> None:
    clock = Clock()
    allowance = Allowance(RATE, BURST, clock=clock)
    moments = list[float]()
    for pause in pauses:
        clock.now += pause
        clock.now += allowance.delay()
        allowance.take()
        moments.append(clock.now)
    for first, begin in enumerate(moments):
        for last, end in enumerate(moments[first:], first):
            assert last - first + 1 <= BURST + (end - begin) * RATE + 1e-6
