"""The clients with a seat in a lobby, and how long a seat is kept after its socket was lost."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from voicebot.lobby.lobby import Lobby
from voicebot.server.sessions.client_session import ClientSession
from voicebot.signaling.messages import Message
from voicebot.signaling.written import write

REMEMBERED = 64
"""Number of people who have left and can still be reported."""


@dataclass(frozen=True)
class Known:
    """Somebody who has a seat here or has left."""

    handle: str
    """The handle of their session."""
    name: str


class Presence:
    """The clients by participant id. Sending them a message never waits.

    `on_reconnecting(participant_id)` is called when a socket has been lost for a while, and
    `on_lost(participant_id)` when the seat is not kept any longer.
    """

    def __init__(
        self, lobby: Lobby, *, on_reconnecting: Callable[[str], object], on_lost: Callable[[str], None]
    ) -> None:
        self._lobby, self._on_reconnecting, self._on_lost = lobby, on_reconnecting, on_lost
        self._clients: dict[str, ClientSession] = {}
        self._graces: dict[str, asyncio.TimerHandle] = {}
        self._unannounced: dict[str, asyncio.TimerHandle] = {}
        """Those whose socket was lost so recently that the others have not been told."""
        self._left: OrderedDict[str, Known] = OrderedDict()

    def get(self, participant_id: str) -> ClientSession | None:
        """Return the client of this participant, or None if they have no seat here."""
        return self._clients.get(participant_id)

    def handle(self, participant_id: str | None) -> str:
        """Return the handle of this person's session, or an empty string if they have no seat here."""
        client = self._clients.get(participant_id or "")
        return client.session.handle if client is not None else ""

    @property
    def clients(self) -> list[ClientSession]:
        """A copy of the list of clients, in the order in which they took their seats."""
        return list(self._clients.values())

    def take(self, participant_id: str, client: ClientSession) -> None:
        """Give a client the seat of this participant."""
        self._clients[participant_id] = client

    def free(self, participant_id: str, name: str) -> ClientSession | None:
        """Free a seat and return its client. Keeps `name` and the handle for a later report."""
        self.back(participant_id)
        client = self._clients.pop(participant_id, None)
        if client is not None:
            self._left[participant_id] = Known(client.session.handle, name)
            if len(self._left) > REMEMBERED:
                self._left.popitem(last=False)
        return client

    def left(self, participant_id: str) -> Known | None:
        """Return somebody who left recently."""
        return self._left.get(participant_id)

    def ids(self, handle: str) -> set[str]:
        """Return the participant ids that a session has here or had recently."""
        here = {id for id, client in self._clients.items() if client.session.handle == handle}
        return here | {id for id, known in self._left.items() if known.handle == handle}

    def close(self) -> list[ClientSession]:
        """Free all seats and return their clients."""
        for timer in (*self._graces.values(), *self._unannounced.values()):
            timer.cancel()
        self._graces.clear()
        self._unannounced.clear()
        clients = self.clients
        self._clients.clear()
        return clients

    def tell(self, participant_id: str, message: Message) -> None:
        """Send a message to this person, if they have a seat."""
        client = self._clients.get(participant_id)
        if client is not None:
            client.send(message)

    def tell_hosts(self, message: Message) -> None:
        """Send a message to every host."""
        for host in self._lobby.hosts:
            self.tell(host.id, message)

    def broadcast(self, message: Message, but: str | None = None) -> None:
        """Send a message to everyone, except to the person `but`."""
        written = write(message)
        for participant_id, client in list(self._clients.items()):
            if participant_id != but:
                client.send(written)

    def is_reconnecting(self, participant_id: str) -> bool:
        """Whether the socket is lost and the seat is kept."""
        return participant_id in self._graces

    def announce(self, participant_id: str, seconds: float) -> None:
        """Call `on_reconnecting` after this time, unless they are back by then."""
        loop = asyncio.get_running_loop()
        self._unannounced[participant_id] = loop.call_later(seconds, self._announce, participant_id)

    def keep(self, participant_id: str, seconds: float) -> None:
        """Keep the seat for this time from now on."""
        if participant_id in self._graces:
            self._graces[participant_id].cancel()
        loop = asyncio.get_running_loop()
        self._graces[participant_id] = loop.call_later(seconds, self._over, participant_id)

    def back(self, participant_id: str) -> None:
        """Stop the timers of a person who is back, or has left for good."""
        for timers in (self._graces, self._unannounced):
            timer = timers.pop(participant_id, None)
            if timer is not None:
                timer.cancel()

    def _announce(self, participant_id: str) -> None:
        self._unannounced.pop(participant_id, None)
        if participant_id in self._graces:
            self._on_reconnecting(participant_id)

    def _over(self, participant_id: str) -> None:
        self.back(participant_id)
        self._on_lost(participant_id)
