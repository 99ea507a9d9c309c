"""The store in memory, which ends with the process."""

from __future__ import annotations

from operator import attrgetter

from voicebot.clock import Clock, monotonic
from voicebot.store.base import BanRecord, LobbyRecord, ReportRecord, SessionRecord
from voicebot.store.local import LocalLeases


class MemoryStore(LocalLeases):
    """A `voicebot.store.base.Store` in dictionaries. `clock` times the leases, in monotonic seconds."""

    durable = shared = False
    owner = "here"

    def __init__(self, clock: Clock = monotonic) -> None:
        super().__init__(clock)
        self._sessions: dict[str, SessionRecord] = {}
        self._handles: dict[str, str] = {}
        self._lobbies: dict[str, LobbyRecord] = {}
        self._bans: dict[tuple[str, str], BanRecord] = {}
        self._reports: dict[str, ReportRecord] = {}

    async def put_session(self, record: SessionRecord) -> None:
        await self.delete_session(record.handle)
        self._sessions[record.handle] = record
        for key in record.keys:
            self._handles[key] = record.handle

    async def get_session(self, key: str) -> SessionRecord | None:
        return self._sessions.get(self._handles.get(key, ""))

    async def delete_session(self, handle: str) -> None:
        old = self._sessions.pop(handle, None)
        for key in old.keys if old is not None else ():
            if self._handles.get(key) == handle:
                del self._handles[key]

    async def seats(self, lobby_id: str) -> list[SessionRecord]:
        return [s for s in self._sessions.values() if s.seat is not None and s.seat.lobby_id == lobby_id]

    async def sweep(self, now: float) -> int:
        old = [handle for handle, record in self._sessions.items() if record.expires < now]
        for handle in old:
            await self.delete_session(handle)
        return len(old)

    async def put_lobby(self, record: LobbyRecord, token: int | None = None) -> None:
        self.check_lease(record.id, token)
        known = self._lobbies.get(record.id)
        if known is None or record.version >= known.version:
            self._lobbies[record.id] = record

    async def get_lobby(self, id: str) -> LobbyRecord | None:
        return self._lobbies.get(id)

    async def delete_lobby(self, id: str, token: int | None = None) -> None:
        self.check_lease(id, token)
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
        return sorted((b for b in self._bans.values() if b.lobby_id == lobby_id), key=attrgetter("at"))

    async def put_report(self, record: ReportRecord) -> None:
        self._reports[record.id] = record

    async def reports(self, lobby_id: str | None = None) -> list[ReportRecord]:
        wanted = (r for r in self._reports.values() if lobby_id is None or r.lobby_id == lobby_id)
        return sorted(wanted, key=attrgetter("at"))

    async def aclose(self) -> None:
        """Do nothing: the content stays."""

    def abandon(self) -> None:
        """Do nothing, as `aclose` does."""
