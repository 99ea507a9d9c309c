"""What a server needs to share its store with other servers behind one address."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp

from voicebot.clock import Clock
from voicebot.server.cluster.nodes import Nodes
from voicebot.server.cluster.remote import Remote
from voicebot.server.cluster.router import LobbyRouter
from voicebot.server.cluster.socket_proxy import SocketProxy
from voicebot.server.cluster.takeover import Takeover
from voicebot.server.lobby.lobbies import Lobbies
from voicebot.server.net.drain import Drain
from voicebot.server.net.limits import Limits
from voicebot.server.sessions.sessions import Sessions
from voicebot.store.shared import SharedStore


class Cluster:
    """This server's part in a group of servers that share a store.

    `ready()` says whether this server may take over lobbies of others.
    """

    def __init__(
        self,
        store: SharedStore,
        sessions: Sessions,
        lobbies: Lobbies,
        *,
        clock: Clock,
        limits: Limits,
        drain: Drain,
        ready: Callable[[], bool],
    ) -> None:
        self._sessions = sessions
        self.nodes = Nodes(store)
        self._takeover = Takeover(store, lobbies.adopt, able=lambda: ready() and not drain.active)
        self.router = LobbyRouter(self.nodes, sessions, lobbies.controllers, self._takeover.adopt)
        self.socket_proxy = SocketProxy(self.nodes, self.router, clock=clock, limits=limits, drain=drain)

    async def start(self, app: ASGIApp) -> None:
        """Run `app` on what other servers forward. Raises StoreError."""
        await self.nodes.start(Remote(app, self._sessions).serve)
        self._takeover.start()

    async def aclose(self) -> None:
        """Close forwarded sockets with 1012. Safe to call twice."""
        await self._takeover.aclose()
        await self.nodes.aclose()
