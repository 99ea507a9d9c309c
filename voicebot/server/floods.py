"""How many sessions and lobbies one address, and one session, may make: what each costs memory is bounded."""

from __future__ import annotations

import ipaddress
import math

from starlette.requests import HTTPConnection

from voicebot.clock import Clock
from voicebot.errors import SignalingError
from voicebot.server.limits import Allowance, Limits

NEARBY = 5
"""How many times the lobbies of one session all of one address may make."""
PROXIED = 50
"""How many times as much as an address this machine may make, for a proxy that does not tell."""


class TooFast(SignalingError):
    """Allowed, but not so often; `wait` is in how many seconds it will be again."""

    code = "too_fast"
    retryable = True

    def __init__(self, what: str, wait: float) -> None:
        self.wait = math.ceil(wait)
        super().__init__(f"Too many {what} were made from here.", hint=f"Try again in {self.wait} s.")


def address_of(connection: HTTPConnection) -> str:
    """Where it comes from: an IPv4 address, or the /64 of an IPv6 one, which is one customer's.

    Empty for this machine, where a proxy that does not tell may stand for many people.
    """
    host = connection.client.host if connection.client is not None else ""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    if address.is_loopback:
        return ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.ip_network((address, 64), strict=False))


class Floods:
    """Raises TooFast where there is too much of something."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._clock = clock
        self._sessions = Allowance(limits.sessions_per_second, limits.sessions_burst)
        self._lobbies = Allowance(limits.lobbies_per_second, limits.lobbies_burst)
        self._sessions_proxied = _times(PROXIED, limits.sessions_per_second, limits.sessions_burst)
        self._lobbies_nearby = _times(NEARBY, limits.lobbies_per_second, limits.lobbies_burst)
        self._lobbies_proxied = _times(PROXIED * NEARBY, limits.lobbies_per_second, limits.lobbies_burst)

    def session(self, address: str) -> None:
        """One more session is wanted from this address."""
        self._check("sessions", self._sessions if address else self._sessions_proxied, address)

    def lobby(self, session: str, address: str) -> None:
        """One more lobby is wanted by this session (its handle) from this address."""
        self._check("lobbies", self._lobbies, session)
        self._check("lobbies", self._lobbies_nearby if address else self._lobbies_proxied, address)

    def _check(self, what: str, allowance: Allowance, who: str) -> None:
        wait = allowance.take(who, self._clock())
        if wait:
            raise TooFast(what, wait)


def _times(factor: int, rate: float, burst: int) -> Allowance:
    return Allowance(factor * rate, factor * burst)
