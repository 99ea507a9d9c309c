"""One browser: its session, its current socket and its seat in a lobby."""

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
    """The lobby in which a client has a seat, or at whose door it waits."""

    @property
    def lobby(self) -> Lobby: ...
    def leave(self, client: ClientSession) -> None:
        """Called when the client leaves for good."""

    def lost(self, client: ClientSession, closed_by_client: bool = False) -> None:
        """Called when the client has lost its socket; its seat is kept for a while."""

    def resumed(self, client: ClientSession, replayed: bool) -> None:
        """Called when the client has resumed on a new socket, with the same page."""

    def check(self, right: Right, client: ClientSession) -> None:
        """Raise SignalingError (`forbidden`) if the client does not have this right."""


@dataclass(frozen=True)
class Seat:
    """A client's participant in a lobby."""

    place: Place
    participant_id: str


class ClientSession:
    """One browser. `changed()` is called when its seat is taken or freed, or the person in it changes."""

    def __init__(self, session: Session, clock: Clock, changed: Callable[[], None]) -> None:
        self.session, self.clock = session, clock
        self.outbox: Outbox | None = None
        self.address = ""
        """The `address_of` the newest socket."""
        self.sockets = 0
        """Number of open WebSockets, replaced ones included."""
        self.bucket: TokenBucket | None = None
        """Limits its messages. It belongs to the session, so a new socket does not refill it."""
        self.idle_since = clock()
        self._seat: Seat | None = None
        self._changed = changed
        self.waiting: Place | None = None
        """The lobby at whose door it waits; never set while it has a seat."""

    def rate(self, limits: Limits) -> TokenBucket:
        """The token bucket of its messages."""
        if self.bucket is None:
            self.bucket = TokenBucket(limits.messages_per_second, limits.burst, self.clock())
        return self.bucket

    @property
    def seat(self) -> Seat | None:
        return self._seat

    @seat.setter
    def seat(self, seat: Seat | None) -> None:
        self._seat = seat
        self._changed()

    def seat_changed(self) -> None:
        """Report that the name, role or devices of the person have changed."""
        self._changed()

    def attach(self, outbox: Outbox) -> int:
        """Take a new socket and close the previous one with 4409. Returns the fence of the new one."""
        if self.outbox is not None:
            self.outbox.close(CloseCode.REPLACED, "opened in another tab")
        self.outbox = outbox
        return self.session.attach()

    def detach(self, fence: int) -> bool:
        """Handle a closed socket. Returns whether it was the current one."""
        current = self.session.detach(fence)
        if current:
            self.outbox = None
            self.idle_since = self.clock()
        return current

    def expire(self) -> None:
        """End the session: send `session_expired`, close the socket with 4401 and free the seat."""
        self.session.expire()
        if self.outbox is not None:
            self.outbox.put(write(SessionExpired()))
            self.outbox.close(CloseCode.UNAUTHENTICATED, "session expired")
        self.leave_for(None)

    def leave_for(self, place: Place | None) -> None:
        """Leave every lobby but this one."""
        if self.seat is not None and self.seat.place is not place:
            self.seat.place.leave(self)
        if self.waiting is not None and self.waiting is not place:
            self.waiting.leave(self)

    @property
    def place(self) -> Place | None:
        """The lobby in which it has a seat, or at whose door it waits."""
        return self.seat.place if self.seat is not None else self.waiting

    def lost(self, closed_by_client: bool = False) -> None:
        """Tell the lobby that there is no live socket, so that it keeps the seat for a while."""
        if self.place is not None:
            self.place.lost(self, closed_by_client)

    def send(self, message: Message | Written) -> None:
        """Number a message, keep it for a replay, and queue it if there is a live socket. Never waits."""
        message = message if isinstance(message, Written) else write(message)
        seq = self.session.number(message, self.clock())
        if self.outbox is not None and self.session.live:
            self.outbox.put(message, seq)

    def send_unstamped(self, message: Message) -> None:
        """Queue a message for this socket only, without a number and without a replay."""
        if self.outbox is not None:
            self.outbox.put(write(message))

    def replay(self, last_seq: int) -> bool:
        """Send again what came after `last_seq`. Returns False if some of it is no longer kept."""
        missed = self.session.replay(last_seq, self.clock())
        if self.outbox is not None:
            for sent in missed or ():
                self.outbox.put(sent.message, sent.seq)
        return missed is not None
