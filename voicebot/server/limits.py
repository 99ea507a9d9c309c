"""What one browser may ask of the server, and a token bucket that holds it to that."""

from __future__ import annotations

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
    heartbeat: float = 10.0
    unused_lobby: float = 600.0
    """How long a lobby made in a browser waits for the first person."""
    empty_lobby: float = 60.0
    """How long it lives on once the last person has left."""


class TokenBucket:
    """`burst` at once, `rate` per second in the long run."""

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._time = float(burst), now

    def take(self, now: float) -> float:
        """Use one token; returns in how many seconds it will be there, 0 when it is."""
        self._tokens = min(self._burst, self._tokens + (now - self._time) * self._rate) - 1
        self._time = now
        return max(0.0, -self._tokens / self._rate)
