"""Writes session records behind the back of those who change them: nobody waits for the store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from voicebot.errors import StoreError
from voicebot.store.base import SessionRecord, Store

logger = logging.getLogger(__name__)

DELAY = 0.5
"""Seconds in which changes of a session are gathered into one write."""
RETRY = 5.0
"""Seconds until a store that failed is tried again."""


class SessionWriter:
    """Of what changed, the newest state is written; a store that fails is logged once and tried again.

    `record(handle)` gives the session as it is now, None when it is gone.
    """

    def __init__(self, store: Store, record: Callable[[str], SessionRecord | None]) -> None:
        self._store, self._record = store, record
        self._changed: dict[str, None] = {}
        self._written: dict[str, SessionRecord] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._failing = self._closed = False

    def changed(self, handle: str) -> None:
        """This session is to be written soon."""
        if self._closed:
            return
        self._changed[handle] = None
        self._schedule(RETRY if self._failing else DELAY)

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
        if record is None or self._written.get(handle) == record:
            return True
        try:
            await self._store.put_session(record)
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

    def _schedule(self, delay: float) -> None:
        if self._timer is None and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(delay, self._due)

    def _due(self) -> None:
        self._timer = None
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self.flush(), name="write sessions")
        else:
            self._schedule(DELAY)  # a slow store: the running one may have passed what changed since
