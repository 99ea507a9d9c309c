"""Lobbies whose server is gone go on at another one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from voicebot.errors import StoreError
from voicebot.server.lobby import persistence
from voicebot.store.base import LobbyRecord
from voicebot.store.shared import ANSWER_SECONDS, SharedStore

logger = logging.getLogger(__name__)


class Takeover:
    """Looks for lobbies without a lease, every few seconds, and has them adopted.

    While the store was away, the leases of servers that live ran out as well. They take them again when it
    is back, and so nobody else does before each of them has had the time to. `adopt(record)` serves a lobby
    here if it can; `able()` tells whether this server may take any.
    """

    def __init__(
        self,
        store: SharedStore,
        adopt: Callable[[LobbyRecord], Coroutine[Any, Any, None]],
        able: Callable[[], bool],
    ) -> None:
        self._store, self._adopt, self._able = store, adopt, able
        self._answered_at = float("-inf")
        self._settled_at = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self._adopting: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        """The store is there, and what nobody served has been restored just now."""
        loop = asyncio.get_running_loop()
        self._answered_at = loop.time()
        self._task = loop.create_task(self._look(), name="look for lobbies without a server")

    async def aclose(self) -> None:
        """Safe to call twice."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await asyncio.gather(*self._adopting.values(), return_exceptions=True)

    async def adopt(self, lobby_id: str) -> None:
        """Serve this lobby if it is kept and nobody's.

        Raises:
            StoreError: that cannot be told, or not yet.
        """
        record, lease = await self._store.get_lobby(lobby_id), await self._store.holder(lobby_id)
        if record is None or (lease is not None and lobby_id not in self._adopting):
            return
        if not self._able() or not self._settled:
            raise StoreError(
                "The server of this lobby is not back yet.", hint="Try again in a moment.", retryable=True
            )
        await self._go_on_with(record)

    @property
    def _settled(self) -> bool:
        """Whether a lease that nobody holds means a server that is gone. One that was not asked for lately
        means nothing: this server may have been asleep, and the store away meanwhile."""
        now = asyncio.get_running_loop().time()
        return now >= self._settled_at and now - self._answered_at <= persistence.LEASE

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(persistence.RENEW)
            try:
                orphans = await self._store.orphans()
                if self._settled_at == float("inf") or loop.time() - self._answered_at > persistence.LEASE:
                    # each that lives asks for its leases this often; its last try in vain may still last
                    self._settled_at = loop.time() + persistence.RENEW + 2 * ANSWER_SECONDS
                self._answered_at = loop.time()
                for record in orphans if self._able() and self._settled else ():
                    await self._go_on_with(record)
                    self._answered_at = loop.time()
            except StoreError as error:
                self._settled_at = float("inf")
                logger.debug("Nobody knows which lobbies have no server: %s", error)
            except Exception:
                logger.exception("A lobby without a server cannot be taken over")

    async def _go_on_with(self, record: LobbyRecord) -> None:
        """Whoever asks for it while it is being adopted waits for that."""
        task = self._adopting.get(record.id)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._adopt(record), name=f"adopt {record.id}")
            self._adopting[record.id] = task
            task.add_done_callback(lambda _: self._adopting.pop(record.id))
        await asyncio.shield(task)
