"""Where a request comes from: an address, and the networks around it that one site or one provider has."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

from starlette.requests import HTTPConnection

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_WIDTHS = {4: (32, 24, 16), 6: (64, 48, 32)}
"""Prefix lengths: one customer's (of IPv6 that is a network), one site's, and (a part of) a provider's."""
_TRANSLATED = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::ffff:0:0:0/96"))
"""IPv4 behind a translator (NAT64, SIIT): its last 32 bits."""


def address_of(connection: HTTPConnection) -> str:
    """Where it comes from: an IPv4 address, or the /64 of an IPv6 one, which is one customer's.

    Empty for this machine, where a proxy that does not tell may stand for many people.
    """
    host = connection.client.host if connection.client is not None else ""
    try:
        address = _plain(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        return ""
    return "" if address.is_loopback else _network(address, 0)


@lru_cache(maxsize=1024)
def networks_of(address: str) -> tuple[str, ...]:
    """The address, given as by `address_of`, its site and its provider, in this order; none of this machine.

    Somebody may have any number of addresses, of few sites, of very few providers.
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
    """The IPv4 address within an IPv6 one: whoever has it has all of these, too."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if any(address in network for network in _TRANSLATED):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo is not None else address)
