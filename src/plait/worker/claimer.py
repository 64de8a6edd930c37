"""Takes ready tasks into free slots: at once when a hint says so, by polling when none comes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID

from plait.errors import DatabaseUnavailableError
from plait.faultpoints import reach
from plait.store.allowance import Allowance
from plait.store.outage import Outage
from plait.store.portion import Portion
from plait.store.ranges import ActionRanges, list_workflows
from plait.worker.holdings import Holdings
from plait.worker.identity import Identity
from plait.worker.turns import Turns

if TYPE_CHECKING:
    from plait.store.hints import Hub
    from plait.store.store import Store
    from plait.worker.flusher import Flusher
    from plait.worker.intake import Intake
    from plait.worker.meter import Meter
    from plait.worker.revoker import Revoker

logger = logging.getLogger("plait.worker")

CLAIM_CAP, CLAIM_BYTES = 500, 4 << 20
"""Tasks that one claim takes, and bytes of their inputs that it brings; what is left out is read when it is needed."""
POLL_SECONDS = 1.0
POLLS, LONGEST_POLL = 100.0, 10.0
"""Where many workers have the same code each polls less often: all together about so many times a second."""
LOOKS, LOOKS_AT_ONCE = 500.0, 3
"""How often a second they all together look in vain upon hints, in the long run; and one of them at once."""
PEEK_SECONDS = 0.05
CONTENTION_SECONDS = 0.002
HURRIED_LOOK_SECONDS = 0.5
LOOK_SECONDS = 10.0


class Claimer:
    """The one claimer of a worker. It asks for as many tasks as there are free slots, never for more. ``note_dead`` is
    called when it hears that its worker was declared dead.

    A hint wakes every worker that has slots, and one of them gets the task. So each may look in vain only so often, and
    waits a little upon further hints: where many are idle, a few of them are awake.
    """

    def __init__(
        self,
        store: Store,
        hub: Hub,
        identity: Identity,
        holdings: Holdings,
        *,
        intake: Intake,
        flusher: Flusher,
        revoker: Revoker,
        actions: ActionRanges,
        meter: Meter | None,
        note_dead: Callable[[], None],
    ) -> None:
        self._store = store
        self._identity = identity
        self._holdings = holdings
        self._intake = intake
        self._flusher = flusher
        self._revoker = revoker
        self._actions = actions
        workflows = list_workflows(actions)
        self._turns = Turns(workflows, identity.slots)
        self._subjects = frozenset(map(str, workflows))
        self._hinted = asyncio.Event()
        self._looks = Allowance(LOOKS, LOOKS_AT_ONCE)
        self._later: asyncio.TimerHandle | None = None
        """Upon a hint that came while it was too soon for it."""
        self._set_aside = 0
        """Slots of a claim that is under way."""
        self._untold: set[str] = set()
        """Actions of what this worker has put into ready, and others have not been told of yet."""
        self._outage = Outage(logger, "take tasks")
        self._portion = Portion(CLAIM_BYTES)
        self._next_look = 0.0
        self._known_doubts = 0
        self._unknown: set[tuple[UUID, int, int]] = set()
        self._unsettled = 0
        """Flushes that had begun when this was found unknown."""
        self._meter = meter
        self._note_dead = note_dead
        self._hub = hub
        holdings.note_relief = self._hinted.set
        hub.subscribe("ready", self._receive)

    def stop(self) -> None:
        """Claim nothing more, starting now; ``run`` ends once a claim in flight was answered."""
        if not self._identity.is_stopping:
            self._hub.unsubscribe("ready", self._receive)
        self._identity.is_stopping = True
        self._tell()
        self._hinted.set()
        self._holdings.changed.set()

    def take_or_tell(self, actions: Iterable[int]) -> None:
        """Tasks of these actions became ready by what this worker did. It takes them itself, if it can: others are only
        told of those that it leaves."""
        names = {str(action) for action in actions}
        self._untold |= names
        suspects = self._holdings.suspects
        takes_all = self._is_able and self._holdings.free + self._set_aside > 0 and suspects.room == suspects.parts
        if not takes_all or not names <= self._subjects:
            self._tell()
        self._hinted.set()

    def _tell(self) -> None:
        if self._untold:
            self._hub.publish("ready", self._untold)
            self._untold = set()

    @property
    def _is_able(self) -> bool:
        """False between a lost lease and the next registration, and while nothing could be stored of what it takes."""
        return self._identity.is_registered and not self._identity.is_stopping and not self._flusher.is_stuck

    async def run(self) -> None:
        """Claim until stopped."""
        while not self._identity.is_stopping:
            if not self._is_able:
                await asyncio.sleep(PEEK_SECONDS)
                continue
            try:
                await self._reconcile()
                await self._claim_or_wait()
                self._outage.end()
            except DatabaseUnavailableError as error:
                self._holdings.doubt()
                await self._outage.pause(error)

    async def _claim_or_wait(self) -> None:
        self._holdings.changed.clear()
        free = min(self._holdings.free, self._holdings.limit(self._portion.share(CLAIM_CAP)))
        if free <= 0:
            self._tell()
            await self._wait_for_slots()
            return
        self._hinted.clear()
        own, self._untold = self._untold, set()
        came, more = 0, True
        try:
            came, more = await self.claim_once(free)
        finally:
            if came == free or more:
                self._untold |= own
                self._tell()
        if came == 0:
            self._looks.take()
        if came < free and not more and not self._identity.is_stopping:
            await self._wait_for_hint()
        elif came == 0:
            await asyncio.sleep(CONTENTION_SECONDS)

    async def claim_once(self, limit: int) -> tuple[int, bool]:
        """Claim up to ``limit`` tasks and send them on. Returns how many came, and whether there may be more behind
        those that it saw: it saw as many as it asked for, and another claimer held some of them at that moment."""
        worker_id = self._identity.worker_id
        if worker_id is None or self._identity.is_stopping:
            return 0, False
        self._holdings.reserve(limit)
        self._set_aside = limit
        used, hints = 0, self._revoker.hints
        try:
            suspects = self._holdings.suspects
            # What an answer that was lost may have brought is not known yet.
            room = 0 if self._holdings.doubts else suspects.room
            with self._portion.carry() as load:
                claimed = await self._store.claim_tasks(
                    worker_id,
                    self._actions,
                    limit,
                    room,
                    suspects.parts,
                    input_bytes=self._portion.bytes,
                    given=self._turns.given,
                )
                load.is_full = len(claimed.rows) == limit
            if not claimed.alive:
                self._note_dead()
            reach("claim committed")
            if self._meter is not None:
                self._meter.note_claim(len(claimed.rows), load.seconds)
            if worker_id == self._identity.worker_id:  # else the lease was lost meanwhile; the reaper puts them back
                used = len(claimed.rows)
                self._turns.note(row["action_id"] for row in claimed.rows)
                await self._intake.admit_rows(claimed.rows)
                if used and hints != self._revoker.hints:
                    self._revoker.look()
        except BaseException:
            used = 0
            raise
        finally:
            self._set_aside = 0
            if worker_id == self._identity.worker_id:  # a lost lease has freed every slot already
                self._holdings.release(limit - used)
        return len(claimed.rows), claimed.seen > len(claimed.rows) and claimed.seen >= limit

    async def _wait_for_slots(self) -> None:
        """All slots are taken. While they stay so, look now and then for something more urgent than what this
        worker continues by itself: continued tasks must not keep urgent ones waiting."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PEEK_SECONDS):
                await self._holdings.changed.wait()
            return
        self._flusher.least_priority = await self._store.peek_priority(self._actions)

    async def _wait_for_hint(self) -> None:
        self._flusher.least_priority = 1
        self._hub.ask_for("ready")
        with suppress(TimeoutError):
            async with asyncio.timeout(max(POLL_SECONDS, min(LONGEST_POLL, self._identity.peers / POLLS))):
                await self._hinted.wait()

    def _receive(self, subjects: list[str]) -> None:
        if subjects and self._subjects.isdisjoint(subjects):
            return
        self._looks.rate = LOOKS / (1 + self._identity.peers)
        delay = self._looks.delay()
        if delay <= 0:
            self._hinted.set()
        elif self._later is None:
            self._later = asyncio.get_running_loop().call_later(delay, self._look_now)

    def _look_now(self) -> None:
        self._later = None
        self._hinted.set()

    async def _reconcile(self) -> None:
        """Take up what the database says this worker holds and this worker does not know of; let go of what it no
        longer says.

        A claim or a finish can be committed although its reply was lost, even long after it was given up. So the two
        are compared for good, soon after a lost reply and now and then always. What is unknown in one look may be on
        its way; it is taken up when it still is unknown in another look that began after every flush of the time of
        the first one was answered. Nobody waits for the comparison but the next claim.
        """
        now = time.monotonic()
        doubts = self._holdings.doubts
        if now < self._next_look and doubts <= self._known_doubts:
            return
        self._holdings.doubts = self._known_doubts = max(0, doubts - 1)
        self._next_look = now + (HURRIED_LOOK_SECONDS if self._known_doubts else LOOK_SECONDS)
        worker_id = self._identity.worker_id
        if worker_id is None:
            return
        candidates, answered = self._revoker.list_candidates(), self._flusher.answered
        held = await self._store.read_held(worker_id)
        if worker_id != self._identity.worker_id:
            return
        self._revoker.settle(candidates, held)
        known = self._holdings.assignments
        unknown = {key for key in held if key[:2] not in known}
        if unknown:
            self._next_look = now + HURRIED_LOOK_SECONDS
        if answered < self._unsettled:
            return  # what is unknown may still be in the answer to a flush that was under way at the look before
        found, self._unknown, self._unsettled = unknown & self._unknown, unknown, self._flusher.begun
        if found:
            await self._adopt(worker_id, sorted(found)[: self._portion.share(CLAIM_CAP)])

    async def _adopt(self, worker_id: UUID, keys: list[tuple[UUID, int, int]]) -> None:
        with self._portion.carry():
            rows = await self._store.read_running(worker_id, keys, self._portion.bytes)
        if worker_id != self._identity.worker_id:
            return
        logger.info("running %d tasks that the database gave to this worker in an answer that was lost", len(rows))
        self._holdings.reserve(len(rows))
        try:
            await self._intake.admit_rows(rows)
        except BaseException:
            if worker_id == self._identity.worker_id:
                self._holdings.release(len(rows))
            raise
