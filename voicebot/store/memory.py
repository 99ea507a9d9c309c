"""The store that forgets everything when the process ends."""

from __future__ import annotations

from voicebot.store.base import LobbyRecord, SessionRecord


class MemoryStore:
    """`voicebot.store.base.Store` in two dictionaries."""

    def __init__(self) -> None:
        self._sessions: dict[str, SessionRecord] = {}
        self._lobbies: dict[str, LobbyRecord] = {}

    async def put_session(self, record: SessionRecord) -> None:
        self._sessions[record.key] = record

    async def get_session(self, key: str) -> SessionRecord | None:
        return self._sessions.get(key)

    async def delete_session(self, key: str) -> None:
        self._sessions.pop(key, None)

    async def put_lobby(self, record: LobbyRecord) -> None:
        self._lobbies[record.id] = record

    async def get_lobby(self, id: str) -> LobbyRecord | None:
        return self._lobbies.get(id)

    async def delete_lobby(self, id: str) -> None:
        self._lobbies.pop(id, None)

    async def lobbies(self) -> list[LobbyRecord]:
        return list(self._lobbies.values())

    async def aclose(self) -> None:
        self._sessions.clear()
        self._lobbies.clear()
