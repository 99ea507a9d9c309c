"""Writes session records in the background, so that nobody waits for the store."""

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
"""Seconds between writes while the store is slow, and before a retry after a lost lease."""
RETRY = 5.0
"""Seconds before a retry after the store failed."""


class SessionWriter:
    """Writes the newest state of each changed session. A failing store is logged once and retried.

    `record(handle)` returns the session's current record, or None if it is gone. In a shared store, a
    server writes only its own changes: the secrets that it rotated, and the seats in its lobbies, with
    the fencing token `token(lobby_id)`.
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
        """The seats that this server wrote to a shared store."""
        self._changed: dict[str, None] = {}
        self._written: dict[str, SessionRecord] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._failing = self._closed = False

    def changed(self, handle: str) -> None:
        """Schedule a write of this session."""
        if self._closed:
            return
        self._changed[handle] = None
        # without a delay: a moment later the server may be killed, or the client use another server
        self._schedule(RETRY if self._failing else 0.0)

    def known(self, record: SessionRecord) -> None:
        """Remember that the store already has this record."""
        self._written[record.handle] = record

    def pending(self, handle: str) -> bool:
        """Whether the session's newest state is not written yet."""
        return handle in self._changed

    def forget(self, handle: str) -> None:
        """Drop a session that is no longer in memory."""
        self._changed.pop(handle, None)
        self._written.pop(handle, None)
        self._seats.pop(handle, None)

    def give_up(self, handle: str) -> None:
        """Leave the seat to the server that has taken over the lobby: do not free it in the store."""
        self._seats.pop(handle, None)

    async def write(self, handle: str) -> None:
        """Write one session now, or later if the store fails. Never raises StoreError."""
        self._changed[handle] = None
        async with self._lock:
            await self._put(handle)

    async def flush(self) -> None:
        """Write pending sessions until the store fails."""
        async with self._lock:
            for handle in list(self._changed):
                if not await self._put(handle):
                    break

    async def aclose(self) -> None:
        """Write pending sessions; later changes are ignored."""
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
            return True  # written meanwhile by another call
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
                logger.warning(
                    "Sessions cannot be saved and are lost if the server stops: %s %s", error, error.hint
                )
            self._failing = True
            self._changed[handle] = None
            self._schedule(RETRY)
            return False
        if self._failing:
            logger.warning("Sessions are saved again.")
        self._failing = False
        self._written[handle] = record
        return True

    async def _put_changes(self, store: SharedStore, record: SessionRecord) -> bool:
        """Write what changed here. Returns False if there was nothing to write."""
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
        except LeaseLost as error:  # another server has it, or this one is about to renew the lease
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
            self._schedule(DELAY)  # the running flush may have passed this change
