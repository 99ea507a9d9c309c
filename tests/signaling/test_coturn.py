from __future__ import annotations

import ipaddress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.errors import SettingsError
from voicebot.signaling.coturn import DENIED, CoturnOptions, default_realm, new_secret, turnserver_conf

PLAIN = CoturnOptions("voice.example.org", "s3cret")
FORBIDDEN = [
    *("0.0.0.0", "10.200.3.4", "100.127.255.255", "127.9.9.9", "169.254.169.254", "172.31.255.255"),
    *("192.168.255.1", "192.0.2.9", "198.19.0.1", "203.0.113.250", "239.1.1.1", "255.255.255.255"),
    *("::1", "::ffff:10.0.0.1", "::10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "2001::a:b", "fe80::1"),
    *("fd12:3456::1", "ff05::2", "2001:db8:1::1"),
]
# https://www.iana.org/assignments/iana-ipv4-special-registry, all entries, and multicast
IANA_IPV4 = [
    *("0.0.0.0/8", "0.0.0.0/32", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
    *("172.16.0.0/12", "192.0.0.0/24", "192.0.0.0/29", "192.0.0.8/32", "192.0.0.9/32", "192.0.0.10/32"),
    *("192.0.0.170/32", "192.0.0.171/32", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24"),
    *("192.88.99.0/24", "192.88.99.2/32", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15"),
    *("198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "255.255.255.255/32", "224.0.0.0/4"),
]
# https://www.iana.org/assignments/iana-ipv6-special-registry, all entries, and what older ones meant
IANA_IPV6 = [
    *("::1/128", "::/128", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64"),
    *("100:0:0:1::/64", "2001::/23", "2001::/32", "2001:1::1/128", "2001:1::2/128", "2001:1::3/128"),
    *("2001:2::/48", "2001:3::/32", "2001:4:112::/48", "2001:10::/28", "2001:20::/28", "2001:30::/28"),
    *("2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7"),
    *("fe80::/10", "fec0::/10", "ff00::/8", "::/96", "::ffff:0:0:0/96"),
]
# https://www.iana.org/assignments/ipv6-address-space: all but 2000::/3
IANA_RESERVED = [
    *("::/8", "100::/8", "200::/7", "400::/6", "800::/5", "1000::/4", "4000::/3", "6000::/3", "8000::/3"),
    *("a000::/3", "c000::/3", "e000::/4", "f000::/5", "f800::/6", "fe00::/9"),
]
PRIVATE = ["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]
METADATA = [  # AWS, Azure, Google, Oracle, Alibaba, Scaleway, OpenStack, Akamai
    *("169.254.169.254", "fd00:ec2::254", "fd00:ec2::23", "168.63.129.16", "fd20:ce::254", "192.0.0.192"),
    *("fd00:c1::a9fe:a9fe", "100.100.100.200", "fd00:42::42", "fe80::a9fe:a9fe"),
    *("fd00:100::100:200", "fd00:a9fe:a9fe::1"),
]
OPEN = ["8.8.8.8", "100.128.0.1", "172.32.0.1", "192.0.1.1", "2600::1", "2a00:1450::1"]


def lines(options: CoturnOptions) -> list[str]:
    return [line for line in turnserver_conf(options).splitlines() if line and not line.startswith("#")]


def denied(conf: list[str], address: str) -> bool:
    """Whether coturn denies the address."""
    ip = ipaddress.ip_address(address)
    for line in conf:
        name, _, value = line.partition("=")
        if name == "denied-peer-ip":
            first, last = (ipaddress.ip_address(end) for end in value.split("-"))
            if first.version == ip.version and first <= ip <= last:  # type: ignore[operator]
                return True
    return False


@pytest.mark.parametrize("address", FORBIDDEN)
def test_addresses_that_must_not_be_reached_are_denied(address: str) -> None:
    assert denied(lines(PLAIN), address)


@pytest.mark.parametrize("address", OPEN)
def test_public_addresses_are_not_denied(address: str) -> None:
    assert not denied(lines(PLAIN), address)


def ends(network: str) -> list[str]:
    """The first and last addresses of a range, and one in the middle."""
    whole = ipaddress.ip_network(network)
    return [str(whole[n]) for n in sorted({0, whole.num_addresses // 2, whole.num_addresses - 1})]


@pytest.mark.parametrize("network", [*IANA_IPV4, *IANA_IPV6, *IANA_RESERVED])
def test_every_special_range_of_iana_is_denied(network: str) -> None:
    """Even the few reachable ones, which have services and no people."""
    # coturn itself relays to :: never, and takes it in a range for all of IPv4
    assert [a for a in ends(network) if not denied(lines(PLAIN), a) and a != "::"] == []


@given(st.ip_addresses())
def test_addresses_that_are_not_global_are_denied(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    special = any(address in ipaddress.ip_network(n) for n in [*IANA_IPV4, *IANA_IPV6, *IANA_RESERVED])
    if special or not address.is_global:
        assert denied(lines(PLAIN), str(address)) or str(address) == "::"


@given(st.ip_addresses())
def test_allocated_public_ranges_stay_open(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    special = [*IANA_IPV4, *IANA_IPV6, *IANA_RESERVED, *METADATA]
    if not any(address in ipaddress.ip_network(network) for network in special):
        assert not denied(lines(PLAIN), str(address))


@pytest.mark.parametrize("address", METADATA)
@pytest.mark.parametrize("options", [PLAIN, replace(PLAIN, allow_private=True)])
def test_metadata_servers_of_clouds_are_denied(options: CoturnOptions, address: str) -> None:
    assert denied(lines(options), address)


@given(st.one_of(st.ip_addresses(), *(st.ip_addresses(network=n) for n in PRIVATE)))
def test_allow_private_keeps_metadata_servers_denied(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    opened = any(address in ipaddress.ip_network(network) for network in PRIVATE)
    service = address in ipaddress.ip_network("fd00:ec2::/32") or str(address) in METADATA
    before, after = (denied(lines(o), str(address)) for o in (PLAIN, replace(PLAIN, allow_private=True)))
    assert after == (service if opened else before)


@pytest.mark.parametrize("private", ["127.0.0.1", "::1", "169.254.169.254", "100.100.100.200", "224.0.0.1"])
def test_an_external_ip_cannot_open_a_special_address(private: str) -> None:
    with pytest.raises(SettingsError, match="would let everybody reach") as caught:
        turnserver_conf(replace(PLAIN, external_ip=f"8.8.4.4/{private}"))
    assert "10.0.0.5" in str(caught.value.hint)


def test_each_range_contains_its_example() -> None:
    for one in DENIED:
        assert ipaddress.ip_address(one.example) in ipaddress.ip_network(one.network)
    assert len({one.example for one in DENIED}) == len(DENIED)


def test_allow_private_opens_private_networks_only() -> None:
    conf = lines(replace(PLAIN, allow_private=True))
    for address in FORBIDDEN:
        private = address.startswith(("10.", "100.", "172.", "192.168.", "fd"))
        assert denied(conf, address) == (not private), address


def test_use_is_authenticated_and_limited() -> None:
    conf = lines(PLAIN)
    for line in (
        *("use-auth-secret", "static-auth-secret=s3cret", "realm=voice.example.org", "listening-port=3478"),
        *(
            "no-cli",
            "no-multicast-peers",
            "no-tcp-relay",
            "no-rfc5780",
            "no-software-attribute",
            "fingerprint",
        ),
        *("stale-nonce=600", "user-quota=100", "total-quota=1200", "no-tlsv1", "no-tlsv1_1", "no-tls"),
    ):
        assert line in conf
    assert any(line.startswith("max-bps=") for line in conf)
    assert not any(line.startswith(("allowed-peer-ip", "no-auth", "lt-cred-mech", "user=")) for line in conf)


def test_tls_and_nat_are_configured() -> None:
    chosen = {"cert": Path("/etc/c.pem"), "key": Path("/etc/k.pem"), "tls_port": 443}
    conf = lines(replace(PLAIN, **chosen, external_ip="8.8.4.4/10.0.0.5"))  # type: ignore[arg-type]
    for line in ("tls-listening-port=443", "cert=/etc/c.pem", "pkey=/etc/k.pem"):
        assert line in conf
    assert "no-tls" not in conf
    assert "external-ip=8.8.4.4/10.0.0.5" in conf
    assert "allowed-peer-ip=10.0.0.5" in conf


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": "two words"},
        {"secret": "a#b"},
        {"secret": "a\nno-auth"},
        {"realm": ""},
        {"cert": Path("c.pem")},
        {"cert": Path("c\nno-auth"), "key": Path("k")},
        {"listening_ip": "host.example"},
        {"external_ip": "8.8.8.8/\nno-auth"},
        {"min_port": 60000, "max_port": 50000},
        {"max_port": 70000},
    ],
)
def test_invalid_options_are_refused_with_a_hint(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError) as caught:
        turnserver_conf(replace(PLAIN, **wrong))  # type: ignore[arg-type]
    assert caught.value.hint


def test_a_new_secret_is_long_and_random() -> None:
    made = {new_secret() for _ in range(50)}
    assert len(made) == 50
    assert min(map(len, made)) >= 43
    turnserver_conf(replace(PLAIN, secret=made.pop()))


@pytest.mark.parametrize(
    ("server", "public", "realm"),
    [
        ("turns:turn.example.org", "https://voice.example.org", "turn.example.org"),
        ("192.0.2.1", "https://voice.example.org/x", "voice.example.org"),
        ("", "", "voicebot"),
    ],
)
def test_the_default_realm_is_the_host(server: str, public: str, realm: str) -> None:
    assert default_realm(server, public) == realm
