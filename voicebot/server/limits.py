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
    reload_grace: float = 10.0
    """The same after the browser closed the socket itself: a reload or a closed tab."""
    heartbeat: float = 10.0
    empty_lobby: float = 60.0
    """How long a lobby made in a browser lives without people."""


class TokenBucket:
    """`burst` at once, `rate` per second in the long run."""

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._time = float(burst), now

    def take(self, now: float) -> bool:
        """Use one token; False when there is none."""
        self._tokens = min(self._burst, self._tokens + (now - self._time) * self._rate)
        self._time = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
