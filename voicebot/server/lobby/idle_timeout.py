"""Ends a lobby that was created in a browser when nobody has been in it for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voicebot.lobby.lobby import Joined, Left, Lobby, LobbyEvent


class IdleTimeout:
    """Calls `expired` when there has been nobody for `unused` seconds from now (the first person may still be
    choosing a microphone), or for `empty` seconds since the last person left.

    Calls `lonely` when the agents have been alone for `agents` seconds since then.
    """

    def __init__(
        self,
        lobby: Lobby,
        *,
        unused: float,
        empty: float,
        agents: float,
        expired: Callable[[], None],
        lonely: Callable[[], None],
    ) -> None:
        self._lobby, self._seconds, self._empty, self._expired = lobby, unused, empty, expired
        self._agents, self._lonely = agents, lonely
        self._timers: list[asyncio.TimerHandle] = []
        self._used = False
        self._unsubscribe = lobby.subscribe(self._on_lobby)
        self._watch()

    @property
    def used(self) -> bool:
        """Whether anybody has ever been in the lobby."""
        return self._used

    def close(self) -> None:
        """Stop watching."""
        self._unsubscribe()
        self._stop()

    def _on_lobby(self, event: LobbyEvent) -> None:
        if isinstance(event, Joined | Left):
            self._watch()

    def _watch(self) -> None:
        if self._lobby.humans:
            self._seconds, self._used = self._empty, True
            self._stop()
        elif not self._timers:
            loop = asyncio.get_running_loop()
            self._timers.append(loop.call_later(self._seconds, self._expired))
            if self._used:
                self._timers.append(loop.call_later(self._agents, self._lonely))

    def _stop(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
