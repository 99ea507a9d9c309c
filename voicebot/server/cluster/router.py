"""At which of the servers that share a store a socket or a request belongs."""

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
"""Within this another server has to take a socket, or to let one go."""


class LobbyRouter:
    """`lobbies` are those served here; `adopt(lobby_id)` takes one over that is kept and nobody's."""

    def __init__(
        self,
        nodes: Nodes,
        sessions: Sessions,
        lobbies: Mapping[str, LobbyController],
        adopt: Callable[[str], Awaitable[None]],
    ) -> None:
        self._nodes, self._sessions, self._lobbies, self._adopt = nodes, sessions, lobbies, adopt

    def here(self, lobby_id: str) -> bool:
        """Whether this server has it."""
        return lobby_id in self._lobbies

    async def of_lobby(self, lobby_id: str) -> str | None:
        """The name of the other server that has this lobby; None when it is here, or nowhere.

        Raises:
            StoreError: that cannot be told.
        """
        if self.here(lobby_id):
            return None
        name = await self._nodes.holder(lobby_id)
        if name is None:
            await self._adopt(lobby_id)
            if not self.here(lobby_id):  # another one was faster
                name = await self._nodes.holder(lobby_id)
        return name

    async def of_socket(self, client: ClientSession) -> str | None:
        """Where a browser's new socket belongs, as `of_lobby`. Raises StoreError."""
        if client.place is not None:
            return None
        seat = await self._sessions.seat_of(client.session.handle)
        return await self.of_lobby(seat.lobby_id) if seat is not None else None

    async def onward(self, client: ClientSession, frame: str, here: str | None) -> Onward | None:
        """Whether with this frame a socket that is served `here` goes on elsewhere. Who sits in a lobby
        of a third server leaves it. Raises StoreError."""
        if '"join_lobby"' not in frame:
            return None
        try:
            message = read(frame)
        except Malformed:
            return None
        if not isinstance(message, JoinLobby):
            return None
        to = await self.of_lobby(message.lobby)
        if here is not None or client.place is None:
            await self._leave(client, {here, to}, message.lobby)
        return None if to == here else Onward(to, Arrival(said=True, frame=frame))

    async def _leave(self, client: ClientSession, but: set[str | None], lobby_id: str) -> None:
        """Give up a seat that another socket of the session has got meanwhile, at another server."""
        seat = await self._sessions.seat_of(client.session.handle)
        if seat is None or seat.lobby_id == lobby_id:
            return
        if self.here(seat.lobby_id):
            if None not in but:
                client.leave_for(None)
            return
        name = await self._nodes.holder(seat.lobby_id)
        if name is None or name in but:
            return
        channel = self._nodes.channel(name)
        try:
            async with asyncio.timeout(ATTACH_SECONDS):
                await channel.send("open", {"type": "leave", "session": client.session.handle})
                await channel.receive()
        except (ChannelLost, TimeoutError):
            pass  # that server is about to be missed anyway
        finally:
            channel.abandon()
