"""The limits of the server, and token buckets."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Times in seconds, sizes in bytes."""

    messages_per_second: float = 20.0
    burst: int = 100
    queue_messages: int = 256
    queue_bytes: int = 512 * 1024
    write_deadline: float = 2.0
    presence_grace: float = 30.0
    """How long the seat of a client is kept after its socket was lost."""
    closed_grace: float = 10.0
    """How long the seat is kept if the browser closed the socket itself without leaving the lobby."""
    reconnecting_after: float = 2.0
    """How long after the loss of a socket the others are told."""
    heartbeat: float = 10.0
    dead_after: float = 25.0
    """How long a socket may leave pings unanswered before it is dropped."""
    handshake: float = 10.0
    """How long a request, including the handshake of a WebSocket, may take to arrive."""
    sockets_per_session: int = 3
    sockets_per_address: int = 256
    """Open WebSockets from one address. Its site and provider may have more, and this machine any number."""
    flood: float = 60.0
    """How long a client may send faster than `messages_per_second` before its socket is closed."""
    unused_lobby: float = 600.0
    """How long a lobby created in a browser waits for the first person."""
    empty_lobby: float = 60.0
    """How long it stays open after the last person has left."""
    agents_alone: float = 20.0
    """How long its agents stay after the last person has left."""
    sessions_per_second: float = 0.5
    sessions_burst: int = 120
    """New sessions from one address: a class behind one router may open the page at the same time."""
    lobbies_per_second: float = 1 / 60
    lobbies_burst: int = 10
    """New lobbies by one session. All sessions of one address together may create five times as many."""


class TokenBucket:
    """Allows `burst` uses at once, and `rate` per second on average."""

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._time = float(burst), now
        self._empty_since: float | None = None

    def take(self, now: float) -> float:
        """Use one token. Returns the seconds to wait until it is available, or 0."""
        self._tokens = min(self._burst, self._tokens + (now - self._time) * self._rate) - 1
        self._time = now
        if self._tokens >= self._burst / 2:
            self._empty_since = None
        elif self._tokens < 0 and self._empty_since is None:
            self._empty_since = now
        return max(0.0, -self._tokens / self._rate)

    def flooded_for(self, now: float) -> float:
        """Return for how many seconds the bucket has been less than half full since it ran out of tokens."""
        return 0.0 if self._empty_since is None else now - self._empty_since


class Allowance:
    """One token bucket for each of many addresses or sessions. The longest unused ones are forgotten."""

    def __init__(self, rate: float, burst: int, *, remembered: int = 10_000) -> None:
        self._rate, self._burst, self._remembered = rate, burst, remembered
        self._used: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, who: str, now: float) -> float:
        """Return the seconds until `who` has a token, or 0 if they have one."""
        if who in self._used:  # somebody who asks in vain must not be forgotten
            self._used.move_to_end(who)
        tokens = self._tokens(who, now)
        return 0.0 if tokens >= 1 else (1 - tokens) / self._rate

    def take(self, who: str, now: float) -> float:
        """Use a token of `who` and return 0; if they have none, return the seconds until they have one."""
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
