from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from voicebot.errors import SettingsError
from voicebot.signaling.turn import CREDENTIAL_SECONDS, ice_plan


@pytest.mark.parametrize(
    ("server", "stun", "turn"),
    [
        (
            "turn:t.example:3478",
            ["stun:t.example:3478"],
            ["turn:t.example:3478?transport=udp", "turn:t.example:3478?transport=tcp"],
        ),
        (
            "t.example",
            ["stun:t.example:3478"],
            ["turn:t.example:3478?transport=udp", "turn:t.example:3478?transport=tcp"],
        ),
        (
            "192.0.2.7:4000",
            ["stun:192.0.2.7:4000"],
            ["turn:192.0.2.7:4000?transport=udp", "turn:192.0.2.7:4000?transport=tcp"],
        ),
        ("turns:t.example", [], ["turns:t.example:5349?transport=tcp"]),
        ("turn:t.example?transport=tcp", [], ["turn:t.example:3478?transport=tcp"]),
        (
            "TURN:t.example:3479?transport=udp",
            ["stun:t.example:3479"],
            ["turn:t.example:3479?transport=udp"],
        ),
        ("stun:s.example", ["stun:s.example:3478"], []),
        (
            "stun:s.example, turns:t.example:443",
            ["stun:s.example:3478"],
            ["turns:t.example:443?transport=tcp"],
        ),
        ("stuns:s.example", ["stuns:s.example:5349"], []),
        ("[2001:db8::7]:4000?transport=tcp", [], ["turn:[2001:db8::7]:4000?transport=tcp"]),
        ("turns:[2001:db8::7]", [], ["turns:[2001:db8::7]:5349?transport=tcp"]),
        ("stun:[2001:db8::7]", ["stun:[2001:db8::7]:3478"], []),
        (
            "one.example?transport=udp, turn:one.example?transport=udp,, TURNS:Two.example",
            ["stun:one.example:3478"],
            ["turn:one.example:3478?transport=udp", "turns:Two.example:5349?transport=tcp"],
        ),
        ("", [], []),
    ],
)
def test_every_form_of_coturn_server_is_accepted(server: str, stun: list[str], turn: list[str]) -> None:
    plan = ice_plan(server, "secret", "u1", 1000.0)
    assert [u for s in plan.servers if s.username is None for u in s.urls] == stun
    assert [u for s in plan.servers if s.username is not None for u in s.urls] == turn
    assert plan.relay == bool(turn)
    assert plan.expires_s == (CREDENTIAL_SECONDS if turn else None)


@pytest.mark.parametrize(
    "server",
    [
        "http://t.example",
        "turn:",
        "turn:t.example:0",
        "turn:t.example:99999",
        "turn:a b",
        "turn://t.example",
        "x/y",
        "turn:t.example?transport=sctp",
        "turn:a..b",
        "turn:" + "x" * 64 + ".example",
        "turn:[2001:db8::zz]",
        "turn:[2001:db8::1",
        "turn:2001:db8::1",
        "turn:[192.0.2.1]",
        "turn:[]",
        "stun:s.example?transport=udp",
        "turn:ok.example,turn:",
    ],
)
def test_an_invalid_server_is_named(server: str) -> None:
    with pytest.raises(SettingsError, match="COTURN_SERVER"):
        ice_plan(server, "secret", "u1", 0.0)


@pytest.mark.parametrize("server", ["turn:ann:canary@h", "turn:canary@h:1", "turn:h?transport=udp&p=canary"])
def test_a_password_in_a_server_is_refused_and_not_repeated(server: str) -> None:
    with pytest.raises(SettingsError, match="COTURN_SERVER='turn:h") as caught:
        ice_plan(server, "secret", "u1", 0.0)
    assert "canary" not in str(caught.value)


def test_credentials_are_not_printed() -> None:
    plan = ice_plan("turn:h", "secret", "u1", 0.0)
    assert plan.servers[1].credential
    assert plan.servers[1].credential not in repr(plan)


def test_an_ipv6_address_without_brackets_is_explained() -> None:
    with pytest.raises(SettingsError) as caught:
        ice_plan("turn:2001:db8::1", "secret", "u1", 0.0)
    assert "in brackets" in caught.value.hint


def test_turn_over_dtls_is_left_out_with_a_warning() -> None:
    """Chromium would silently use plain UDP instead."""
    plan = ice_plan("turns:t.example?transport=udp, turn:t.example?transport=tcp", "secret", "u1", 0.0)
    assert [s.urls for s in plan.servers] == [["turn:t.example:3478?transport=tcp"]]
    assert "DTLS" in plan.warning
    alone = ice_plan("turns:t.example?transport=udp", "secret", "u1", 0.0)
    assert (alone.servers, alone.relay, "turns:host" in alone.warning) == ((), False, True)


def test_a_rung_has_only_its_own_servers() -> None:
    plan = ice_plan("turn:a.example, turns:b.example, stun:c.example", "secret", "u1", 0.0)
    assert plan.for_rung("all") is plan
    udp, tcp = plan.for_rung("relay_udp"), plan.for_rung("relay_tcp")
    assert [s.urls for s in udp.servers] == [["turn:a.example:3478?transport=udp"]]
    assert [s.urls for s in tcp.servers] == [
        ["turn:a.example:3478?transport=tcp", "turns:b.example:5349?transport=tcp"]
    ]
    assert {(s.username, s.credential) for s in (*udp.servers, *tcp.servers)} == {
        (plan.servers[-1].username, plan.servers[-1].credential)
    }
    assert (udp.relay, tcp.relay, udp.expires_s) == (True, True, plan.expires_s)
    assert plan.rungs == ("all", "relay_udp", "relay_tcp")


@pytest.mark.parametrize(
    ("server", "rungs"),
    [
        ("turns:t.example", ("all", "relay_tcp")),
        ("turn:t.example?transport=udp", ("all", "relay_udp")),
        ("stun:t.example", ("all",)),
        ("", ("all",)),
    ],
)
def test_rungs_without_a_server_are_left_out(server: str, rungs: tuple[str, ...]) -> None:
    plan = ice_plan(server, "secret", "u1", 0.0)
    assert plan.rungs == rungs
    assert not ice_plan(server, "", "u1", 0.0).for_rung("relay_tcp").servers


def test_credentials_are_those_coturn_computes() -> None:
    """coturn's use-auth-secret: base64(HMAC-SHA1(secret, "expiry:user"))."""
    plan = ice_plan("turn:t.example", "north", "u1", 1_000_000.7)
    username = f"{1_000_000 + CREDENTIAL_SECONDS}:u1"
    password = base64.b64encode(hmac.new(b"north", username.encode(), hashlib.sha1).digest()).decode()
    assert (plan.servers[-1].username, plan.servers[-1].credential) == (username, password)


def test_without_a_secret_only_stun_is_offered_with_a_warning() -> None:
    plan = ice_plan("turn:t.example", "", "u1", 0.0)
    assert [s.urls for s in plan.servers] == [["stun:t.example:3478"]]
    assert not plan.relay
    assert "COTURN_SECRET" in plan.warning
    assert ice_plan("stun:t.example", "", "u1", 0.0).warning == ""
