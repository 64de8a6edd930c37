"""Expressions in a process of their own: the same answers, and one that never ends stops nobody."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from plait.errors import ExpressionError
from plait.values import evaluator as module
from plait.values.evaluator import Evaluator, Question
from plait.values.expressions import evaluate

MANY = json.dumps({"xs": list(range(10_000))}).encode()
HUGE = Question("input.xs.all(x, input.xs.exists(y, y == x + 0))", {"input": MANY})
SMALL = Question("input.n > 1", {"input": b'{"n": 2}'})


@pytest.fixture
async def evaluator() -> AsyncIterator[Evaluator]:
    evaluator = Evaluator()
    yield evaluator
    await evaluator.close()


def find_helper(evaluator: Evaluator) -> int:
    process = evaluator._process
    assert process is not None
    return process.pid


@pytest.mark.parametrize(
    ("expression", "variables"),
    [
        ("input.n == 9007199254740993", {"input": '{"n": 9007199254740993}'}),
        ("input.text == '\u00e9\U0001f600'", {"input": '{"text": "\u00e9\U0001f600"}'}),
        (
            "input.n > payload.n && metadata.k == 'v'",
            {"input": '{"n":2}', "payload": '{"n":1}', "metadata": '{"k":"v"}'},
        ),
        ("output", {"output": "false"}),
        ("output == null", {"output": "null"}),
    ],
)
async def test_the_answers_are_those_of_the_library(
    evaluator: Evaluator, expression: str, variables: dict[str, str]
) -> None:
    wanted = evaluate(expression, **{name: json.loads(text) for name, text in variables.items()})
    assert await evaluator.evaluate([Question(expression, variables)]) == [wanted]


async def test_what_cannot_be_told_says_why_and_the_others_are_answered(evaluator: Evaluator) -> None:
    missing = Question("input.nope", {"input": b"{}"})
    number = Question("input.n + 1", {"input": b'{"n": 1}'})
    answers = await evaluator.evaluate([SMALL, missing, number, SMALL])
    assert answers[::3] == [True, True]
    assert "there is no 'nope'" in str(answers[1])
    assert "gives 2, not true or false" in str(answers[2])


async def test_one_that_takes_too_long_is_stopped_and_the_others_are_answered(evaluator: Evaluator) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    first, guilty, last = await evaluator.evaluate([SMALL, HUGE, SMALL])
    ticking.cancel()
    assert (first, last) == (True, True)
    assert "took more than" in str(guilty)
    assert ticks > 5, "the loop went on"


async def test_one_that_always_takes_too_long_is_switched_off_for_a_while(
    evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "CPU_SECONDS", 0.05)
    with caplog.at_level(logging.WARNING):
        for _ in range(module.OFF_AFTER):
            await evaluator.evaluate([HUGE])
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "ERROR"]
    assert "switched off" in caplog.text
    await evaluator.evaluate([SMALL])
    helper = find_helper(evaluator)
    off, small = await evaluator.evaluate([HUGE, SMALL])
    assert "is switched off" in str(off)
    assert small is True
    assert find_helper(evaluator) == helper, "it was not even tried"
    monkeypatch.setattr(module, "OFF_SECONDS", 0.0)
    evaluator._off = dict.fromkeys(evaluator._off, 0.0)
    [again] = await evaluator.evaluate([HUGE])
    assert "took more than" in str(again)


async def test_a_helper_that_was_killed_is_replaced(evaluator: Evaluator) -> None:
    assert await evaluator.evaluate([SMALL]) == [True]
    os.kill(find_helper(evaluator), signal.SIGKILL)
    assert await evaluator.evaluate([SMALL, SMALL]) == [True, True]


async def test_answers_to_one_who_was_cancelled_are_not_taken_for_those_to_the_next(evaluator: Evaluator) -> None:
    false = Question("input.n > 5", SMALL.variables)
    await evaluator.evaluate([SMALL])
    for _ in range(8):
        asking = asyncio.create_task(evaluator.evaluate([false] * 50))
        while evaluator._turn.locked() is False:
            await asyncio.sleep(0)
        for _ in range(3):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        assert await evaluator.evaluate([SMALL] * 3) == [True] * 3


async def test_nothing_is_left_of_it_when_it_is_closed() -> None:
    evaluator = Evaluator()
    await evaluator.evaluate([SMALL])
    helper = find_helper(evaluator)
    await evaluator.close()
    with pytest.raises(ProcessLookupError):
        os.kill(helper, 0)


def test_the_helper_loads_nothing_large() -> None:
    code = "import sys, plait.values.evaluating as e; e.evaluate('true'); print('pydantic_core' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "{", "", '{"a": 1}}', "[" * 100_000, "9" * 5000, b'"\xff"'])
async def test_what_is_no_json_is_told_and_ends_nothing(evaluator: Evaluator, text: str | bytes) -> None:
    [answer, right] = await evaluator.evaluate([Question("input == 1", {"input": text}), SMALL])
    assert isinstance(answer, ExpressionError)
    assert "not valid JSON" in str(answer)
    assert right is True
