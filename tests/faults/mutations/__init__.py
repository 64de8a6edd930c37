"""Ways to break Plait, each with the tests that must notice: every fault test is named by one at least.

A list for each field. ``python -m faults.mutations`` tries them.
"""

from __future__ import annotations

from faults.mutations.control import CONTROL
from faults.mutations.events import EVENTS
from faults.mutations.hints import HINTS
from faults.mutations.links import LINKS
from faults.mutations.locks import LOCKS
from faults.mutations.store import STORE
from faults.mutations.time import TIME
from faults.mutations.workers import WORKERS

MUTATIONS = (*STORE, *CONTROL, *LOCKS, *WORKERS, *LINKS, *TIME, *EVENTS, *HINTS)
