"""What a lobby tells whoever keeps it beyond the life of this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from voicebot.store.base import BanRecord, ReportRecord

if TYPE_CHECKING:
    from voicebot.server.lobby.controller import ServedLobby


class Keeper(Protocol):
    """Called on the loop, right after the change. Never blocks and never raises."""

    def lobby_changed(self, lobby: ServedLobby) -> None:
        """`lobby.record()` is another than before, or may be."""
        ...

    def banned(self, record: BanRecord) -> None: ...
    def unbanned(self, lobby_id: str, handle: str) -> None: ...
    def reported(self, record: ReportRecord) -> None: ...


class Forgetful:
    """Keeps nothing."""

    def lobby_changed(self, lobby: ServedLobby) -> None: ...
    def banned(self, record: BanRecord) -> None: ...
    def unbanned(self, lobby_id: str, handle: str) -> None: ...
    def reported(self, record: ReportRecord) -> None: ...
