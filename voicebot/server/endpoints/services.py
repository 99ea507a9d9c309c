"""What the HTTP routes and the WebSocket endpoint need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fastapi import Request

from voicebot.agent.models.models import SwapRole
from voicebot.clock import Clock
from voicebot.server.cluster.cluster import Cluster
from voicebot.server.endpoints.static_client import StaticClient
from voicebot.server.lobby.controller import LobbyController
from voicebot.server.lobby.quotas import Maker
from voicebot.server.net.addresses import Addresses
from voicebot.server.net.drain import Drain
from voicebot.server.net.limits import Limits
from voicebot.server.net.rate_limits import RateLimits
from voicebot.server.net.security import SessionCookie
from voicebot.server.sessions.sessions import Sessions
from voicebot.server.telemetry.telemetry import Telemetry
from voicebot.signaling.messages import LobbySettings
from voicebot.signaling.turn import IcePlan


class LobbyFactory(Protocol):
    """Creates a lobby for a client, whose session becomes its owner. Raises SignalingError."""

    async def __call__(
        self, name: str, slug: str | None, settings: LobbySettings, maker: Maker
    ) -> LobbyController: ...


@dataclass(frozen=True)
class Services:
    """Built by `voicebot.server.hosting`."""

    sessions: Sessions
    cookie: SessionCookie
    lobbies: Mapping[str, LobbyController]
    create_lobby: LobbyFactory
    close_lobby: Callable[[str, str], Coroutine[Any, Any, None]]
    """Takes the id, and the reason for everybody in the lobby."""
    ice: Callable[[str], IcePlan]
    swap_stt: Callable[[str], Awaitable[None]]
    model_names: Callable[[], dict[str, str]]
    model_options: Callable[[SwapRole], list[str]]
    """The models of a role that people in a lobby may swap in."""
    problems: Callable[[], Awaitable[dict[str, str]]]
    """What keeps people from coming in, by part."""
    warnings: Callable[[], dict[str, str]]
    """Problems that do not keep people out, by part."""
    spawn: Callable[[Coroutine[Any, Any, None], str], None]
    client: StaticClient
    addresses: Addresses
    conversations: Path
    """The folder of recorded conversations."""
    clock: Clock
    limits: Limits
    rate_limits: RateLimits
    telemetry: Telemetry
    drain: Drain
    metrics_token: str = field(default="", repr=False)
    cluster: Cluster | None = None
    """Set if the store is shared with other servers."""


async def services(request: Request) -> Services:
    """The services of the request's application."""
    found: Services = request.app.state.services
    return found
