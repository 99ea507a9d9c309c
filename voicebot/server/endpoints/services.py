"""What the HTTP routes and the WebSocket endpoint need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import Request

from voicebot.agent.models.models import Models
from voicebot.clock import Clock
from voicebot.registry import Progress
from voicebot.server.cluster.cluster import Cluster
from voicebot.server.endpoints.static_client import StaticClient
from voicebot.server.lobby.lobbies import Lobbies
from voicebot.server.net.addresses import Addresses
from voicebot.server.net.drain import Drain
from voicebot.server.net.limits import Limits
from voicebot.server.net.rate_limits import RateLimits
from voicebot.server.net.security import SessionCookie
from voicebot.server.sessions.sessions import Sessions
from voicebot.server.telemetry.telemetry import Telemetry
from voicebot.signaling.turn import IcePlan


@dataclass(frozen=True)
class Services:
    """The parts of one running server. Built by `voicebot.server.hosting`."""

    sessions: Sessions
    cookie: SessionCookie
    lobbies: Lobbies
    models: Models
    progress: Progress
    """Shows the operator how a model is loaded."""
    ice: Callable[[str], IcePlan]
    """Returns fresh ICE servers for a user."""
    problems: Callable[[], Awaitable[dict[str, str]]]
    """Returns what keeps people from coming in, by part."""
    warnings: Callable[[], dict[str, str]]
    """Returns problems that do not keep people out, by part."""
    spawn: Callable[[Coroutine[Any, Any, None], str], None]
    """Runs a coroutine as an owned task of this name."""
    client: StaticClient
    addresses: Addresses
    conversations: Path
    """The folder of recorded conversations."""
    clock: Clock
    limits: Limits
    rate_limits: RateLimits
    telemetry: Telemetry
    drain: Drain
    metrics_token: str = field(repr=False)
    cluster: Cluster | None
    """Set if the store is shared with other servers."""


async def services(request: Request) -> Services:
    """The services of the request's application."""
    found: Services = request.app.state.services
    return found
