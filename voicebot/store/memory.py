"""The store that forgets everything when the process ends."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque

from voicebot.store.base import BanRecord, LeaseLost, LobbyRecord, ReportRecord, SessionRecord

STREAM_ENTRIES = 1000


class MemoryStore:
    """`voicebot.store.base.Store` in a few dictionaries."""

    def __init__(self) -> None:
        self._sessions: dict[str, SessionRecord] = {}
        self._lobbies: dict[str, LobbyRecord] = {}
        self._bans: dict[tuple[str, str], BanRecord] = {}
        self._reports: list[ReportRecord] = []
        self._leases: dict[str, tuple[str, int, float]] = {}
        self._streams: dict[str, deque[tuple[str, bytes]]] = {}
        self._numbers = itertools.count(1)
        self._tokens = itertools.count(1)
        self._appended = asyncio.Event()

    async def put_session(self, record: SessionRecord) -> None:
        self._sessions[record.handle] = record

    async def get_session(self, key: str) -> SessionRecord | None:
        if not key:
            return None
        return next((s for s in self._sessions.values() if key in (s.key, s.previous_key)), None)

    async def delete_session(self, handle: str) -> None:
        self._sessions.pop(handle, None)

    async def seats(self, lobby_id: str) -> list[SessionRecord]:
        return [s for s in self._sessions.values() if s.seat is not None and s.seat.lobby_id == lobby_id]

    async def sweep(self, now: float) -> int:
        old = [handle for handle, record in self._sessions.items() if record.expires < now]
        for handle in old:
            del self._sessions[handle]
        return len(old)

    async def put_lobby(self, record: LobbyRecord, token: int | None = None) -> None:
        self._check(record.id, token)
        known = self._lobbies.get(record.id)
        if known is None or record.version >= known.version:
            self._lobbies[record.id] = record

    async def get_lobby(self, id: str) -> LobbyRecord | None:
        return self._lobbies.get(id)

    async def delete_lobby(self, id: str, token: int | None = None) -> None:
        self._check(id, token)
        self._lobbies.pop(id, None)
        for key in [key for key in self._bans if key[0] == id]:
            del self._bans[key]

    async def lobbies(self) -> list[LobbyRecord]:
        return list(self._lobbies.values())

    async def put_ban(self, record: BanRecord) -> None:
        self._bans[record.lobby_id, record.handle] = record

    async def delete_ban(self, lobby_id: str, handle: str) -> None:
        self._bans.pop((lobby_id, handle), None)

    async def bans(self, lobby_id: str) -> list[BanRecord]:
        return [ban for ban in self._bans.values() if ban.lobby_id == lobby_id]

    async def put_report(self, record: ReportRecord) -> None:
        self._reports.append(record)

    async def reports(self, lobby_id: str | None = None) -> list[ReportRecord]:
        return [r for r in self._reports if lobby_id is None or r.lobby_id == lobby_id]

    async def acquire(self, name: str, owner: str, seconds: float) -> int | None:
        held = self._leases.get(name)
        if held is not None and held[2] > time.monotonic() and held[0] != owner:
            return None
        token = next(self._tokens)
        self._leases[name] = (owner, token, time.monotonic() + seconds)
        return token

    async def renew(self, name: str, owner: str, token: int, seconds: float) -> bool:
        held = self._leases.get(name)
        if held is None or held[:2] != (owner, token) or held[2] <= time.monotonic():
            return False
        self._leases[name] = (owner, token, time.monotonic() + seconds)
        return True

    async def release(self, name: str, owner: str, token: int) -> None:
        held = self._leases.get(name)
        if held is not None and held[:2] == (owner, token):
            self._leases[name] = (owner, token, 0.0)

    async def append(self, stream: str, data: bytes) -> str:
        id = str(next(self._numbers))
        self._streams.setdefault(stream, deque(maxlen=STREAM_ENTRIES)).append((id, data))
        self._appended.set()
        self._appended = asyncio.Event()
        return id

    async def read(self, stream: str, after: str = "", *, wait: float = 0.0) -> list[tuple[str, bytes]]:
        deadline = time.monotonic() + wait
        while True:
            appended = self._appended
            found = [entry for entry in self._streams.get(stream, ()) if int(entry[0]) > int(after or 0)]
            left = deadline - time.monotonic()
            if found or left <= 0:
                return found
            try:
                async with asyncio.timeout(left):
                    await appended.wait()
            except TimeoutError:
                return []

    async def drop(self, stream: str) -> None:
        self._streams.pop(stream, None)

    async def aclose(self) -> None:
        self.__init__()  # type: ignore[misc]

    def _check(self, lobby_id: str, token: int | None) -> None:
        held = self._leases.get(lobby_id)
        if token is not None and held is not None and held[1] > token:
            raise LeaseLost(f"Lobby {lobby_id} is served elsewhere by now.")
