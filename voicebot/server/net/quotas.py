"""Limits the lobbies of one session, address and network, so that there is always room for others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from voicebot.errors import SignalingError
from voicebot.server.net.networks import networks_of

SHARES = (1 / 16, 1 / 4, 1 / 3, 1 / 2)
"""The shares of the free places that a session, an address, a site and a provider may have.

Of 200 places, they may have 11 (the rooms of a teacher), 40 (classes behind one router), 50 (a campus) and
67. Whoever comes later may have fewer, but always some.
"""


@dataclass(frozen=True)
class Maker:
    """Who created a lobby: the handle of a session, and its `address_of` if known, which is never stored."""

    session: str
    address: str = ""

    @property
    def names(self) -> tuple[str | None, ...]:
        """The names for each of SHARES; None where unknown."""
        address, site, provider = (*networks_of(self.address), None, None, None)[:3]
        return (self.session, address, site, provider)


class TooManyHeld(SignalingError):
    """A session or a network has as many lobbies as it may have now."""

    code = "too_many"
    retryable = True

    def __init__(self, *, session: bool) -> None:
        super().__init__(
            "Your browser has reached its limit of lobbies."
            if session
            else "Your network has reached its limit of lobbies.",
            hint="End a lobby that nobody needs any more, or try again later.",
        )


class LobbyQuotas:
    """The makers of open lobbies, by lobby id."""

    def __init__(self) -> None:
        self._makers: dict[str, Maker] = {}

    def add(self, lobby_id: str, maker: Maker) -> None:
        """Count an open lobby for its maker."""
        self._makers[lobby_id] = maker

    def remove(self, lobby_id: str) -> None:
        """Forget a lobby, if it is known."""
        self._makers.pop(lobby_id, None)

    def check(self, maker: Maker, free: int) -> None:
        """Check that this maker may have one more of the `free` places. Raises TooManyHeld if not."""
        for share, held, name in zip(SHARES, self._held(maker), maker.names, strict=True):
            if name is not None and held and held + 1 > share * free:
                raise TooManyHeld(session=name == maker.session)

    def gives_way(self, maker: Maker, unused: Iterable[str]) -> str | None:
        """Return which of the unused lobbies to close for a new one of this maker, if any.

        It belongs to whoever has most, and who still has more than this maker after losing it.
        """
        mine = self._held(maker)
        candidates = []
        for lobby_id in unused:
            other = self._makers.get(lobby_id)
            if other is None:
                continue
            theirs = self._held(other)
            apart = [
                (theirs[level], mine[level])
                for level, (one, two) in enumerate(zip(other.names, maker.names, strict=True))
                if None not in (one, two) and one != two
            ]
            if apart and apart[-1][0] > apart[-1][1] + 1:  # compare the widest networks that differ
                candidates.append((apart[-1][0], lobby_id))
        return max(candidates, key=lambda one: one[0])[1] if candidates else None

    def _held(self, maker: Maker) -> list[int]:
        """How many lobbies each of the maker's names has."""
        return [
            0 if name is None else sum(other.names[level] == name for other in self._makers.values())
            for level, name in enumerate(maker.names)
        ]
