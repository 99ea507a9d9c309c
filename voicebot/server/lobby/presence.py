"""Who sits in a lobby, who sat there a while ago, and how long the seat of a lost browser is kept."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from voicebot.server.sessions.client_session import ClientSession

REMEMBERED = 64
"""Those who left and can still be reported."""


@dataclass(frozen=True)
class Known:
    """Somebody who sits here or has left."""

    handle: str
    """Of their session."""
    name: str


class Presence:
    """Browsers by participant id.

    `reconnecting(participant_id)` is called when a socket has been lost for a while, `lost` when the
    grace is over.
    """

    def __init__(self, *, reconnecting: Callable[[str], object], lost: Callable[[str], None]) -> None:
        self._reconnecting, self._lost = reconnecting, lost
        self._clients: dict[str, ClientSession] = {}
        self._graces: dict[str, asyncio.TimerHandle] = {}
        self._unannounced: dict[str, asyncio.TimerHandle] = {}
        """Who is lost for so short that nobody has been told."""
        self._left: OrderedDict[str, Known] = OrderedDict()

    def get(self, participant_id: str) -> ClientSession | None:
        return self._clients.get(participant_id)

    def items(self) -> list[tuple[str, ClientSession]]:
        """A copy, in the order the seats were taken."""
        return list(self._clients.items())

    def take(self, participant_id: str, client: ClientSession) -> None:
        self._clients[participant_id] = client

    def free(self, participant_id: str, name: str) -> ClientSession | None:
        """Who sat there; `name` is kept with their handle for a report that comes after."""
        self.back(participant_id)
        client = self._clients.pop(participant_id, None)
        if client is not None:
            self._left[participant_id] = Known(client.session.handle, name)
            if len(self._left) > REMEMBERED:
                self._left.popitem(last=False)
        return client

    def left(self, participant_id: str) -> Known | None:
        """Somebody who sat here a while ago."""
        return self._left.get(participant_id)

    def ids(self, handle: str) -> set[str]:
        """The participant ids under which a session sits here, or sat here a while ago."""
        here = {id for id, client in self._clients.items() if client.session.handle == handle}
        return here | {id for id, known in self._left.items() if known.handle == handle}

    def close(self) -> list[ClientSession]:
        """Free all seats; who sat there."""
        for timer in (*self._graces.values(), *self._unannounced.values()):
            timer.cancel()
        self._graces.clear()
        self._unannounced.clear()
        clients = list(self._clients.values())
        self._clients.clear()
        return clients

    # ------------------------------------------------------------ graces

    def reconnecting(self, participant_id: str) -> bool:
        """Their socket is lost and the seat kept."""
        return participant_id in self._graces

    def announce(self, participant_id: str, seconds: float) -> None:
        """Say so long from now that they are reconnecting, unless they are back before."""
        loop = asyncio.get_running_loop()
        self._unannounced[participant_id] = loop.call_later(seconds, self._announce, participant_id)

    def keep(self, participant_id: str, seconds: float) -> None:
        """Keep the seat so long from now."""
        if participant_id in self._graces:
            self._graces[participant_id].cancel()
        loop = asyncio.get_running_loop()
        self._graces[participant_id] = loop.call_later(seconds, self._over, participant_id)

    def back(self, participant_id: str) -> None:
        """They are here again, or gone for good."""
        for timers in (self._graces, self._unannounced):
            timer = timers.pop(participant_id, None)
            if timer is not None:
                timer.cancel()

    def _announce(self, participant_id: str) -> None:
        self._unannounced.pop(participant_id, None)
        if participant_id in self._graces:
            self._reconnecting(participant_id)

    def _over(self, participant_id: str) -> None:
        self.back(participant_id)
        self._lost(participant_id)
