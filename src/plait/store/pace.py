"""Over which spans of time each worker tells how fast it works, in ``plait.worker.pace``."""

WINDOWS = (10, 60, 300)
"""Seconds."""
