"""ICE servers for browsers and the media plane, from COTURN_SERVER and its secret.

Time-limited credentials as in draft-uberti-behave-turn-rest-00, which coturn's
`use-auth-secret` implements: username `expiry:opaque`, password
base64(HMAC-SHA1(secret, username)).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass

from voicebot.errors import SettingsError
from voicebot.signaling.messages import IceServer

CREDENTIAL_SECONDS = 600
_SERVER = re.compile(
    r"""(?:(?P<scheme>stuns?|turns?):)?
        (?P<host>[^\s:/?\[\]]+)
        (?::(?P<port>\d{1,5}))?
        (?:\?transport=(?P<transport>udp|tcp))?""",
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True)
class IcePlan:
    """What to give to RTCPeerConnection, and for how long it is good."""

    servers: tuple[IceServer, ...] = ()
    expires_s: float | None = None
    relay: bool = False
    """A TURN server with credentials is among them."""
    warning: str = ""


def ice_plan(server: str, secret: str, user: str, now: float) -> IcePlan:
    """The ICE servers for one user at Unix time `now`.

    `server` is a `turn:`, `turns:` or `stun:` URI or a bare host with an optional port;
    several may be separated by commas. `user` is opaque: never a name or an address.

    Raises:
        SettingsError: COTURN_SERVER cannot be read.
    """
    stun, turn = _urls(server)
    servers = [IceServer(urls=stun)] if stun else []
    if not turn:
        return IcePlan(tuple(servers))
    if not secret:  # browsers refuse a turn: URI without credentials
        warning = (
            "COTURN_SECRET is not set, so COTURN_SERVER gives addresses (STUN) only and cannot relay: "
            "set it to coturn's static-auth-secret."
        )
        return IcePlan(tuple(servers), warning=warning)
    username = f"{int(now) + CREDENTIAL_SECONDS}:{user}"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    credential = base64.b64encode(digest).decode()
    servers.append(IceServer(urls=turn, username=username, credential=credential))
    return IcePlan(tuple(servers), float(CREDENTIAL_SECONDS), relay=True)


def _urls(value: str) -> tuple[list[str], list[str]]:
    """STUN and TURN URIs, in the order of preference."""
    stun: list[str] = []
    turn: list[str] = []
    for part in filter(None, (p.strip() for p in value.split(","))):
        match = _SERVER.fullmatch(part)
        if match is None or not 0 < int(match["port"] or 1) < 65536 or not _is_host(match["host"]):
            bare = (
                "An IPv6 address needs a host name, since agents cannot use it bare. " if "[" in part else ""
            )
            raise SettingsError(
                f"COTURN_SERVER={part!r} is not a TURN server.",
                hint=bare + "Write turn:host:3478, turns:host, or a bare host name.",
            )
        scheme, transport = (match["scheme"] or "").lower(), (match["transport"] or "").lower()
        secure = scheme in {"turns", "stuns"}
        address = f"{match['host']}:{match['port'] or (5349 if secure else 3478)}"
        if not secure and transport != "tcp":
            stun.append(f"stun:{address}")
        if scheme in {"stun", "stuns"}:
            continue
        transports = [transport] if transport else ["tcp"] if secure else ["udp", "tcp"]
        turn += [f"{'turns' if secure else 'turn'}:{address}?transport={t}" for t in transports]
    return stun, turn


def _is_host(name: str) -> bool:
    """Whether a resolver can be asked for it: no empty or overlong part."""
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return True
