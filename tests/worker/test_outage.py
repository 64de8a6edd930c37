"""What is told of an outage: its start, once a minute that it lasts, its end."""

from __future__ import annotations

import logging

import pytest

from plait.store.outage import Outage

logger = logging.getLogger("plait.test")
AWAY = ConnectionError("it is away")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outage(clock: Clock, caplog: pytest.LogCaptureFixture) -> Outage:
    caplog.set_level(logging.DEBUG)
    return Outage(logger, "store results", clock=clock)


def fail_for(outage: Outage, clock: Clock, seconds: float) -> None:
    """A try twice a second."""
    for _ in range(round(2 * seconds)):
        outage.note(AWAY, "4 wait")
        clock.now += 0.5


def test_an_outage_is_told_at_its_start_and_at_its_end(
    outage: Outage, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    outage.end("nothing happened")
    fail_for(outage, clock, 20)
    outage.end("4 results stored")
    outage.end("1 results stored")
    assert caplog.messages == [
        "cannot store results (4 wait), trying again: it is away",
        "can store results again after 20 s, 4 results stored",
    ]


def test_a_long_outage_is_told_once_a_minute(outage: Outage, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    fail_for(outage, clock, 150)
    outage.end()
    assert caplog.messages == [
        "cannot store results (4 wait), trying again: it is away",
        "for 60 s now cannot store results (4 wait), trying again: it is away",
        "for 120 s now cannot store results (4 wait), trying again: it is away",
        "can store results again after 150 s",
    ]


def test_outages_that_come_one_after_the_other_are_counted(
    outage: Outage, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(121):
        fail_for(outage, clock, 0.5)
        outage.end()
        clock.now += 0.5
    starts = [message for message in caplog.messages if message.startswith("cannot")]
    assert starts == [
        "cannot store results (4 wait), trying again: it is away",
        "cannot store results (4 wait), trying again: it is away (59 times more since the last such line)",
        "cannot store results (4 wait), trying again: it is away (59 times more since the last such line)",
    ]
    assert len(caplog.messages) == 6


def test_the_tries_of_an_outage_come_seldomer_and_those_of_the_next_begin_anew(outage: Outage) -> None:
    pauses = [outage.note(AWAY) for _ in range(10)]
    assert pauses[0] <= 0.1
    assert pauses[-1] >= 1.0
    outage.end()
    assert outage.note(AWAY) <= 0.1
