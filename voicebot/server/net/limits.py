"""What one browser may ask of the server, and a token bucket that holds it to that."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Defaults of the protocol; times in seconds, sizes in bytes."""

    messages_per_second: float = 20.0
    burst: int = 100
    queue_messages: int = 256
    queue_bytes: int = 512 * 1024
    write_deadline: float = 2.0
    presence_grace: float = 30.0
    """How long someone whose socket was lost counts as reconnecting."""
    closed_grace: float = 10.0
    """The same after the browser closed the socket itself, without having left before."""
    reconnecting_after: float = 2.0
    """How long a socket is lost before the others are told."""
    heartbeat: float = 10.0
    dead_after: float = 25.0
    """How long a socket may be silent, pings unanswered, until it is dropped."""
    handshake: float = 10.0
    """How long a request, that for a WebSocket too, may take to arrive."""
    sockets_per_session: int = 3
    sockets_per_address: int = 256
    """Open WebSockets from one address, more from around it; those of this machine do not count."""
    flood: float = 60.0
    """How long one may keep sending faster than `messages_per_second` before the socket is closed."""
    unused_lobby: float = 600.0
    """How long a lobby made in a browser waits for the first person."""
    empty_lobby: float = 60.0
    """How long it lives on once the last person has left."""
    agents_alone: float = 20.0
    """How long its agents stay once the last person has left."""
    sessions_per_second: float = 0.5
    sessions_burst: int = 120
    """New sessions from one address (a class behind a router opens the page at once), more from around it."""
    lobbies_per_second: float = 1 / 60
    lobbies_burst: int = 10
    """New lobbies by one session, and five times as many by all from one address, more from around it."""


class TokenBucket:
    """`burst` at once, `rate` per second in the long run."""

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._time = float(burst), now
        self._empty_since: float | None = None

    def take(self, now: float) -> float:
        """Use one token; returns in how many seconds it will be there, 0 when it is."""
        self._tokens = min(self._burst, self._tokens + (now - self._time) * self._rate) - 1
        self._time = now
        if self._tokens >= self._burst / 2:
            self._empty_since = None
        elif self._tokens < 0 and self._empty_since is None:
            self._empty_since = now
        return max(0.0, -self._tokens / self._rate)

    def flooded_for(self, now: float) -> float:
        """For how many seconds it has not been half full again since a token had to be waited for."""
        return 0.0 if self._empty_since is None else now - self._empty_since


class Allowance:
    """A token bucket for each of many (addresses, sessions); those that were idle longest are forgotten."""

    def __init__(self, rate: float, burst: int, *, remembered: int = 10_000) -> None:
        self._rate, self._burst, self._remembered = rate, burst, remembered
        self._used: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, who: str, now: float) -> float:
        """0, or in how many seconds there will be a token of theirs."""
        if who in self._used:  # who asks in vain is not forgotten for it
            self._used.move_to_end(who)
        tokens = self._tokens(who, now)
        return 0.0 if tokens >= 1 else (1 - tokens) / self._rate

    def take(self, who: str, now: float) -> float:
        """Use one token of theirs; returns 0, or in how many seconds there will be one, and uses none."""
        wait = self.wait(who, now)
        if not wait:
            self._used[who] = (self._tokens(who, now) - 1, now)
            self._used.move_to_end(who)
            while len(self._used) > self._remembered:
                self._used.popitem(last=False)
        return wait

    def _tokens(self, who: str, now: float) -> float:
        tokens, time = self._used.get(who, (float(self._burst), now))
        return min(self._burst, tokens + (now - time) * self._rate)
