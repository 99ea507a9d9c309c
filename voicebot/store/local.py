"""Leases in memory, for a store that only one process uses."""

from __future__ import annotations

import itertools

from voicebot.clock import Clock, monotonic
from voicebot.store.base import LeaseLost

REMEMBERED = 1000
"""Number of released leases whose tokens are remembered, against late writes."""


class LocalLeases:
    """The methods of a `Store` that concern leases. `clock` gives monotonic seconds."""

    def __init__(self, clock: Clock = monotonic) -> None:
        self._clock = clock
        self._held: dict[str, tuple[str, int, float]] = {}
        self._released: dict[str, int] = {}
        """The last token of each name, in the order of release."""
        self._tokens = itertools.count(1)

    async def acquire(self, name: str, owner: str, seconds: float) -> int | None:
        held = self._held.get(name)
        if held is not None and held[2] > self._clock() and held[0] != owner:
            return None
        token = next(self._tokens)
        self._released.pop(name, None)
        self._held[name] = (owner, token, self._clock() + seconds)
        return token

    async def renew(self, name: str, owner: str, token: int, seconds: float) -> bool:
        held = self._held.get(name)
        if held is None or held[:2] != (owner, token) or held[2] <= self._clock():
            return False
        self._held[name] = (owner, token, self._clock() + seconds)
        return True

    async def release(self, name: str, owner: str, token: int) -> None:
        # the token is remembered for a while, so that older ones stay invalid
        held = self._held.get(name)
        if held is not None and held[:2] == (owner, token):
            del self._held[name]
            self._released[name] = token
            if len(self._released) > REMEMBERED:
                del self._released[next(iter(self._released))]

    def check_lease(self, lobby_id: str, token: int | None) -> None:
        """Raise LeaseLost if there was a newer lease than `token`. The token None always passes."""
        held = self._held.get(lobby_id)
        last = held[1] if held is not None else self._released.get(lobby_id, 0)
        if token is not None and last > token:
            raise LeaseLost(lobby_id)
