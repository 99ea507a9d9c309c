"""The client address of a request, and the site and provider networks that contain it."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from starlette.requests import HTTPConnection

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_WIDTHS = {4: (32, 24, 16), 6: (64, 48, 32)}
"""Prefix lengths of a customer, a site and a provider, by IP version."""
_TRANSLATED = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::ffff:0:0:0/96"))
"""Prefixes of NAT64 (RFC 6052) and SIIT (RFC 2765): the last 32 bits are an IPv4 address."""


def address_of(connection: HTTPConnection) -> str:
    """Return the client's IPv4 address, or the /64 of its IPv6 address, because a customer gets a whole /64.

    Returns an empty string for loopback: a proxy on this machine may carry many people.
    """
    host = connection.client.host if connection.client is not None else ""
    try:
        address = _plain(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        return ""
    return "" if address.is_loopback else _network(address, 0)


@lru_cache(maxsize=1024)
def networks_of(address: str) -> tuple[str, ...]:
    """Return the address itself, its site and its provider; nothing for the empty address.

    `address` comes from `address_of`. An attacker can have many addresses, but few sites and very few
    providers.
    """
    if not address:
        return ()
    try:
        first = ipaddress.ip_network(address)[0]
    except ValueError:
        return (address,)
    return tuple(_network(first, level) for level in range(3))


def _network(address: Address, level: int) -> str:
    network = ipaddress.ip_network((address, _WIDTHS[address.version][level]), strict=False)
    return str(network[0]) if network.num_addresses == 1 else str(network)


def _plain(address: Address) -> Address:
    """Return the IPv4 address inside an IPv6 one: its owner owns all these spellings, too."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if any(address in network for network in _TRANSLATED):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo is not None else address)
