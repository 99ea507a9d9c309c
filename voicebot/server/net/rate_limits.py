"""How much one address, one site, one provider and one session may ask for: what each costs is bounded.

Who has one address of IPv6 often has thousands, so each bound of an address has wider ones around it.
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
"""How many times the lobbies of one session all of one address may make."""
AROUND = (1, 4, 16)
"""How many times as much as an address its site (a campus), and its provider, may have."""
PROXIED = 50
"""How many times as much as an address this machine may make, for a proxy that does not tell."""


class TooFast(SignalingError):
    """Allowed, but not so often; `wait` is in how many seconds it will be again."""

    code = "too_fast"
    retryable = True

    def __init__(self, what: str, wait: float) -> None:
        self.wait = math.ceil(wait)
        super().__init__(
            f"Too many {what} from your browser or network.", hint=f"Try again in {self.wait} s."
        )


class RateLimits:
    """Raises TooFast where there is too much of something."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._clock = clock
        self._sessions = _Wider(limits.sessions_per_second, limits.sessions_burst)
        self._lobbies = Allowance(limits.lobbies_per_second, limits.lobbies_burst)
        self._lobbies_nearby = _Wider(NEARBY * limits.lobbies_per_second, NEARBY * limits.lobbies_burst)

    def session(self, address: str) -> None:
        """One more session is wanted from this address."""
        self._take("sessions", self._sessions.of(address))

    def lobby(self, session: str, address: str) -> None:
        """One more lobby is wanted by this session (its handle) from this address."""
        self._take("lobbies", [(self._lobbies, session), *self._lobbies_nearby.of(address)])

    def _take(self, what: str, asked: Sequence[tuple[Allowance, str]]) -> None:
        """One token of each or, where one has none, of none: a flood uses up nothing of its neighbours'."""
        now = self._clock()
        wait = max(allowance.wait(who, now) for allowance, who in asked)
        if wait:
            raise TooFast(what, wait)
        for allowance, who in asked:
            allowance.take(who, now)


class _Wider:
    """Allowances of an address and of the networks around it, and of this machine."""

    def __init__(self, rate: float, burst: int) -> None:
        self._around = [Allowance(factor * rate, factor * burst) for factor in AROUND]
        self._proxied = Allowance(PROXIED * rate, PROXIED * burst)

    def of(self, address: str) -> list[tuple[Allowance, str]]:
        if not address:
            return [(self._proxied, "")]
        return list(zip(self._around, networks_of(address), strict=False))


class Crowd:
    """How many are there at once from one address, its site and its provider. This machine's do not count."""

    def __init__(self, per_address: int) -> None:
        self._most = [factor * per_address for factor in AROUND]
        self._here: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """One more; False, and none more, when there are too many."""
        networks = networks_of(address)
        if any(self._here[one] >= most for one, most in zip(networks, self._most, strict=False)):
            return False
        self._here.update(networks)
        return True

    def leave(self, address: str) -> None:
        """One that had entered goes."""
        for network in networks_of(address):
            self._here[network] -= 1
            if not self._here[network]:
                del self._here[network]
