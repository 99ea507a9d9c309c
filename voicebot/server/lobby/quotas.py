"""Who made the lobbies that are open: nobody may have so many that others find no place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from voicebot.errors import SignalingError
from voicebot.server.net.networks import networks_of

SHARES = (1 / 16, 1 / 4, 1 / 3, 1 / 2)
"""Of the places that are free, how many a session, an address, a site and a provider may have.

Of 200 these are 11 (a teacher's rooms), 40 (classes behind one router), 50 (a campus) and 67; whoever
comes after finds less, and always something.
"""


@dataclass(frozen=True)
class Maker:
    """Of a lobby: the handle of a session, and `address_of` where it is known, which is never kept."""

    session: str
    address: str = ""

    @property
    def names(self) -> tuple[str | None, ...]:
        """As SHARES are; None where nothing is known."""
        address, site, provider = (*networks_of(self.address), None, None, None)[:3]
        return (self.session, address, site, provider)


class TooManyHeld(SignalingError):
    """Somebody, or a network, has as many lobbies as may be theirs just now."""

    code = "too_many"
    retryable = True

    def __init__(self, *, session: bool) -> None:
        super().__init__(
            "You have reached the number of lobbies that one browser may have at the moment."
            if session
            else "Your network has reached the number of lobbies that it may have at the moment.",
            hint="End a lobby that nobody needs any more, or try again later.",
        )


class LobbyQuotas:
    """The makers of open lobbies, by lobby id."""

    def __init__(self) -> None:
        self._makers: dict[str, Maker] = {}

    def add(self, lobby_id: str, maker: Maker) -> None:
        self._makers[lobby_id] = maker

    def remove(self, lobby_id: str) -> None:
        """One that nobody made, or that is not there, is no error."""
        self._makers.pop(lobby_id, None)

    def check(self, maker: Maker, free: int) -> None:
        """Whether one more of the `free` places may be this maker's. Raises TooManyHeld."""
        for share, held, name in zip(SHARES, self._held(maker), maker.names, strict=True):
            if name is not None and held and held + 1 > share * free:
                raise TooManyHeld(session=name == maker.session)

    def gives_way(self, maker: Maker, unused: Iterable[str]) -> str | None:
        """Which of the unused lobbies is to be closed for a new one of this maker.

        It is one of whoever has most, and only of somebody who has more even without it.
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
            if apart and apart[-1][0] > apart[-1][1] + 1:  # by the widest that is not both of theirs
                candidates.append((apart[-1][0], lobby_id))
        return max(candidates, key=lambda one: one[0])[1] if candidates else None

    def _held(self, maker: Maker) -> list[int]:
        """How many each of the maker's names has."""
        return [
            0 if name is None else sum(other.names[level] == name for other in self._makers.values())
            for level, name in enumerate(maker.names)
        ]
