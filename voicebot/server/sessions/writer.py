"""Writes session records behind the back of those who change them: nobody waits for the store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from voicebot.errors import StoreError
from voicebot.store.base import LeaseLost, SeatRecord, SessionRecord, Store
from voicebot.store.shared import SharedStore, shared

logger = logging.getLogger(__name__)

DELAY = 0.5
"""Seconds in which changes are gathered while the store is slow, or a lobby's lease is unsure."""
RETRY = 5.0
"""Seconds until a store that failed is tried again."""


class SessionWriter:
    """Of what changed, the newest state is written; a store that fails is logged once and tried again.

    `record(handle)` gives the session as it is now, None when it is gone. Of a store that others
    write, too, only what has changed here is written: a seat by who serves the lobby, whose token
    `token(lobby_id)` is, secrets by who gave out a new one.
    """

    def __init__(
        self,
        store: Store,
        record: Callable[[str], SessionRecord | None],
        token: Callable[[str], int | None] = lambda lobby_id: None,
    ) -> None:
        self._store, self._record, self._token = store, record, token
        self._shared = shared(store)
        self._seats: dict[str, SeatRecord] = {}
        """Those that were written from here, where the store is shared."""
        self._changed: dict[str, None] = {}
        self._written: dict[str, SessionRecord] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._failing = self._closed = False

    def changed(self, handle: str) -> None:
        """This session is to be written, as it is when the loop has done what is due now."""
        if self._closed:
            return
        self._changed[handle] = None
        # at once: the server may be killed, or the browser be at the next server, a moment later
        self._schedule(RETRY if self._failing else 0.0)

    def known(self, record: SessionRecord) -> None:
        """The store has this record already."""
        self._written[record.handle] = record

    def pending(self, handle: str) -> bool:
        """Whether the store does not have its newest state yet."""
        return handle in self._changed

    def forget(self, handle: str) -> None:
        """The session is gone from memory."""
        self._changed.pop(handle, None)
        self._written.pop(handle, None)
        self._seats.pop(handle, None)

    def give_up(self, handle: str) -> None:
        """The seat is another server's business now."""
        self._seats.pop(handle, None)

    async def write(self, handle: str) -> None:
        """Write one session now; what cannot be written is tried again later. Never raises StoreError."""
        self._changed[handle] = None
        async with self._lock:
            await self._put(handle)

    async def flush(self) -> None:
        """Write everything that waits, until the store fails."""
        async with self._lock:
            for handle in list(self._changed):
                if not await self._put(handle):
                    break

    async def aclose(self) -> None:
        """Write what waits, and nothing that changes from now on."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        await self.flush()
        if self._timer is not None:
            self._timer.cancel()

    async def _put(self, handle: str) -> bool:
        if handle not in self._changed:
            return True  # another one has written it meanwhile
        del self._changed[handle]
        record = self._record(handle)
        if record is None or (self._shared is None and self._written.get(handle) == record):
            return True
        try:
            if self._shared is None:
                await self._store.put_session(record)
            elif not await self._put_changes(self._shared, record):
                return True
        except StoreError as error:
            if not self._failing:
                logger.warning("Sessions cannot be kept: %s %s All goes on without.", error, error.hint)
            self._failing = True
            self._changed[handle] = None
            self._schedule(RETRY)
            return False
        if self._failing:
            logger.warning("Sessions are kept again.")
        self._failing = False
        self._written[handle] = record
        return True

    async def _put_changes(self, store: SharedStore, record: SessionRecord) -> bool:
        """False when there was nothing to write."""
        handle, written = record.handle, False
        before, mine = self._written.get(handle), self._seats.get(handle)
        if before is None or replace(before, seat=None) != replace(record, seat=None):
            await store.put_secrets(record)
            written = True
        about = record.seat or mine
        if record.seat == mine or about is None:
            return written
        try:
            await store.put_seat(handle, record.seat, freed=mine, token=self._token(about.lobby_id))
        except LeaseLost as error:  # it is another server's, or is just being leased again: that shows soon
            logger.info("%s", error)
            self._changed[handle] = None
            self._schedule(DELAY)
            return written
        self._seats.pop(handle, None)
        if record.seat is not None:
            self._seats[handle] = record.seat
        return True

    def _schedule(self, delay: float) -> None:
        if self._timer is None and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(delay, self._due)

    def _due(self) -> None:
        self._timer = None
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self.flush(), name="write sessions")
        else:
            self._schedule(DELAY)  # a slow store: the running one may have passed what changed since
