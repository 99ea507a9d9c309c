"""Writes a turnserver.conf with which coturn relays only between people in lobbies."""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

from voicebot.errors import SettingsError
from voicebot.signaling.turn_uri import PORT, SECURE_PORT, parse_addresses

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Denied:
    """Addresses that a TURN server must not relay to."""

    network: str
    what: str
    example: str
    """An address in the network, for `voicebot doctor` to test."""
    private: bool = False
    """Whether people on a local network have such addresses, so that --allow-private opens the network."""

    @property
    def range(self) -> str:
        """The range for coturn's denied-peer-ip, which does not support prefix lengths.

        It starts after ::, because coturn applies a range from :: to all of IPv4, and never relays to ::.
        """
        network = ipaddress.ip_network(self.network)
        first = network[1] if str(network[0]) == "::" else network[0]
        return f"{first}-{network[-1]}"


DENIED = (
    # IANA's IPv4 special-purpose registry, and multicast
    Denied("0.0.0.0/8", "this network; Linux takes it for this machine", "0.0.0.0"),
    Denied("10.0.0.0/8", "private", "10.0.0.1", private=True),
    Denied("100.64.0.0/10", "carrier-grade NAT", "100.64.0.1", private=True),
    Denied("127.0.0.0/8", "loopback", "127.0.0.1"),
    Denied("169.254.0.0/16", "link-local, with the clouds' metadata servers", "169.254.169.254"),
    Denied("172.16.0.0/12", "private", "172.16.0.1", private=True),
    Denied("192.0.0.0/24", "IETF protocols, and Oracle Cloud's metadata server", "192.0.0.192"),
    Denied("192.0.2.0/24", "documentation", "192.0.2.1"),
    Denied("192.31.196.0/24", "AS112: answers for private names", "192.31.196.1"),
    Denied("192.52.193.0/24", "multicast tunnels (AMT)", "192.52.193.1"),
    Denied("192.88.99.0/24", "6to4 relays", "192.88.99.1"),
    Denied("192.168.0.0/16", "private", "192.168.0.1", private=True),
    Denied("192.175.48.0/24", "AS112: answers for private names", "192.175.48.1"),
    Denied("198.18.0.0/15", "benchmarks", "198.18.0.1"),
    Denied("198.51.100.0/24", "documentation", "198.51.100.1"),
    Denied("203.0.113.0/24", "documentation", "203.0.113.1"),
    Denied("224.0.0.0/4", "multicast", "224.0.0.1"),
    Denied("240.0.0.0/4", "reserved and broadcast", "255.255.255.255"),
    # IPv6: everything outside 2000::/3, the only allocated range, and the special ranges inside it
    Denied("::/3", "reserved", "1000::1"),
    Denied("::1/128", "loopback", "::1"),
    Denied("::/96", "deprecated IPv4 in IPv6", "::7f00:1"),
    Denied("::ffff:0:0/96", "IPv4 in IPv6, loopback and all", "::ffff:127.0.0.1"),
    Denied("::ffff:0:0:0/96", "SIIT: IPv4 again", "::ffff:0:7f00:1"),
    Denied("64:ff9b::/96", "NAT64: IPv4 again", "64:ff9b::7f00:1"),
    Denied("64:ff9b:1::/48", "local NAT64", "64:ff9b:1::7f00:1"),
    Denied("100::/64", "discarded", "100::1"),
    Denied("100:0:0:1::/64", "a dummy prefix", "100:0:0:1::1"),
    Denied("2001::/23", "IETF protocols, benchmarks, ORCHID", "2001:20::1"),
    Denied("2001::/32", "Teredo: IPv4 again", "2001::1"),
    Denied("2001:db8::/32", "documentation", "2001:db8::1"),
    Denied("2002::/16", "6to4: IPv4 again", "2002:7f00:1::1"),
    Denied("2620:4f:8000::/48", "AS112: answers for private names", "2620:4f:8000::1"),
    Denied("3fff::/20", "documentation", "3fff::1"),
    Denied("4000::/2", "reserved", "4000::1"),
    Denied("5f00::/16", "segment routing", "5f00::1"),
    Denied("8000::/2", "reserved", "8000::1"),
    Denied("c000::/3", "reserved", "c000::1"),
    Denied("e000::/4", "reserved", "e000::1"),
    Denied("f000::/5", "reserved", "f000::1"),
    Denied("f800::/6", "reserved", "f800::1"),
    Denied("fc00::/7", "unique local", "fd00::1", private=True),
    Denied("fe00::/9", "reserved", "fe00::1"),
    Denied("fe80::/10", "link-local", "fe80::1"),
    Denied("fec0::/10", "site-local", "fec0::1"),
    Denied("ff00::/8", "multicast", "ff02::1"),
    # metadata servers of clouds, which give out keys: outside the ranges above, or inside a private one and
    # denied even if that is open
    Denied("100.100.100.200/32", "Alibaba Cloud's metadata server", "100.100.100.200"),
    Denied("168.63.129.16/32", "Azure's metadata server", "168.63.129.16"),
    Denied("fd00:100::100:200/128", "Alibaba Cloud's metadata server", "fd00:100::100:200"),
    Denied("fd00:a9fe:a9fe::1/128", "Akamai's metadata server (Linode)", "fd00:a9fe:a9fe::1"),
    Denied("fd00:42::42/128", "Scaleway's metadata server", "fd00:42::42"),
    Denied("fd00:c1::a9fe:a9fe/128", "Oracle Cloud's metadata server", "fd00:c1::a9fe:a9fe"),
    Denied("fd00:ec2::/32", "AWS's metadata server, and its other services", "fd00:ec2::254"),
    Denied("fd20:ce::254/128", "Google Cloud's metadata server", "fd20:ce::254"),
)
"""IPv4 addresses in a site's own IPv6 prefix (NAT64, 6rd, ISATAP) cannot be listed."""


@dataclass(frozen=True)
class CoturnOptions:
    """The options of `voicebot coturn`."""

    realm: str
    secret: str = field(repr=False)
    port: int = PORT
    tls_port: int = SECURE_PORT
    min_port: int = 49152
    max_port: int = 65535
    cert: Path | None = None
    key: Path | None = None
    listening_ip: str = ""
    external_ip: str = ""
    """PUBLIC or, behind NAT, PUBLIC/PRIVATE."""
    allow_private: bool = False
    user_quota: int = 100
    total_quota: int = 1200
    max_bps: int = 500_000


def new_secret() -> str:
    """Return a random secret of 256 bits."""
    return secrets.token_urlsafe(32)


def default_realm(server: str, public_url: str) -> str:
    """Return the host of COTURN_SERVER, or else of PUBLIC_URL. Raises SettingsError."""
    names = [address.host for address in parse_addresses(server) if address.is_name]
    return (names or [urlsplit(public_url).hostname or "voicebot"])[0]


def turnserver_conf(options: CoturnOptions) -> str:
    """Return the text of turnserver.conf. Raises SettingsError on an invalid option."""
    _check(options)
    template = (files("voicebot.signaling") / "templates" / "turnserver.conf").read_text("utf-8")
    return Template(template).substitute(
        secret=options.secret,
        realm=options.realm,
        port=options.port,
        listening="\n".join(_listening(options)),
        min_port=options.min_port,
        max_port=options.max_port,
        tls="\n".join(_tls(options)),
        user_quota=options.user_quota,
        total_quota=options.total_quota,
        max_bps=options.max_bps,
        denied="\n".join(_denied(options)),
    )


def _listening(options: CoturnOptions) -> Iterator[str]:
    if options.listening_ip:
        yield f"listening-ip={options.listening_ip}"
        yield f"relay-ip={options.listening_ip}"
    else:
        yield "# on every address of the machine; listening-ip= and relay-ip= choose one"
    if options.external_ip:
        yield f"external-ip={options.external_ip}"


def _tls(options: CoturnOptions) -> Iterator[str]:
    if options.cert is None:
        yield "# a certificate makes COTURN_SERVER=turns:HOST work: voicebot coturn --cert ... --key ..."
        yield "no-tls"
        return
    yield f"tls-listening-port={options.tls_port}"
    yield f"cert={options.cert}"
    yield f"pkey={options.key}"


def _denied(options: CoturnOptions) -> Iterator[str]:
    for denied in DENIED:
        line = f"denied-peer-ip={denied.range}"
        yield f"# {denied.network}: {denied.what}"
        yield f"# open for a local network: {line}" if denied.private and options.allow_private else line
    _, _, private = options.external_ip.partition("/")
    if private and not options.allow_private:
        yield "# the relay's own address behind NAT, for two people who both need the relay;"
        yield "# let nothing else on that machine listen for UDP there"
        yield f"allowed-peer-ip={private}"


def _check(options: CoturnOptions) -> None:
    for name, value in (("realm", options.realm), ("secret", options.secret)):
        if not re.fullmatch(r"[!-~]+", value) or "#" in value:
            raise SettingsError(
                f"The {name} cannot be written to turnserver.conf.",
                hint="Use only visible ASCII characters, without spaces and #."
                + (" Change COTURN_SECRET in .env, or remove it for a new one." if name == "secret" else ""),
            )
    for name, value in (("listening-ip", options.listening_ip), ("external-ip", options.external_ip)):
        for part in filter(None, value.split("/", 1)):
            _check_address(name, part)
    private = options.external_ip.partition("/")[2]
    if private and (what := _never_opened(private)):
        raise SettingsError(
            f"--external-ip would let everybody reach {private} ({what}).",
            hint="After the /, write the private address of the machine that runs coturn, such as 10.0.0.5.",
        )
    if (options.cert is None) != (options.key is None):
        raise SettingsError("TLS needs both a certificate and its key.", hint="Give --cert and --key.")
    if any(character in f"{options.cert}{options.key}" for character in "\r\n"):
        raise SettingsError(
            "A path cannot be written to turnserver.conf.", hint="Use a path without line breaks."
        )
    if not 1024 <= options.min_port <= options.max_port <= 65535:
        raise SettingsError(
            f"{options.min_port}-{options.max_port} is not a valid range of relay ports.",
            hint="Use two numbers from 1024 to 65535, with the smaller one first.",
        )


def _check_address(name: str, text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise SettingsError(
            f"--{name} {text!r} is not an IP address.", hint="Write it like 198.51.100.7, not as a host name."
        ) from None


def _never_opened(address: str) -> str:
    """Return what the address is if no option can open it, else an empty string."""
    ip = ipaddress.ip_address(address)
    found = (one for one in DENIED if not one.private and ip in ipaddress.ip_network(one.network))
    return next((one.what for one in found), "")
