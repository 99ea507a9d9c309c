"""By which addresses this server may be used, and from the pages of which origins.

A page of any website can make its own name point to this machine (DNS rebinding) and would then be
of the server's own origin. So a name must be one that no website can have: an address in numbers, a
name without a dot or below a suffix kept from the public DNS, this machine's own name, or PUBLIC_URL's.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from voicebot.settings import is_loopback

_DEFAULT_PORTS = {"http": 80, "https": 443}
_ORIGIN = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[0-9a-z._-]+)(?::([0-9]{1,5}))?")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[0-9a-z._-]+)(?::([0-9]{1,5}))?")
_LOCAL_SUFFIXES = (".local", ".lan", ".internal", ".home.arpa", ".test")
"""Kept from the public DNS by RFC 6762 (mDNS), RFC 8375, RFC 6761 and ICANN, or never given out by it."""

Origin = tuple[str, str, int]


def parse_origin(text: str) -> Origin | None:
    """(http or https, host, port) of an Origin header; None for "null" and whatever has more or less."""
    found = _ORIGIN.fullmatch(text.lower())
    if found is None:
        return None
    scheme, host, port = found.groups()
    number = int(port) if port else _DEFAULT_PORTS[scheme]
    return (scheme, host, number) if 0 < number < 65536 else None


def parse_host(text: str) -> str | None:
    """The name or address in a Host header, without the port; None when it is not one."""
    found = _HOST.fullmatch(text.lower())
    if found is None or not 0 < int(found[2] or 80) < 65536:
        return None
    return found[1]


def is_loopback_name(name: str) -> bool:
    """Whether only this machine's own programs can mean themselves by it."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and address.is_loopback


class Addresses:
    """`public_url` and `host` are the settings PUBLIC_URL and HOST."""

    def __init__(self, public_url: str = "", host: str = "127.0.0.1") -> None:
        self._public: Origin | None = None
        if public_url:
            parts = urlsplit(public_url)
            self._public = parse_origin(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")
        own = {socket.gethostname().lower()}
        if host:
            own.add(host.lower())
        self._own = own
        self._this_machine_only = is_loopback(host)

    @property
    def public(self) -> Origin | None:
        """The origin of PUBLIC_URL."""
        return self._public

    def known(self, name: str) -> bool:
        """Whether no website of others can be at this name."""
        if is_loopback_name(name) or name in self._own:
            return True
        if self._public is not None and name == self._public[1]:
            return True
        if _address(name) is not None:
            return True
        if self._this_machine_only:
            # somebody else in the network could answer for a local name, and mean this machine
            return any(name == f"{own.partition('.')[0]}.local" for own in self._own)
        return "." not in name or name.endswith(_LOCAL_SUFFIXES)

    def host_allowed(self, headers: Headers) -> bool:
        """Whether the one Host header names this server."""
        hosts = headers.getlist("host")
        name = parse_host(hosts[0]) if len(hosts) == 1 else None
        return name is not None and self.known(name)

    def origin_allowed(self, headers: Headers, scheme: str) -> bool:
        """Whether the one Origin header is that of this server as it was addressed, or of PUBLIC_URL.

        `scheme` is how the request came: http, https, ws or wss.
        """
        origins = headers.getlist("origin")
        origin = parse_origin(origins[0]) if len(origins) == 1 else None
        if origin is None or not self.host_allowed(headers):
            return False
        own = parse_origin(f"{scheme.replace('ws', 'http', 1)}://{headers['host']}")
        return origin in (own, self._public)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return None
