"""The door of a lobby: who may enter, who has to knock, and who is waiting. Pure; the time is an argument."""

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
"""Seconds for which the lobby seems not to exist to somebody who was denied."""


def no_such_lobby() -> SignalingError:
    """Return the error for a lobby that is missing, locked or closed to this person: the same for each."""
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
    """The public handle of the session."""


class Door:
    """Decides who may enter. It knows people by the handles of their sessions, not by their names.

    Decisions made with `lasting=False` hold until `emptied`.

    Args:
        hosts: The owners, who are hosts whenever they come.
        admitted: Those who need not knock again.
        banned: Those who may not enter.
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
        """The visitors by id, in order of arrival; a live, read-only view."""
        return MappingProxyType(self._waiting)

    def entry(self, handle: str, now: float) -> Literal["enter", "knock"]:
        """Whether this person enters or has to knock. Raises SignalingError (`unknown_lobby`) for neither."""
        self._forget_denials(now)
        if handle in self.banned or handle in self._banned_now or handle in self._denied:
            raise no_such_lobby()
        if handle in self.hosts:
            return "enter"
        if self._lobby.settings.locked:
            raise no_such_lobby()
        known = handle in self._admitted_now or handle in self.admitted - self._expelled_now
        return "knock" if self._lobby.settings.private and not known else "enter"

    def check_entry(self, handle: str, now: float) -> Literal["enter", "knock"]:
        """Like `entry`, but also check that there is room.

        Raises:
            SignalingError: `unknown_lobby`.
            LobbyFullError: There is no room in the lobby, or at the door for somebody who has to knock.
        """
        entry = self.entry(handle, now)
        if entry == "enter":
            self._lobby.check_people(owner=handle in self.hosts)
        elif self.visitor(handle) is None and len(self._waiting) >= self._lobby.capacity.waiting:
            raise LobbyFullError(self._lobby.capacity.waiting, "people at the door")
        return entry

    def knock(self, id: str, handle: str, name: str) -> WaitingVisitor:
        """Wait at the door. Somebody who knocks again keeps their place and may change their name.

        Raises:
            SignalingError: `bad_name`.
        """
        known = self.visitor(handle)
        visitor = WaitingVisitor(known.id if known else id, clean_name(name), handle)
        self._waiting[visitor.id] = visitor
        return visitor

    def visitor(self, handle: str) -> WaitingVisitor | None:
        """The visitor of this session, if it waits at the door."""
        return next((one for one in self._waiting.values() if one.handle == handle), None)

    def admit(self, id: str, *, lasting: bool = True) -> WaitingVisitor:
        """Let a visitor in, now and when they come again.

        Raises:
            SignalingError: `unknown_participant`: no such visitor is waiting.
            LobbyFullError: There is no room in the lobby, so the visitor keeps waiting.
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
        """Remove and return the visitor of this session, or None if it was not waiting."""
        visitor = self.visitor(handle)
        if visitor is not None:
            del self._waiting[visitor.id]
        return visitor

    def expel(self, handle: str, *, lasting: bool = True) -> None:
        """Make somebody knock again if the lobby is private. With `lasting`, they also lose ownership."""
        self._admitted_now.discard(handle)
        if lasting:
            self.hosts.discard(handle)
            self.admitted.discard(handle)
        else:
            self._expelled_now.add(handle)

    def ban(self, handle: str, *, lasting: bool = True) -> WaitingVisitor | None:
        """Keep this session out; returns its visitor if it was waiting."""
        self.expel(handle, lasting=lasting)
        (self.banned if lasting else self._banned_now).add(handle)
        return self.gone(handle)

    def unban(self, handle: str) -> bool:
        """Lift a ban; returns False if there was none."""
        found = handle in self.banned | self._banned_now
        self.banned.discard(handle)
        self._banned_now.discard(handle)
        return found

    def emptied(self) -> None:
        """Forget the decisions that were not lasting, because everybody has left."""
        for decided in (self._admitted_now, self._expelled_now, self._banned_now, self._denied):
            decided.clear()

    def released(self) -> list[WaitingVisitor]:
        """Remove and return all visitors if the lobby is no longer private, so that they may enter."""
        return [] if self._lobby.settings.private else self._empty()

    def shut(self) -> list[WaitingVisitor]:
        """Remove and return the visitors who are turned away if the lobby is now locked."""
        return self._empty() if self._lobby.settings.locked else []

    def _empty(self) -> list[WaitingVisitor]:
        visitors = list(self._waiting.values())
        self._waiting.clear()
        return visitors

    def _find(self, id: str) -> WaitingVisitor:
        visitor = self._waiting.get(id)
        if visitor is None:
            raise SignalingError(
                f"No visitor {id} is waiting at the door.",
                hint="They may have left, or another host may have answered them.",
                code="unknown_participant",
            )
        return visitor

    def _forget_denials(self, now: float) -> None:
        self._denied = {handle: until for handle, until in self._denied.items() if until > now}
