"""When a failed attempt runs again. Pure: the caller supplies the random number."""

from __future__ import annotations

from plait.graph.definition import TaskDefinition

MAX_DELAY_SECONDS = 10 * 365 * 86_400.0
"""No delay is longer, whatever the factor: a power that overflows must not overflow a timestamp."""


def compute_delay(task: TaskDefinition, retry: int, *, random: float = 1.0) -> float:
    """Seconds before retry number ``retry`` (1 for the first) of ``task``.

    ``min(backoff_max_seconds, backoff_factor ** retry)``, zero without a factor. With ``backoff_jitter`` the delay is
    drawn evenly from zero to that value ("full jitter": M. Brooker, "Exponential Backoff and Jitter", AWS
    Architecture Blog, 2015), for which ``random`` in [0, 1] is the draw.
    """
    if task.backoff_factor is None:
        return 0.0
    ceiling = task.backoff_max_seconds if task.backoff_max_seconds is not None else MAX_DELAY_SECONDS
    try:
        delay = min(ceiling, task.backoff_factor**retry, MAX_DELAY_SECONDS)
    except OverflowError:
        delay = min(ceiling, MAX_DELAY_SECONDS)
    return delay * random if task.backoff_jitter else delay


def choose_retry(
    task: TaskDefinition, retries_spent: int, *, retryable: bool, after: float | None, random: float = 1.0
) -> float | None:
    """Seconds until the next attempt of a task that just failed, or None when this failure is final.

    ``after`` is the delay that a ``RetryAfterException`` asked for; it replaces the backoff, not the limit.
    """
    if not retryable or retries_spent >= task.retries:
        return None
    if after is not None:
        return min(after, MAX_DELAY_SECONDS)
    return compute_delay(task, retries_spent + 1, random=random)
