"""Which Host and Origin headers the server accepts.

Any website can point its name to this machine (DNS rebinding), and its pages would then have the
server's own origin. So the server accepts only names that no website can have: IP addresses, names
without a dot or below a suffix that is not in the public DNS, this machine's name, and PUBLIC_URL's.
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
"""Not in the public DNS: RFC 6762 (mDNS), RFC 8375, RFC 6761 and ICANN. `.lan` was never delegated."""

Origin = tuple[str, str, int]


def parse_origin(text: str) -> Origin | None:
    """Return (http or https, host, port) of an Origin header; None for "null" and anything malformed."""
    found = _ORIGIN.fullmatch(text.lower())
    if found is None:
        return None
    scheme, host, port = found.groups()
    number = int(port) if port else _DEFAULT_PORTS[scheme]
    return (scheme, host, number) if 0 < number < 65536 else None


def parse_host(text: str) -> str | None:
    """Return the name or address in a Host header, without the port; None if it is malformed."""
    found = _HOST.fullmatch(text.lower())
    if found is None or not 0 < int(found[2] or 80) < 65536:
        return None
    return found[1]


def is_loopback_name(name: str) -> bool:
    """Whether the name always means the machine that uses it."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and address.is_loopback


class Addresses:
    """Checks headers against the settings PUBLIC_URL and HOST."""

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
        """Whether no foreign website can have this name."""
        if is_loopback_name(name) or name in self._own:
            return True
        if self._public is not None and name == self._public[1]:
            return True
        if _address(name) is not None:
            return True
        if self._this_machine_only:
            # another machine in the network could answer for a local name and point it here
            return any(name == f"{own.partition('.')[0]}.local" for own in self._own)
        return "." not in name or name.endswith(_LOCAL_SUFFIXES)

    def host_allowed(self, headers: Headers) -> bool:
        """Whether there is exactly one Host header and it names this server."""
        hosts = headers.getlist("host")
        name = parse_host(hosts[0]) if len(hosts) == 1 else None
        return name is not None and self.known(name)

    def origin_allowed(self, headers: Headers, scheme: str) -> bool:
        """Whether there is exactly one Origin header, and it matches the Host header or PUBLIC_URL.

        `scheme` is the request's: http, https, ws or wss.
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
