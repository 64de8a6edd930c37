"""How much harm is done: a little in ``make test``, all of it in ``make faults``; and by which chance."""

from __future__ import annotations

import os
import random
from typing import TypeVar

T = TypeVar("T")

LONG = os.environ.get("PLAIT_FAULTS") == "long"

SEED_VARIABLE = "PLAIT_FAULTS_SEED"


def pick(short: T, long: T) -> T:
    """``long`` in ``make faults``, else ``short``."""
    return long if LONG else short


def choose_seed() -> int:
    """The seed named by ``PLAIT_FAULTS_SEED``, or another one each time; a failing test shows it."""
    return int(os.environ.get(SEED_VARIABLE) or random.SystemRandom().randrange(1 << 32))
