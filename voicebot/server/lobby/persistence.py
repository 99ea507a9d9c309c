"""Writes lobbies, bans and reports to the store, and holds the leases of this server's lobbies.

Nobody waits for the store. What cannot be written now is written later, and a failing store is logged once.
Sessions and their seats are written by `voicebot.server.sessions.writer`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace

from voicebot.errors import StoreError
from voicebot.store.base import BanRecord, LeaseLost, LobbyRecord, ReportRecord, Store
from voicebot.tasks import cancel

logger = logging.getLogger(__name__)

GATHER = 0.5
"""Seconds after a write for which further changes are collected."""
PERIOD = 10.0
"""Seconds after which every lobby is written, changed or not. Its record tells when it was last served."""
RETRY = 1.0
"""Seconds before a retry after the store failed."""
LEASE = 6.0
RENEW = 2.0
"""Seconds for which a lease lasts, and after which it is renewed."""


class Persistence:
    """Keeps the lobbies of one server in the store.

    `lost(lobby_id)` is called when another server has taken a lobby over. `wall` returns Unix seconds.
    """

    def __init__(
        self, store: Store, *, lost: Callable[[str], None], wall: Callable[[], float] = time.time
    ) -> None:
        self._store, self._lost, self._wall = store, lost, wall
        self._kept: dict[str, Callable[[], LobbyRecord]] = {}
        self._tokens: dict[str, int] = {}
        self._changed: dict[str, None] = {}
        self._waiting: deque[Callable[[], Awaitable[None]]] = deque()
        """Bans, reports and deletions, in their order."""
        self._due = asyncio.Event()
        self._writing, self._leasing = asyncio.Lock(), asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._failing = False

    def start(self) -> None:
        """Start writing and renewing leases."""
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._write(), name="write lobbies"),
            loop.create_task(self._renew(), name="renew leases"),
        ]

    async def aclose(self) -> None:
        """Write everything and release all leases. Safe to call twice."""
        await cancel(self._tasks)
        self._tasks = []
        self._changed |= dict.fromkeys(self._kept)
        await self.flush()
        for lobby_id in list(self._tokens):
            if not await self._release(lobby_id):
                break  # the other leases run out, too
        self._kept.clear()

    # ------------------------------------------------------------ lobbies

    async def take(self, lobby_id: str) -> bool:
        """Lease a lobby for this server. Returns False if another server has it.

        Returns True if the store fails. Whether another server got the lease meanwhile is checked once the
        store is back.
        """
        try:
            token = await self._store.acquire(lobby_id, self._store.owner, LEASE)
        except StoreError as error:
            self._failed(error)
            return True
        if token is not None:
            self._tokens[lobby_id] = token
        return token is not None

    def token(self, lobby_id: str) -> int | None:
        """Return the fencing token of a leased lobby, or None."""
        return self._tokens.get(lobby_id)

    async def knows(self, lobby_id: str) -> bool:
        """Whether the store has a lobby of this id. Returns False if the store fails."""
        try:
            return await self._store.get_lobby(lobby_id) is not None
        except StoreError as error:
            self._failed(error)
            return False

    async def drop(self, lobby_id: str) -> None:
        """Stop writing a lobby and release its lease, without deleting it."""
        self._forget(lobby_id)
        await self._release(lobby_id)

    def keep(self, lobby_id: str, record: Callable[[], LobbyRecord]) -> None:
        """Write what `record()` returns, now and whenever the lobby changes."""
        self._kept[lobby_id] = record
        self.lobby_changed(lobby_id)

    async def delete(self, lobby_id: str) -> None:
        """Delete a lobby and its bans from the store, if it is there."""
        self._forget(lobby_id)

        async def delete() -> None:
            async with self._leasing:
                token = self._tokens.get(lobby_id)
                await self._store.delete_lobby(lobby_id, token)
                if lobby_id in self._kept:  # by now there is another one with this id
                    self._changed[lobby_id] = None
                elif token is not None:
                    await self._store.release(lobby_id, self._store.owner, token)
                    self._tokens.pop(lobby_id, None)

        self._waiting.append(delete)
        if not self._failing:
            await self.flush()

    def _forget(self, lobby_id: str) -> None:
        self._kept.pop(lobby_id, None)
        self._changed.pop(lobby_id, None)

    # ------------------------------------------------------------ changes; these never wait or raise

    def lobby_changed(self, lobby_id: str) -> None:
        """Write the lobby's record soon, because it may differ from the last one."""
        if lobby_id in self._kept:
            self._changed[lobby_id] = None
            self._due.set()

    def banned(self, record: BanRecord) -> None:
        """Write a ban to the store in the background."""
        self._soon(lambda: self._store.put_ban(record))

    def unbanned(self, lobby_id: str, handle: str) -> None:
        """Delete a ban from the store in the background."""
        self._soon(lambda: self._store.delete_ban(lobby_id, handle))

    def reported(self, record: ReportRecord) -> None:
        """Write a report to the store in the background."""
        self._soon(lambda: self._store.put_report(record))

    # ------------------------------------------------------------ writing

    async def flush(self) -> None:
        """Write all changes now. Logs a failing store."""
        async with self._writing:
            try:
                while self._waiting:
                    try:
                        await self._waiting[0]()
                    except LeaseLost as error:
                        logger.info("%s", error)
                    self._waiting.popleft()
                for lobby_id in list(self._changed):
                    await self._put(lobby_id)
            except StoreError as error:
                self._failed(error)
                return
        if self._failing:
            logger.warning("Lobbies are saved again.")
        self._failing = False

    async def _put(self, lobby_id: str) -> None:
        if lobby_id in self._kept and lobby_id not in self._tokens:  # opened while the store failed
            await self._hold(lobby_id)
        for _ in range(2):
            current = self._kept.get(lobby_id)
            if current is None:
                break
            record = replace(current(), saved=self._wall())
            try:
                await self._store.put_lobby(record, self._tokens.get(lobby_id))
                break
            except LeaseLost:  # another server has it, or this one has just got a newer token
                await self._hold(lobby_id)
        self._changed.pop(lobby_id, None)

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        whole, written = loop.time() + PERIOD, 0.0
        while True:
            try:
                async with asyncio.timeout_at(whole):
                    await self._due.wait()
            except TimeoutError:
                self._changed |= dict.fromkeys(self._kept)
                whole = loop.time() + PERIOD
            self._due.clear()
            if not self._waiting:  # bans and reports are written at once
                await asyncio.sleep(max(0.0, written + GATHER - loop.time()))
            await self.flush()
            written = loop.time()
            if self._failing:
                await asyncio.sleep(RETRY)
                self._due.set()

    def _soon(self, work: Callable[[], Awaitable[None]]) -> None:
        self._waiting.append(work)
        self._due.set()

    def _failed(self, error: StoreError) -> None:
        if not self._failing:
            logger.warning("Lobbies cannot be saved: %s They continue, and the server keeps trying.", error)
        self._failing = True

    # ------------------------------------------------------------ leases

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW)
            for lobby_id in list(self._kept):
                try:
                    await self._hold(lobby_id)
                except StoreError as error:
                    self._failed(error)
                    self._changed |= dict.fromkeys(self._kept)
                    self._due.set()
                    break

    async def _hold(self, lobby_id: str) -> None:
        """Renew one lease. If it has run out, take it again, unless another server has it."""
        async with self._leasing:
            owner, token = self._store.owner, self._tokens.get(lobby_id)
            if token is not None and await self._store.renew(lobby_id, owner, token, LEASE):
                return
            token = await self._store.acquire(lobby_id, owner, LEASE)
            if token is None:
                self._gone(lobby_id)
            else:
                self._tokens[lobby_id] = token

    def _gone(self, lobby_id: str) -> None:
        self._forget(lobby_id)
        self._tokens.pop(lobby_id, None)
        logger.warning("Another server has lobby %s now, so it is closed here.", lobby_id)
        self._lost(lobby_id)

    async def _release(self, lobby_id: str) -> bool:
        """Return False if the store fails."""
        async with self._leasing:
            token = self._tokens.pop(lobby_id, None)
            if token is None:
                return True
            try:
                await self._store.release(lobby_id, self._store.owner, token)
            except StoreError as error:
                logger.debug("The lease of %s runs out by itself: %s", lobby_id, error)
                return False
            return True
