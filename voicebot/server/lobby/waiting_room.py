"""The clients that wait at the door of a lobby, and what its hosts are told about them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from voicebot.clock import Clock
from voicebot.errors import VoicebotError
from voicebot.lobby.door import Door, WaitingVisitor, no_such_lobby
from voicebot.lobby.lobby import Lobby
from voicebot.server.lobby.presence import Presence
from voicebot.server.net.wire_errors import error_message, refusal
from voicebot.server.sessions.client_session import ClientSession
from voicebot.signaling.messages import (
    JoinLobby,
    Knocking,
    KnockingData,
    LobbyWaiting,
    LobbyWaitingData,
    Visitor,
)


@dataclass
class _Wait:
    client: ClientSession
    wish: JoinLobby
    """The message that lobby_joined or an error will answer."""
    grace: asyncio.TimerHandle | None = None
    """Set while the client has no socket."""

    def end_grace(self) -> None:
        if self.grace is not None:
            self.grace.cancel()


class WaitingRoom:
    """The clients that wait at the door. `enter(client, wish)` gives a seat to one that was admitted."""

    def __init__(
        self,
        lobby: Lobby,
        door: Door,
        presence: Presence,
        clock: Clock,
        enter: Callable[[ClientSession, JoinLobby], None],
    ) -> None:
        self._lobby, self._door, self._presence = lobby, door, presence
        self._clock, self._enter = clock, enter
        self._waits: dict[str, _Wait] = {}

    @property
    def clients(self) -> list[ClientSession]:
        """The clients that wait, in order of arrival."""
        return [wait.client for wait in self._waits.values()]

    def wait(self, client: ClientSession, wish: JoinLobby) -> None:
        """Let a client wait that knocks, perhaps again. Raises SignalingError (`bad_name`)."""
        visitor = self._door.knock(f"v-{secrets.token_hex(8)}", client.session.handle, wish.data.name)
        known = self._waits.pop(visitor.id, None)
        if known is not None:
            known.end_grace()
        self._waits[visitor.id] = _Wait(client, wish)
        self._say_waiting(client, wish)
        self.announce()

    def gone(self, client: ClientSession) -> None:
        """Remove a client that no longer waits."""
        visitor = self._door.gone(client.session.handle)
        if visitor is not None:
            self._forget(visitor)
            self.announce()

    def lost(self, client: ClientSession, grace: float) -> None:
        """Keep the place of a client that has lost its socket for `grace` seconds."""
        wait = self._of(client)
        if wait is not None:
            wait.end_grace()
            wait.grace = asyncio.get_running_loop().call_later(grace, self.gone, client)

    def resumed(self, client: ClientSession, replayed: bool) -> None:
        """Handle a waiting client that has resumed on a new socket, with the same page."""
        wait = self._of(client)
        if wait is not None:
            wait.end_grace()
            wait.grace = None
            if not replayed:
                self._say_waiting(client, wait.wish)

    def knocking(self) -> Knocking:
        """The message that tells a host who is waiting."""
        waiting = [Visitor(id=one.id, name=one.name) for one in self._door.waiting.values()]
        return Knocking(lobby=self._lobby.id, data=KnockingData(waiting=waiting))

    def announce(self) -> None:
        """Tell the hosts who is waiting now."""
        self._presence.tell_hosts(self.knocking())

    def admit(self, visitor_id: str, *, lasting: bool = True) -> WaitingVisitor:
        """Let a visitor in.

        Raises:
            SignalingError: `unknown_participant`.
            LobbyFullError: There is no room, so the visitor keeps waiting.
        """
        visitor = self._door.admit(visitor_id, lasting=lasting)
        self.announce()  # first, so that nobody seems to be at the door and inside at once
        self._let_in(visitor)
        return visitor

    def deny(self, visitor_id: str) -> WaitingVisitor:
        """Send a visitor away. Raises SignalingError (`unknown_participant`)."""
        visitor = self._door.deny(visitor_id, self._clock())
        self.turn_away([visitor])
        return visitor

    def turn_away(self, visitors: Sequence[WaitingVisitor]) -> None:
        """Tell visitors, whom the door has already removed, that there is no such lobby."""
        for visitor in visitors:
            wait = self._forget(visitor)
            wait.client.send(error_message(no_such_lobby(), wait.wish.id))
        if visitors:
            self.announce()

    def settings_changed(self) -> None:
        """Admit everyone if the lobby is no longer private, or turn everyone away if it is locked."""
        self.turn_away(self._door.shut())
        released = self._door.released()
        if released:
            self.announce()
        for visitor in released:
            self._let_in(visitor)

    def close(self, *, tell: bool = True) -> None:
        """End all waiting. Without `tell`, the clients will knock again at the next server."""
        for visitor in list(self._door.waiting.values()):
            self._door.gone(visitor.handle)
            wait = self._forget(visitor)
            if tell:
                wait.client.send(error_message(no_such_lobby(), wait.wish.id))

    def _let_in(self, visitor: WaitingVisitor) -> None:
        wait = self._forget(visitor)
        try:
            self._enter(wait.client, wait.wish)
        except VoicebotError as error:
            wait.client.send(refusal(error, wait.wish, "Letting a visitor in"))
        else:
            if wait.grace is not None:  # admitted while its socket is lost: it may still come back
                wait.client.lost()

    def _forget(self, visitor: WaitingVisitor) -> _Wait:
        wait = self._waits.pop(visitor.id)
        wait.end_grace()
        wait.client.waiting = None
        return wait

    def _of(self, client: ClientSession) -> _Wait | None:
        visitor = self._door.visitor(client.session.handle)
        return self._waits[visitor.id] if visitor is not None else None

    def _say_waiting(self, client: ClientSession, wish: JoinLobby) -> None:
        data = LobbyWaitingData(name=self._lobby.name)
        client.send(LobbyWaiting(id=wish.id, lobby=self._lobby.id, data=data))
