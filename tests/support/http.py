"""httpx with patience: of itself it waits for 5 s, and a busy machine is slow, not wrong."""

from __future__ import annotations

from functools import partial

import httpx

from support.waiting import DEADLINE_SECONDS

get = partial(httpx.get, timeout=DEADLINE_SECONDS)
post = partial(httpx.post, timeout=DEADLINE_SECONDS)
stream = partial(httpx.stream, timeout=DEADLINE_SECONDS)
