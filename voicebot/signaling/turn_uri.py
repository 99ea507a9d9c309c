"""Parses COTURN_SERVER: STUN and TURN URIs (RFC 7064, RFC 7065) and bare hosts."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal

from voicebot.errors import SettingsError
from voicebot.redaction import shown

Scheme = Literal["stun", "stuns", "turn", "turns"]
Transport = Literal["udp", "tcp"]

PORT = 3478
SECURE_PORT = 5349
HINT = (
    "Write turn:host:3478, turns:host, or a bare host name; an IPv6 address in brackets; no user or password."
)
_ADDRESS = re.compile(
    r"""(?:(?P<scheme>stuns?|turns?):)?
        (?:\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<host>[^\s:/?@\[\]]+))
        (?::(?P<port>\d{1,5}))?
        (?:\?transport=(?P<transport>udp|tcp))?""",
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True)
class TurnAddress:
    """One address in COTURN_SERVER. Omitted fields are None."""

    scheme: Scheme | None
    host: str
    """A name or an IP address, without brackets."""
    port: int | None
    transport: Transport | None

    @property
    def secure(self) -> bool:
        """Whether the URI asks for TLS (`turns:` or `stuns:`)."""
        return self.scheme in ("stuns", "turns")

    @property
    def is_name(self) -> bool:
        """Whether `host` is a name to resolve."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return True
        return False


@dataclass(frozen=True)
class Route:
    """One transport and port of one server."""

    scheme: Scheme
    host: str
    port: int
    transport: Transport = "udp"

    @property
    def url(self) -> str:
        """The URL for RTCIceServer. RFC 7064 has no transport for STUN."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        suffix = f"?transport={self.transport}" if self.scheme.startswith("turn") else ""
        return f"{self.scheme}:{host}:{self.port}{suffix}"


def parse_addresses(value: str) -> tuple[TurnAddress, ...]:
    """Parse COTURN_SERVER, servers separated by commas, the preferred one first.

    Raises:
        SettingsError: a part is not the address of a STUN or TURN server.
    """
    return tuple(_parse(part) for part in (p.strip() for p in value.split(",")) if part)


def default_routes(address: TurnAddress) -> tuple[Route, ...]:
    """Return the routes to a server without DNS records: its host at the given or default port."""
    port = address.port or (SECURE_PORT if address.secure else PORT)
    if address.scheme in ("stun", "stuns"):
        return (Route(address.scheme, address.host, port),)
    if address.scheme == "turns":
        # no browser supports TURN over DTLS, nor does aiortc; ice_plan warns about it
        return () if address.transport == "udp" else (Route("turns", address.host, port, "tcp"),)
    transports: tuple[Transport, ...] = (address.transport,) if address.transport else ("udp", "tcp")
    ways = tuple(Route("turn", address.host, port, transport) for transport in transports)
    return ways if address.transport == "tcp" else (Route("stun", address.host, port), *ways)


def _parse(part: str) -> TurnAddress:
    match = _ADDRESS.fullmatch(part)
    if match is None or not 0 < int(match["port"] or 1) < 65536:
        raise _wrong(part)
    scheme, transport = (match["scheme"] or "").lower(), (match["transport"] or "").lower()
    if not (_is_ipv6(match["ipv6"]) if match["ipv6"] else _is_host(match["host"])):
        raise _wrong(part)
    if scheme.startswith("stun") and transport:
        raise _wrong(part, f"Leave out the transport: {scheme}: has none.")
    return TurnAddress(
        scheme or None,  # type: ignore[arg-type]
        match["ipv6"] or match["host"],
        int(match["port"]) if match["port"] else None,
        transport or None,  # type: ignore[arg-type]
    )


def _wrong(part: str, hint: str = HINT) -> SettingsError:
    return SettingsError(f"COTURN_SERVER={shown(part)!r} is not the address of a TURN server.", hint=hint)


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _is_host(name: str) -> bool:
    """Whether it can be resolved: no label is empty or too long."""
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return True
