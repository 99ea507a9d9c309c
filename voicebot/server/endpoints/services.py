"""What the HTTP routes and the WebSocket endpoint are wired to."""

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
    """Make a lobby in a browser's name, whose session is its host. Raises SignalingError."""

    async def __call__(
        self, name: str, slug: str | None, settings: LobbySettings, maker: Maker
    ) -> LobbyController: ...


@dataclass(frozen=True)
class Services:
    """Made by the composition root (`voicebot.server.hosting`) and by tests."""

    sessions: Sessions
    cookie: SessionCookie
    lobbies: Mapping[str, LobbyController]
    create_lobby: LobbyFactory
    close_lobby: Callable[[str, str], Coroutine[Any, Any, None]]
    """Of an id, with the reason that everyone in it is told."""
    ice: Callable[[str], IcePlan]
    swap_stt: Callable[[str], Awaitable[None]]
    model_names: Callable[[], dict[str, str]]
    model_options: Callable[[SwapRole], list[str]]
    """For a role (stt, tts, llm), what people in a lobby may swap in."""
    problems: Callable[[], Awaitable[dict[str, str]]]
    """What keeps people from coming in, by part; empty when nothing does."""
    warnings: Callable[[], dict[str, str]]
    """What is amiss though people can come in, by part."""
    spawn: Callable[[Coroutine[Any, Any, None], str], None]
    client: StaticClient
    addresses: Addresses
    conversations: Path
    """The folder of the recorded ones."""
    clock: Clock
    limits: Limits
    rate_limits: RateLimits
    telemetry: Telemetry
    drain: Drain
    metrics_token: str = field(default="", repr=False)
    cluster: Cluster | None = None
    """Other servers on the same store."""


async def services(request: Request) -> Services:
    """Those of the application that a request came to."""
    found: Services = request.app.state.services
    return found
