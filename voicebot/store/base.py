"""What must outlive a request: sessions and lobbies. Never SDP, candidates or audio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class SessionRecord:
    """A session as it is kept; the cookie's secret is only known by its hash."""

    key: str
    """SHA-256 of the cookie's secret, hex."""
    handle: str
    expires: float
    """Unix time, seconds."""


@dataclass(frozen=True)
class LobbyRecord:
    id: str
    name: str
    version: int = 0


class Store(Protocol):
    """Sessions by key and lobbies by id. Raises StoreError when it cannot be used."""

    async def put_session(self, record: SessionRecord) -> None: ...
    async def get_session(self, key: str) -> SessionRecord | None: ...
    async def delete_session(self, key: str) -> None: ...
    async def put_lobby(self, record: LobbyRecord) -> None: ...
    async def get_lobby(self, id: str) -> LobbyRecord | None: ...
    async def delete_lobby(self, id: str) -> None: ...
    async def lobbies(self) -> list[LobbyRecord]:
        """All of them, in the order they were first put."""
        ...

    async def aclose(self) -> None: ...
