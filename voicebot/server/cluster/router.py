"""Decides which of the servers on one store serves a socket or a request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from voicebot.server.cluster.channels import ChannelLost
from voicebot.server.cluster.forwarded import Arrival, Onward
from voicebot.server.cluster.nodes import Nodes
from voicebot.server.lobby.controller import LobbyController
from voicebot.server.sessions.client_session import ClientSession
from voicebot.server.sessions.sessions import Sessions
from voicebot.signaling.frames import Malformed, read
from voicebot.signaling.messages import JoinLobby

ATTACH_SECONDS = 3.0
"""How long another server may take to accept or to release a socket."""


class LobbyRouter:
    """Finds the server that has a lobby.

    `lobbies` are those of this server. `adopt(lobby_id)` takes over a stored lobby without a server.
    """

    def __init__(
        self,
        nodes: Nodes,
        sessions: Sessions,
        lobbies: Mapping[str, LobbyController],
        adopt: Callable[[str], Awaitable[None]],
    ) -> None:
        self._nodes, self._sessions, self._lobbies, self._adopt = nodes, sessions, lobbies, adopt

    def is_local(self, lobby_id: str) -> bool:
        """Whether this server has the lobby."""
        return lobby_id in self._lobbies

    async def server_of(self, lobby_id: str) -> str | None:
        """Return the name of the other server that has this lobby; None if it is here or nowhere.

        Raises StoreError.
        """
        if self.is_local(lobby_id):
            return None
        name = await self._nodes.holder(lobby_id)
        if name is None:
            await self._adopt(lobby_id)
            if not self.is_local(lobby_id):  # another server was faster
                name = await self._nodes.holder(lobby_id)
        return name

    async def server_for(self, client: ClientSession) -> str | None:
        """Return the name of the other server that has the client's seat, or None. Raises StoreError."""
        if client.place is not None:
            return None
        seat = await self._sessions.seat_of(client.session.handle)
        return await self.server_of(seat.lobby_id) if seat is not None else None

    async def onward(self, client: ClientSession, frame: str, at: str | None) -> Onward | None:
        """Return where the socket moves if this frame joins a lobby of another server than `at`.

        Frees a seat that the session has on a third server. Raises StoreError.
        """
        if '"join_lobby"' not in frame:  # most frames need not be parsed here
            return None
        try:
            message = read(frame)
        except Malformed:
            return None
        if not isinstance(message, JoinLobby):
            return None
        to = await self.server_of(message.lobby)
        if at is not None or client.place is None:
            await self._leave(client, {at, to}, message.lobby)
        return None if to == at else Onward(to, Arrival(established=True, frame=frame))

    async def _leave(self, client: ClientSession, servers: set[str | None], lobby_id: str) -> None:
        """Free the seat of the session, unless it is in this lobby or on one of these servers."""
        seat = await self._sessions.seat_of(client.session.handle)
        if seat is None or seat.lobby_id == lobby_id:
            return
        if self.is_local(seat.lobby_id):
            if None not in servers:
                client.leave_for(None)
            return
        name = await self._nodes.holder(seat.lobby_id)
        if name is None or name in servers:
            return
        channel = self._nodes.channel(name)
        try:
            async with asyncio.timeout(ATTACH_SECONDS):
                await channel.send("open", {"type": "leave", "session": client.session.handle})
                await channel.receive()
        except (ChannelLost, TimeoutError):
            pass  # that server is gone, and its seats with it
        finally:
            channel.abandon()
