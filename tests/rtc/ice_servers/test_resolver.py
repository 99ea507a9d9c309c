"""RFC 5928, against a real DNS server on localhost."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter

import pytest

from tests.support.dns_server import serving
from voicebot.rtc.ice_servers.resolver import PATIENCE, RETRY, Found, TurnResolver, discover
from voicebot.signaling.turn_uri import Route, default_routes, parse_addresses

Records = dict[tuple[str, str], tuple[int, list[str]]]

HERE = {
    ("a.example.org", "A"): (300, ["192.0.2.1"]),
    ("b.example.org", "AAAA"): (300, ["2001:db8::2"]),
    ("c.example.org", "A"): (300, ["192.0.2.3"]),
    ("turn.elsewhere.net", "A"): (300, ["198.51.100.9"]),
}
SRV: Records = {
    **HERE,
    ("_turn._udp.example.org", "SRV"): (
        120,
        ["20 0 3479 b.example.org.", "10 0 3478 a.example.org.", "30 0 1 gone.example.org."],
    ),
    ("_turn._tcp.example.org", "SRV"): (600, ["0 0 80 a.example.org."]),
    ("_turns._tcp.example.org", "SRV"): (600, ["0 0 443 c.example.org."]),
    ("_stun._udp.example.org", "SRV"): (600, ["0 0 19302 b.example.org."]),
}


async def urls(server: str, records: Records) -> list[str]:
    return [route.url for route in (await found(server, records)).routes]


async def found(server: str, records: Records) -> Found:
    [address] = parse_addresses(server)
    async with serving(records) as (_, resolver):
        return await discover(address, resolver)


UDP = [
    "stun:a.example.org:3478",
    "turn:a.example.org:3478?transport=udp",
    "stun:b.example.org:3479",
    "turn:b.example.org:3479?transport=udp",
]
TCP = ["turn:a.example.org:80?transport=tcp"]
TLS = ["turns:c.example.org:443?transport=tcp"]


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("example.org", UDP + TCP + TLS),
        ("turn:example.org", UDP + TCP),
        ("turn:example.org?transport=udp", UDP),
        ("turn:example.org?transport=tcp", TCP),
        ("turns:example.org", TLS),
        ("stun:example.org", ["stun:b.example.org:19302"]),
    ],
)
async def test_srv_records_give_hosts_and_ports_in_order(server: str, expected: list[str]) -> None:
    """Each address asks for its own services only. A target without an IP address is skipped."""
    assert await urls(server, SRV) == expected


@pytest.mark.parametrize("server", ["turn:example.org:3478", "192.0.2.1", "turns:[2001:db8::1]", "e.org:443"])
async def test_a_port_or_an_ip_address_needs_no_dns(server: str) -> None:
    [address] = parse_addresses(server)
    async with serving(SRV) as (zone, resolver):
        assert (await discover(address, resolver)).routes == default_routes(address)
        assert zone.asked == []


async def test_naptr_records_come_before_srv_and_order_the_transports() -> None:
    records = SRV | {
        ("example.org", "NAPTR"): (
            90,
            [
                '20 10 "s" "RELAY:turn.udp" "" _turn._udp.example.org.',
                '10 20 "a" "RELAY:turn.tcp" "" c.example.org.',
                '10 10 "s" "RELAY:turn.tls" "" _turns._tcp.example.org.',
                '5 1 "s" "SIP+D2U" "" _sip._udp.example.org.',
            ],
        )
    }
    assert await urls("example.org", records) == [*TLS, "turn:c.example.org:3478?transport=tcp", *UDP]
    assert await urls("turn:example.org", records) == ["turn:c.example.org:3478?transport=tcp", *UDP]
    assert await urls("turns:example.org", records) == TLS
    assert await urls("turn:example.org?transport=tcp", records) == TCP  # a transport skips NAPTR
    assert (await found("example.org", records)).seconds == 90


async def test_naptr_records_may_refer_to_each_other_but_not_endlessly() -> None:
    records = SRV | {
        ("example.org", "NAPTR"): (90, ['1 1 "" "RELAY:turn.udp:turn.tcp" "" next.example.org.']),
        ("next.example.org", "NAPTR"): (90, ['1 1 "a" "RELAY:turn.udp:turn.tcp" "" c.example.org.']),
    }
    assert await urls("example.org", records) == [
        "stun:c.example.org:3478",
        "turn:c.example.org:3478?transport=udp",
        "turn:c.example.org:3478?transport=tcp",
    ]
    circle = SRV | {("example.org", "NAPTR"): (90, ['1 1 "" "RELAY:turn.udp" "" example.org.'])}
    assert await urls("turn:example.org", circle) == UDP + TCP


async def test_without_records_the_host_is_used_at_the_default_ports() -> None:
    [address] = parse_addresses("example.org")
    for records in ({}, HERE, {("_turn._udp.example.org", "SRV"): (9, ["0 0 0 ."])}):
        answer = await found("example.org", records)
        assert (answer.routes, answer.discovered, answer.warning) == (default_routes(address), False, "")


async def test_tls_targets_must_be_the_host_or_below_it(caplog: pytest.LogCaptureFixture) -> None:
    forged = HERE | {
        ("_turns._tcp.example.org", "SRV"): (60, ["0 0 443 turn.elsewhere.net."]),
        ("_turn._udp.example.org", "SRV"): (60, ["0 0 3478 turn.elsewhere.net."]),
    }
    answer = await found("turns:example.org", forged)
    assert [route.url for route in answer.routes] == ["turns:example.org:5349?transport=tcp"]
    assert "turns:turn.elsewhere.net" in answer.warning
    assert "turn:turn.elsewhere.net:3478?transport=udp" in await urls("turn:example.org", forged)


async def test_srv_weights_share_the_load() -> None:
    """The weights are three to one (RFC 2782)."""
    records = HERE | {
        ("_turn._udp.example.org", "SRV"): (60, ["1 3 1 a.example.org.", "1 1 2 c.example.org."])
    }
    [address] = parse_addresses("turn:example.org?transport=udp")
    random.seed(7)
    async with serving(records) as (_, resolver):
        firsts = Counter([(await discover(address, resolver)).routes[0].host for _ in range(120)])
    assert 75 <= firsts["a.example.org"] <= 105
    assert firsts.total() == 120


async def test_an_answer_is_valid_for_its_shortest_ttl() -> None:
    assert (await found("turn:example.org?transport=udp", SRV)).seconds == 120
    brief = {**HERE, ("_turn._udp.example.org", "SRV"): (1, ["0 0 3478 a.example.org."])}
    assert (
        await found("turn:example.org?transport=udp", brief)
    ).seconds == 30  # DNS is not asked every second


async def test_a_dead_resolver_delays_for_a_limited_time(caplog: pytest.LogCaptureFixture) -> None:
    [address] = parse_addresses("turn:example.org")
    async with serving(SRV) as (zone, resolver):
        zone.dead = True
        answer = await discover(address, resolver)
        assert zone.asked
    assert (answer.routes, answer.seconds, answer.discovered) == (default_routes(address), RETRY, False)
    assert "default ports" in answer.warning


# ---------------------------------------------------------------- kept fresh, in virtual time


class Scripted:
    """Gives the scripted answers in order, each after its number of seconds."""

    def __init__(self, *answers: tuple[float, Found]) -> None:
        self.answers = list(answers)
        self.asked: list[float] = []

    async def __call__(self, address: object) -> Found:
        self.asked.append(asyncio.get_running_loop().time())
        seconds, answer = self.answers.pop(0)
        await asyncio.sleep(seconds)
        return answer


ONE, TWO = ((Route("turn", name, 1),) for name in ("one", "two"))


@pytest.mark.virtual_time
async def test_routes_are_renewed_in_the_background() -> None:
    addresses = parse_addresses("example.org, fixed.example:1")
    script = Scripted(
        (0.1, Found(ONE, 100, True)),
        (2, Found(default_routes(addresses[0]), RETRY, warning="DNS gave no records")),
        (0.1, Found(TWO, 100, True)),
    )
    resolver = TurnResolver(addresses, script)
    assert resolver.routes(addresses[0]) == default_routes(addresses[0])
    resolver.start()
    await resolver.ready()
    assert resolver.routes(addresses[0]) == ONE
    assert resolver.routes(addresses[1]) == default_routes(addresses[1])
    await asyncio.sleep(101 + PATIENCE)
    assert resolver.routes(addresses[0]) == ONE  # old routes are better than none
    await asyncio.sleep(RETRY)
    assert resolver.routes(addresses[0]) == TWO
    assert len(script.asked) == 3
    await resolver.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.virtual_time
async def test_slow_dns_delays_for_a_limited_time(caplog: pytest.LogCaptureFixture) -> None:
    addresses = parse_addresses("example.org")
    loop = asyncio.get_running_loop()
    begun = loop.time()
    resolver = TurnResolver(addresses, Scripted((5, Found(ONE, 100, True))))
    with caplog.at_level(logging.WARNING):
        resolver.start()
        await resolver.ready()
    assert loop.time() - begun == pytest.approx(PATIENCE)
    assert resolver.routes(addresses[0]) == default_routes(addresses[0])
    assert "DNS is slow" in caplog.text
    await asyncio.sleep(4)
    assert resolver.routes(addresses[0]) == ONE
    await resolver.aclose()
