"""The door of a lobby: who may come in, who has to knock, and who waits. Pure; clock passed in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from voicebot.errors import SignalingError
from voicebot.lobby.capacity import LobbyFullError
from voicebot.lobby.lobby import Lobby
from voicebot.lobby.names import clean_name

DENIED_SECONDS = 30.0
"""How long somebody who was denied is as good as told that there is no such lobby."""


def no_such_lobby() -> SignalingError:
    """One answer for a lobby that is missing, locked or closed to this very person."""
    return SignalingError(
        "There is no such lobby, or it is closed to you.",
        hint="Check the link, or ask a host of the lobby to let you in.",
        code="unknown_lobby",
    )


@dataclass(frozen=True)
class WaitingVisitor:
    """Somebody who waits at the door."""

    id: str
    name: str
    handle: str
    """The session's public handle."""


class Door:
    """People are known here by the handles of their sessions, whatever they call themselves.

    `hosts` own the lobby: they are host again whenever they come. `admitted` need not knock again.
    `banned` never come in. What is done without `lasting` holds until `emptied`.
    """

    def __init__(
        self,
        lobby: Lobby,
        *,
        hosts: Iterable[str] = (),
        admitted: Iterable[str] = (),
        banned: Iterable[str] = (),
    ) -> None:
        self._lobby = lobby
        self.hosts, self.admitted, self.banned = set(hosts), set(admitted), set(banned)
        self._admitted_now: set[str] = set()
        self._expelled_now: set[str] = set()
        self._banned_now: set[str] = set()
        self._waiting: dict[str, WaitingVisitor] = {}
        self._denied: dict[str, float] = {}

    @property
    def waiting(self) -> Mapping[str, WaitingVisitor]:
        """By visitor id, in the order they came; a live, read-only view."""
        return MappingProxyType(self._waiting)

    def way(self, handle: str, now: float) -> Literal["enter", "knock"]:
        """How this newcomer comes in, if there is room. Raises SignalingError (`unknown_lobby`)."""
        self._forget_denials(now)
        if handle in self.banned or handle in self._banned_now or handle in self._denied:
            raise no_such_lobby()
        if handle in self.hosts:
            return "enter"
        if self._lobby.settings.locked:
            raise no_such_lobby()
        known = handle in self._admitted_now or handle in self.admitted - self._expelled_now
        return "knock" if self._lobby.settings.private and not known else "enter"

    def passage(self, handle: str, now: float) -> Literal["enter", "knock"]:
        """May this newcomer come in now?

        Raises:
            SignalingError: `unknown_lobby`, for all that it is nothing to.
            LobbyFullError: there is no room, inside or at the door.
        """
        way = self.way(handle, now)
        if way == "enter":
            self._lobby.check_people(owner=handle in self.hosts)
        elif self.visitor(handle) is None and len(self._waiting) >= self._lobby.capacity.waiting:
            raise LobbyFullError(self._lobby.capacity.waiting, "people at the door")
        return way

    def knock(self, id: str, handle: str, name: str) -> WaitingVisitor:
        """Wait to be let in; who knocks again keeps the place and may have another name.

        Raises:
            SignalingError: `bad_name`.
        """
        known = self.visitor(handle)
        visitor = WaitingVisitor(known.id if known else id, clean_name(name), handle)
        self._waiting[visitor.id] = visitor
        return visitor

    def visitor(self, handle: str) -> WaitingVisitor | None:
        """Whether this session waits here."""
        return next((one for one in self._waiting.values() if one.handle == handle), None)

    def admit(self, id: str, *, lasting: bool = True) -> WaitingVisitor:
        """Let a visitor in, now and when they come again.

        Raises:
            SignalingError: `unknown_participant`, when nobody of that id waits.
            LobbyFullError: no room inside: the visitor goes on waiting.
        """
        visitor = self._find(id)
        self._lobby.check_people()
        del self._waiting[id]
        (self.admitted if lasting else self._admitted_now).add(visitor.handle)
        self._expelled_now.discard(visitor.handle)
        return visitor

    def deny(self, id: str, now: float) -> WaitingVisitor:
        """Send a visitor away. Raises SignalingError (`unknown_participant`)."""
        visitor = self._find(id)
        del self._waiting[id]
        self._denied[visitor.handle] = now + DENIED_SECONDS
        return visitor

    def gone(self, handle: str) -> WaitingVisitor | None:
        """A visitor does not wait any more; None when this session did not."""
        visitor = self.visitor(handle)
        if visitor is not None:
            del self._waiting[visitor.id]
        return visitor

    def expel(self, handle: str, *, lasting: bool = True) -> None:
        """Who was thrown out has to knock again where people knock; if that lasts, they own nothing here."""
        self._admitted_now.discard(handle)
        if lasting:
            self.hosts.discard(handle)
            self.admitted.discard(handle)
        else:
            self._expelled_now.add(handle)

    def ban(self, handle: str, *, lasting: bool = True) -> WaitingVisitor | None:
        """Do not let this session in again; returns the visitor that it was until now, if it was one."""
        self.expel(handle, lasting=lasting)
        (self.banned if lasting else self._banned_now).add(handle)
        return self.gone(handle)

    def unban(self, handle: str) -> bool:
        """False when it was not banned."""
        found = handle in self.banned | self._banned_now
        self.banned.discard(handle)
        self._banned_now.discard(handle)
        return found

    def emptied(self) -> None:
        """Everybody has left: what was done for the moment is over."""
        for moment in (self._admitted_now, self._expelled_now, self._banned_now, self._denied):
            moment.clear()

    def released(self) -> list[WaitingVisitor]:
        """Those who need not wait any more because the lobby is not private now; they are in no list then."""
        if self._lobby.settings.private:
            return []
        return self._empty()

    def shut(self) -> list[WaitingVisitor]:
        """Those who wait for nothing because the lobby is locked now; they are in no list then."""
        return self._empty() if self._lobby.settings.locked else []

    def _empty(self) -> list[WaitingVisitor]:
        visitors = list(self._waiting.values())
        self._waiting.clear()
        return visitors

    def _find(self, id: str) -> WaitingVisitor:
        visitor = self._waiting.get(id)
        if visitor is None:
            raise SignalingError(
                f"Nobody called {id} waits at the door.",
                hint="They may have gone, or another host has answered.",
                code="unknown_participant",
            )
        return visitor

    def _forget_denials(self, now: float) -> None:
        self._denied = {handle: until for handle, until in self._denied.items() if until > now}
