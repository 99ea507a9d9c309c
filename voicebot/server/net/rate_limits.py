"""Limits what one session, one address and the networks around it may use.

Whoever has one IPv6 address often has thousands, so the site and the provider of an address have limits, too.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from voicebot.clock import Clock
from voicebot.errors import SignalingError
from voicebot.server.net.limits import Allowance, Limits
from voicebot.server.net.networks import networks_of

NEARBY = 5
"""How many times as many lobbies as one session all sessions of one address may create."""
AROUND = (1, 4, 16)
"""How many times as much as one address the address itself, its site (a campus) and its provider may have."""
PROXIED = 50
"""How many times as much as one address this machine may have, because a proxy may hide who it serves."""


class TooFast(SignalingError):
    """Something was done too often. It is possible again after `wait` seconds."""

    code = "too_fast"
    retryable = True

    def __init__(self, what: str, wait: float) -> None:
        self.wait = math.ceil(wait)
        super().__init__(f"Too many {what} were created from here.", hint=f"Try again in {self.wait} s.")


class RateLimits:
    """The rate limits of new sessions and new lobbies. The methods raise TooFast if a limit is reached."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._clock = clock
        self._sessions = _Wider(limits.sessions_per_second, limits.sessions_burst)
        self._lobbies = Allowance(limits.lobbies_per_second, limits.lobbies_burst)
        self._lobbies_nearby = _Wider(NEARBY * limits.lobbies_per_second, NEARBY * limits.lobbies_burst)

    def session(self, address: str) -> None:
        """Count a new session from this address."""
        self._take("sessions", self._sessions.of(address))

    def lobby(self, session: str, address: str) -> None:
        """Count a new lobby of this session handle from this address."""
        self._take("lobbies", [(self._lobbies, session), *self._lobbies_nearby.of(address)])

    def _take(self, what: str, asked: Sequence[tuple[Allowance, str]]) -> None:
        """Take one token from each, or none if one is empty. A flood must not use up its neighbours'."""
        now = self._clock()
        wait = max(allowance.wait(who, now) for allowance, who in asked)
        if wait:
            raise TooFast(what, wait)
        for allowance, who in asked:
            allowance.take(who, now)


class _Wider:
    """The allowances of every address and its networks, and of this machine."""

    def __init__(self, rate: float, burst: int) -> None:
        self._around = [Allowance(factor * rate, factor * burst) for factor in AROUND]
        self._proxied = Allowance(PROXIED * rate, PROXIED * burst)

    def of(self, address: str) -> list[tuple[Allowance, str]]:
        if not address:
            return [(self._proxied, "")]
        return list(zip(self._around, networks_of(address), strict=False))


class Crowd:
    """Limits how many are here at once from one address, site and provider. This machine is not limited."""

    def __init__(self, per_address: int) -> None:
        self._most = [factor * per_address for factor in AROUND]
        self._here: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """Count one more. Returns False, without counting it, if there are too many."""
        networks = networks_of(address)
        if any(self._here[one] >= most for one, most in zip(networks, self._most, strict=False)):
            return False
        self._here.update(networks)
        return True

    def leave(self, address: str) -> None:
        """Stop counting one that has entered."""
        for network in networks_of(address):
            self._here[network] -= 1
            if not self._here[network]:
                del self._here[network]
