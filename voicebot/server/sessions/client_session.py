"""One browser as the server knows it: its session, the socket that counts, and its seat in a lobby."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from voicebot.clock import Clock
from voicebot.lobby.lobby import Lobby
from voicebot.lobby.rights import Right
from voicebot.server.net.close_codes import CloseCode
from voicebot.server.net.limits import Limits, TokenBucket
from voicebot.server.sessions.outbox import Outbox
from voicebot.signaling.messages import Message, SessionExpired
from voicebot.signaling.session import Session
from voicebot.signaling.written import Written, write


class Place(Protocol):
    """What a browser needs of the lobby it sits in, or at whose door it waits."""

    @property
    def lobby(self) -> Lobby: ...
    def leave(self, client: ClientSession) -> None:
        """It goes for good."""

    def lost(self, client: ClientSession, closed_by_client: bool = False) -> None:
        """Its socket is lost; the seat is kept for a while."""

    def resumed(self, client: ClientSession, replayed: bool) -> None:
        """It is back on a new socket, its page as it was."""

    def check(self, right: Right, client: ClientSession) -> None:
        """Raises SignalingError (`forbidden`) unless it has this right."""


@dataclass(frozen=True)
class Seat:
    """A browser's place in a lobby."""

    place: Place
    participant_id: str


def _nothing(client: ClientSession) -> None:
    pass


class ClientSession:
    """One browser: its session, the socket that counts (if any), its seat in a lobby.

    `changed(client)` is called when its seat is taken, freed or looks different.
    """

    def __init__(
        self, session: Session, clock: Clock, changed: Callable[[ClientSession], None] = _nothing
    ) -> None:
        self.session, self.clock = session, clock
        self.outbox: Outbox | None = None
        self.address = ""
        """Where its newest socket came from."""
        self.sockets = 0
        """WebSockets that are open, also those that a newer one has replaced."""
        self.bucket: TokenBucket | None = None
        """How fast it may send; the session's, so that a new socket does not fill it."""
        self.idle_since = clock()
        self._seat: Seat | None = None
        self._changed = changed
        self.waiting: Place | None = None
        """At whose door it waits to be let in; never while it has a seat."""

    def rate(self, limits: Limits) -> TokenBucket:
        """What its messages are taken from, whichever server carries them out."""
        if self.bucket is None:
            self.bucket = TokenBucket(limits.messages_per_second, limits.burst, self.clock())
        return self.bucket

    @property
    def seat(self) -> Seat | None:
        return self._seat

    @seat.setter
    def seat(self, seat: Seat | None) -> None:
        self._seat = seat
        self._changed(self)

    def seat_changed(self) -> None:
        """Name, role or devices of the seated person are others now."""
        self._changed(self)

    def attach(self, outbox: Outbox) -> int:
        """A new socket takes over; the one before is closed with 4409."""
        if self.outbox is not None:
            self.outbox.close(CloseCode.REPLACED, "opened in another tab")
        self.outbox = outbox
        return self.session.attach()

    def detach(self, fence: int) -> bool:
        """A socket closed; True when it was the one that counts."""
        counted = self.session.detach(fence)
        if counted:
            self.outbox = None
            self.idle_since = self.clock()
        return counted

    def expire(self) -> None:
        """The session is over: say so, close the socket with 4401, and free the seat."""
        self.session.expire()
        if self.outbox is not None:
            self.outbox.put(write(SessionExpired()))
            self.outbox.close(CloseCode.UNAUTHENTICATED, "session expired")
        self.leave_for(None)

    def leave_for(self, place: Place | None) -> None:
        """Give up the seat or the place at a door, unless it is this lobby's."""
        if self.seat is not None and self.seat.place is not place:
            self.seat.place.leave(self)
        if self.waiting is not None and self.waiting is not place:
            self.waiting.leave(self)

    @property
    def place(self) -> Place | None:
        """The lobby it sits in, or at whose door it waits."""
        return self.seat.place if self.seat is not None else self.waiting

    def lost(self, closed_by_client: bool = False) -> None:
        """It has no socket, or a new one that has not spoken yet: its seat or place is kept for a while."""
        if self.place is not None:
            self.place.lost(self, closed_by_client)

    def send(self, message: Message | Written) -> None:
        """Stamp, keep for a replay, and queue it when a socket is there. Never waits."""
        message = message if isinstance(message, Written) else write(message)
        seq = self.session.number(message, self.clock())
        if self.outbox is not None and self.session.live:
            self.outbox.put(message, seq)

    def send_unstamped(self, message: Message) -> None:
        """Queue what only this socket is told: pong and the session's own messages."""
        if self.outbox is not None:
            self.outbox.put(write(message))

    def replay(self, last_seq: int) -> bool:
        """Go on after `last_seq`; False when not all that followed is kept."""
        missed = self.session.replay(last_seq, self.clock())
        if self.outbox is not None:
            for sent in missed or ():
                self.outbox.put(sent.message, sent.seq)
        return missed is not None
