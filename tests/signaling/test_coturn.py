from __future__ import annotations

import ipaddress
from dataclasses import replace
from pathlib import Path

import pytest

from voicebot.errors import SettingsError
from voicebot.signaling.coturn import DENIED, CoturnOptions, default_realm, new_secret, turnserver_conf

PLAIN = CoturnOptions("voice.example.org", "s3cret")
FORBIDDEN = [
    *("0.0.0.0", "10.200.3.4", "100.127.255.255", "127.9.9.9", "169.254.169.254", "172.31.255.255"),
    *("192.168.255.1", "192.0.2.9", "198.19.0.1", "203.0.113.250", "239.1.1.1", "255.255.255.255"),
    *("::1", "::ffff:10.0.0.1", "::10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "2001::a:b", "fe80::1"),
    *("fd12:3456::1", "ff05::2", "2001:db8:1::1"),
]
OPEN = ["8.8.8.8", "100.128.0.1", "172.32.0.1", "192.0.1.1", "2600::1", "2a00:1450::1"]


def lines(options: CoturnOptions) -> list[str]:
    return [line for line in turnserver_conf(options).splitlines() if line and not line.startswith("#")]


def denied(conf: list[str], address: str) -> bool:
    """As coturn reads the ranges."""
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
def test_people_can_be_reached(address: str) -> None:
    assert not denied(lines(PLAIN), address)


def test_every_special_range_that_python_knows_is_denied() -> None:
    """Nothing that is not globally reachable may be forgotten."""
    conf = lines(PLAIN)
    for number in range(0, 1 << 32, 1 << 16):
        ip = ipaddress.IPv4Address(number + 1)
        if not ip.is_global:
            assert denied(conf, str(ip)), ip


def test_each_range_has_an_example_within_it_for_the_proof() -> None:
    for one in DENIED:
        assert ipaddress.ip_address(one.example) in ipaddress.ip_network(one.network)
    assert len({one.example for one in DENIED}) == len(DENIED)


def test_private_networks_are_opened_and_nothing_else() -> None:
    conf = lines(replace(PLAIN, allow_private=True))
    for address in FORBIDDEN:
        private = address.startswith(("10.", "100.", "172.", "192.168.", "fd"))
        assert denied(conf, address) == (not private), address


def test_who_may_use_it_and_how_much() -> None:
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


def test_tls_and_nat() -> None:
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
def test_what_cannot_stand_in_it_is_refused_with_what_to_do(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError) as caught:
        turnserver_conf(replace(PLAIN, **wrong))  # type: ignore[arg-type]
    assert caught.value.hint


def test_a_new_secret_is_long_and_new() -> None:
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
def test_the_realm_is_the_domain(server: str, public: str, realm: str) -> None:
    assert default_realm(server, public) == realm
