"""Takes over lobbies whose server is gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from voicebot.errors import StoreError
from voicebot.server.lobby import persistence
from voicebot.store.base import LobbyRecord
from voicebot.store.shared import ANSWER_SECONDS, SharedStore
from voicebot.tasks import cancel

logger = logging.getLogger(__name__)


class Takeover:
    """Looks every few seconds for lobbies without a lease, and adopts them.

    While the store is away, the leases of live servers expire, too. After it is back, nobody adopts a lobby
    until those servers have had time to renew their leases. `adopt(record)` serves a lobby here if
    possible; `able()` says whether this server may adopt any.
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
        """Start looking. Call it after the store has answered and lobbies without a server were restored."""
        loop = asyncio.get_running_loop()
        self._answered_at = loop.time()
        self._task = loop.create_task(self._watch(), name="look for lobbies without a server")

    async def aclose(self) -> None:
        """Safe to call twice."""
        if self._task is not None:
            await cancel([self._task])
            self._task = None
        await asyncio.gather(*self._adopting.values(), return_exceptions=True)

    async def adopt(self, lobby_id: str) -> None:
        """Serve this lobby if it is stored and has no server.

        Raises:
            StoreError: the store fails, or it is too early to tell.
        """
        record, lease = await self._store.get_lobby(lobby_id), await self._store.holder(lobby_id)
        if record is None or (lease is not None and lobby_id not in self._adopting):
            return
        if not self._able() or not self._settled:
            raise StoreError(
                "The server of this lobby is not available.", hint="Try again in a moment.", retryable=True
            )
        await self._adopt_once(record)

    @property
    def _settled(self) -> bool:
        """Whether a missing lease means that the server is gone.

        If this server has not asked lately, it may have been asleep while the store was away.
        """
        now = asyncio.get_running_loop().time()
        return now >= self._settled_at and now - self._answered_at <= persistence.LEASE

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(persistence.RENEW)
            try:
                orphans = await self._store.orphans()
                if self._settled_at == float("inf") or loop.time() - self._answered_at > persistence.LEASE:
                    # live servers renew this often, and their last failed attempt may still be running
                    self._settled_at = loop.time() + persistence.RENEW + 2 * ANSWER_SECONDS
                self._answered_at = loop.time()
                for record in orphans if self._able() and self._settled else ():
                    await self._adopt_once(record)
                    self._answered_at = loop.time()
            except StoreError as error:
                self._settled_at = float("inf")
                logger.debug("Looking for lobbies without a server failed: %s", error)
            except Exception:
                logger.exception("Taking over lobbies failed")

    async def _adopt_once(self, record: LobbyRecord) -> None:
        """Adopt the lobby, or wait for the adoption that is already running."""
        task = self._adopting.get(record.id)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._adopt(record), name=f"adopt {record.id}")
            self._adopting[record.id] = task
            task.add_done_callback(lambda _: self._adopting.pop(record.id))
        await asyncio.shield(task)
