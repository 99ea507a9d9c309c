"""Leases of a store that only one process uses: they need not outlive it."""

from __future__ import annotations

import itertools

from voicebot.clock import Clock, monotonic
from voicebot.store.base import LeaseLost


class Leases:
    """Who holds what until when, by the clock that is passed in."""

    def __init__(self, clock: Clock = monotonic) -> None:
        self._clock = clock
        self._held: dict[str, tuple[str, int, float]] = {}
        self._tokens = itertools.count(1)

    def acquire(self, name: str, owner: str, seconds: float) -> int | None:
        """See `Store.acquire`."""
        held = self._held.get(name)
        if held is not None and held[2] > self._clock() and held[0] != owner:
            return None
        token = next(self._tokens)
        self._held[name] = (owner, token, self._clock() + seconds)
        return token

    def renew(self, name: str, owner: str, token: int, seconds: float) -> bool:
        """See `Store.renew`."""
        held = self._held.get(name)
        if held is None or held[:2] != (owner, token) or held[2] <= self._clock():
            return False
        self._held[name] = (owner, token, self._clock() + seconds)
        return True

    def release(self, name: str, owner: str, token: int) -> None:
        """See `Store.release`. The token is remembered, so that an older one stays void."""
        held = self._held.get(name)
        if held is not None and held[:2] == (owner, token):
            self._held[name] = (owner, token, float("-inf"))

    def check(self, lobby_id: str, token: int | None) -> None:
        """Raises LeaseLost when a newer lease than `token` was given; None is never too old."""
        held = self._held.get(lobby_id)
        if token is not None and held is not None and held[1] > token:
            raise LeaseLost(f"Lobby {lobby_id} is served elsewhere by now.")
