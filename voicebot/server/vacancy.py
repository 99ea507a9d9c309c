"""Closes lobbies that people made in the browser once nobody has been in them for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voicebot.lobby.lobby import Joined, Left, Lobby, LobbyEvent


class Vacancy:
    """Calls `expired` once the lobby has had no people for a while.

    That is `unused` seconds from now for the first person (who may be choosing a microphone
    still), later `empty` seconds after the last one has left.
    """

    def __init__(self, lobby: Lobby, *, unused: float, empty: float, expired: Callable[[], None]) -> None:
        self._lobby, self._seconds, self._empty, self._expired = lobby, unused, empty, expired
        self._timer: asyncio.TimerHandle | None = None
        self._unsubscribe = lobby.subscribe(self._on_lobby)
        self._watch()

    def close(self) -> None:
        """Stop watching."""
        self._unsubscribe()
        if self._timer is not None:
            self._timer.cancel()

    def _on_lobby(self, event: LobbyEvent) -> None:
        if isinstance(event, Joined | Left):
            self._watch()

    def _watch(self) -> None:
        if self._lobby.humans:
            self._seconds = self._empty
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._expired)
