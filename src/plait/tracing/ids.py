"""Span ids that follow from what the span is about.

A run lives across processes: whoever runs one of its tasks must know the id of the span that whoever ends the run
will export. So these ids are hashes, and nobody has to tell them to anybody.
"""

from __future__ import annotations

from hashlib import blake2b
from uuid import UUID


def derive_trace_id(run_id: UUID) -> int:
    """The trace of a run that was started outside of any. All bits are well mixed, as samplers want them."""
    return _hash(run_id, "trace", size=16)


def derive_run_span(run_id: UUID, first_attempt: int) -> int:
    """The span of a run from its trigger, or from a replay, to its end. A replay makes ``first_attempt`` greater."""
    return _hash(run_id, "run", first_attempt)


def derive_task_span(run_id: UUID, first_attempt: int, task: int) -> int:
    """The span of a task of a run, its attempts and the time between them."""
    return _hash(run_id, "task", first_attempt, task)


def derive_attempt_span(run_id: UUID, task: int, attempt: int) -> int:
    """The span of one attempt; attempts are never numbered twice."""
    return _hash(run_id, "attempt", task, attempt)


def _hash(run_id: UUID, *parts: str | int, size: int = 8) -> int:
    text = ":".join(map(str, parts)).encode()
    return int.from_bytes(blake2b(run_id.bytes + text, digest_size=size, person=b"plait").digest()) or 1
