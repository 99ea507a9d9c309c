"""What a server needs to share its store with other servers behind one address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp

from voicebot.clock import Clock
from voicebot.server.cluster.channels import Channel
from voicebot.server.cluster.nodes import Nodes
from voicebot.server.cluster.remote import Remote
from voicebot.server.cluster.request_proxy import RequestProxy
from voicebot.server.cluster.router import LobbyRouter
from voicebot.server.cluster.socket_proxy import SocketProxy
from voicebot.server.cluster.takeover import Takeover
from voicebot.server.lobby.lobbies import Lobbies
from voicebot.server.net.drain import Drain
from voicebot.server.net.limits import Limits
from voicebot.server.net.security import SessionCookie
from voicebot.server.sessions.sessions import Sessions
from voicebot.store.shared import SharedStore


class Cluster:
    """`ready()` says whether this server may take over lobbies of others."""

    def __init__(
        self,
        store: SharedStore,
        sessions: Sessions,
        lobbies: Lobbies,
        *,
        cookie: SessionCookie,
        clock: Clock,
        limits: Limits,
        drain: Drain,
        ready: Callable[[], bool],
    ) -> None:
        self._sessions = sessions
        self._remote: Remote | None = None
        self._nodes = Nodes(store, self._serve)
        self._takeover = Takeover(store, lobbies.adopt, able=lambda: ready() and not drain.active)
        self.router = LobbyRouter(self._nodes, sessions, lobbies.controllers, self._takeover.adopt)
        self.socket_proxy = SocketProxy(self._nodes, self.router, clock=clock, limits=limits, drain=drain)
        self.request_proxy = RequestProxy(self._nodes, self.router, sessions, cookie)

    @property
    def forwarded(self) -> int:
        """Number of sockets and requests that this server forwards."""
        return self._nodes.forwarded

    async def start(self, app: ASGIApp) -> None:
        """Run `app` on what other servers forward. Raises StoreError."""
        self._remote = Remote(app, self._sessions)
        await self._nodes.start()
        self._takeover.start()

    async def aclose(self) -> None:
        """Close forwarded sockets with 1012. Safe to call twice."""
        await self._takeover.aclose()
        await self._nodes.aclose()

    async def _serve(self, channel: Channel, opening: dict[str, Any]) -> None:
        assert self._remote is not None
        await self._remote.serve(channel, opening)
