"""Leaders that let the queue's eras turn all the time, as they turn beside a held snapshot; two at once, which is one
more than there ever are for long."""

from __future__ import annotations

import threading
from contextlib import suppress

import psycopg

from plait.store.statements import load_sql

PAUSE_SECONDS = 0.05
MOST_ERAS = 4


class EraTurners:
    """Begin with the object, end with ``stop``. While the database is away they try again."""

    def __init__(self, url: str) -> None:
        self.turned = 0
        """Eras that began."""
        self._url = url
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._turn) for _ in range(2)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End them. Repeatable."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _turn(self) -> None:
        while not self._over.wait(PAUSE_SECONDS):
            with (
                suppress(psycopg.Error),
                psycopg.connect(self._url, autocommit=True, cursor_factory=psycopg.RawCursor) as connection,
            ):
                while not self._over.wait(PAUSE_SECONDS):
                    row = connection.execute(load_sql("turn_eras"), (0, 0, MOST_ERAS)).fetchone()
                    self.turned += row is not None and row[1]
