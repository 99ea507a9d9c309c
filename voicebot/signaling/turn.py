"""ICE servers for browsers and the media plane, from COTURN_SERVER and COTURN_SECRET.

Credentials are time-limited as in draft-uberti-behave-turn-rest-00, which coturn implements as
`use-auth-secret`: the username is `expiry:opaque`, the password base64(HMAC-SHA1(secret, username)). If
coturn's clock is ahead by more than `CREDENTIAL_SECONDS`, it refuses everybody.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from voicebot.signaling.messages import IceServer
from voicebot.signaling.turn_uri import Route, TurnAddress, default_routes, parse_addresses

CREDENTIAL_SECONDS = 600

IceRung = Literal["all", "relay_udp", "relay_tcp"]
"""What successive attempts may use: everything, a relay over UDP, a relay over TCP or TLS."""


@dataclass(frozen=True)
class IcePlan:
    """ICE servers for an RTCPeerConnection, and how long their credentials are valid."""

    servers: tuple[IceServer, ...] = ()
    expires_s: float | None = None
    relay: bool = False
    """Whether a TURN server with credentials is among them."""
    warning: str = ""

    def for_rung(self, rung: IceRung) -> IcePlan:
        """Return the part that this rung may use. If `relay` is False in the result, skip the rung."""
        if rung == "all":
            return self
        kept = []
        for server in self.servers:
            urls = [url for url in server.urls if server.username is not None and _rung(url) == rung]
            if urls:
                kept.append(server.model_copy(update={"urls": urls}))
        return replace(self, servers=tuple(kept), relay=bool(kept))

    @property
    def rungs(self) -> tuple[IceRung, ...]:
        """The rungs for which there are servers, in order."""
        relays: tuple[IceRung, ...] = ("relay_udp", "relay_tcp")
        return ("all", *(rung for rung in relays if self.for_rung(rung).relay))


def _rung(url: str) -> IceRung:
    return "relay_udp" if url.startswith("turn:") and url.endswith("=udp") else "relay_tcp"


def ice_plan(
    server: str,
    secret: str,
    user: str,
    now: float,
    routes: Callable[[TurnAddress], Sequence[Route]] = default_routes,
) -> IcePlan:
    """Return the ICE servers for a user at Unix time `now`.

    `server` is the setting COTURN_SERVER: URIs (`turn:`, `turns:`, `stun:`, `stuns:`) or hosts, separated
    by commas. `user` is opaque, never a name or an address. `routes` resolves each server, by DNS for
    example.

    Raises:
        SettingsError: COTURN_SERVER is invalid.
    """
    addresses = parse_addresses(server)
    found = list(dict.fromkeys(route for address in addresses for route in routes(address)))
    stun = [route.url for route in found if route.scheme.startswith("stun")]
    turn = [route.url for route in found if route.scheme.startswith("turn")]
    warnings = []
    if any(a.scheme == "turns" and a.transport == "udp" for a in addresses):
        warnings.append(
            "COTURN_SERVER asks for turns: over UDP (DTLS), which neither browsers nor agents support, "
            "so it is not used. Write turns:host for TLS over TCP."
        )
    servers = [IceServer(urls=stun)] if stun else []
    if turn and not secret:  # browsers refuse a turn: URI without credentials
        warnings.append(
            "COTURN_SECRET is not set, so COTURN_SERVER is used for STUN only and cannot relay. "
            "Set it to coturn's static-auth-secret."
        )
    if not turn or not secret:
        return IcePlan(tuple(servers), warning=" ".join(warnings))
    username, credential = credentials(secret, user, now)
    servers.append(IceServer(urls=turn, username=username, credential=credential))
    return IcePlan(tuple(servers), float(CREDENTIAL_SECONDS), relay=True, warning=" ".join(warnings))


def credentials(secret: str, user: str, now: float, seconds: float = CREDENTIAL_SECONDS) -> tuple[str, str]:
    """Return the username and password for `user`, valid until `seconds` after Unix time `now`."""
    username = f"{int(now + seconds)}:{user}"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(digest).decode()
