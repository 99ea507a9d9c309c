"""Floods of lobbies, sessions or sockets, even from many addresses, leave room for others."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import HTTPConnection

from tests.server.conftest import HostingFactory, Visitor, VisitorFactory, own_origin
from tests.server.net.test_transports import from_address
from tests.support.coturn import free_port
from voicebot.agent.models.models import Models
from voicebot.errors import SignalingError
from voicebot.llm.offline import OfflineLLM
from voicebot.server.hosting import Hosting
from voicebot.server.net.limits import Limits
from voicebot.server.net.networks import address_of, networks_of
from voicebot.server.net.quotas import LobbyQuotas, Maker
from voicebot.server.net.rate_limits import Crowd, RateLimits, TooFast
from voicebot.settings import Settings
from voicebot.testing.media import FakeMediaPlane
from voicebot.testing.models import ScriptedSTT, ScriptedTTS

MAX = 24
UNLIMITED: dict[str, Any] = {"lobbies_burst": 1000, "sessions_burst": 1000, "lobbies_per_second": 100.0}


@pytest.fixture
async def small(host: HostingFactory, monkeypatch: pytest.MonkeyPatch) -> Hosting:
    """A server with few lobbies, the demo among them, where only open ones are limited."""
    monkeypatch.setattr("voicebot.server.lobby.lobbies.MAX_LOBBIES", MAX)
    return await host(limits=Limits(**UNLIMITED))


async def browser(hosting: Hosting, address: str) -> httpx.AsyncClient:
    """A client with its own session at this address."""
    headers = own_origin(hosting.url) | {"X-Forwarded-For": address}
    http = httpx.AsyncClient(base_url=hosting.url, headers=headers)
    (await http.post("api/session")).raise_for_status()
    return http


async def made(hosting: Hosting, address: str) -> httpx.Response:
    """The response to a new client at this address that asks for a lobby."""
    http = await browser(hosting, address)
    try:
        return await http.post("api/lobbies", json={"name": "Tea"})
    finally:
        await http.aclose()


async def flood(hosting: Hosting, addresses: list[str]) -> int:
    """Create lobbies with new sessions at each address until refused. Returns how many."""
    count = 0
    for address in addresses:
        while (answer := await made(hosting, address)).status_code == 201:
            count += 1
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "too_many")
        assert answer.json()["error"]["hint"]
        assert answer.json()["error"]["retryable"]
    return count


@pytest.mark.parametrize(
    "addresses",
    [
        ["203.0.113.7", "198.51.100.7"],
        [f"203.0.113.{n}" for n in range(1, 9)],  # a network of 256
        [f"203.0.{n}.7" for n in range(12)],  # 12 of them
        [f"2600:1:1:{n:x}::1" for n in range(12)],  # the 65,536 networks of one customer
        [f"2600:1:{n:x}::1" for n in range(12)],  # the 65,536 customers of a provider
        [f"2002:cb00:7107:{n:x}::1" for n in range(8)],  # one IPv4 address, by 6to4
        [f"64:ff9b::cb00:71{n:02x}" for n in range(8)],  # IPv4 addresses behind a NAT64
    ],
)
async def test_few_networks_cannot_take_all_lobbies(small: Hosting, addresses: list[str]) -> None:
    count = await flood(small, addresses)
    assert count <= MAX * 3 / 4
    assert (await made(small, "192.0.2.1")).status_code == 201  # who comes from elsewhere
    assert (await made(small, "2400:9::1")).status_code == 201


async def test_one_client_cannot_take_the_lobbies_of_its_network(small: Hosting, visit: Any) -> None:
    """Over HTTP and WebSocket. Closed lobbies do not count."""
    ada: Visitor = await visit(small)
    first = (await ada.http.post("api/lobbies", json={"name": "Tea"})).json()["id"]
    refused = await ada.http.post("api/lobbies", json={"name": "Tea"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many")
    assert "Your browser" in refused.json()["error"]["message"]
    id = await ada.send("create_lobby", {"name": "Tea"})
    error = await ada.expect("error", lambda m: m.get("id") == id)
    assert (error["data"]["code"], error["data"]["retryable"]) == ("too_many", True)
    await ada.http.delete(f"api/lobbies/{first}")
    await ada.send("create_lobby", {"name": "Tea"})
    await ada.expect("lobby_created")


async def test_lobbies_of_the_notebook_count_for_nobody(small: Hosting, visit: Any) -> None:
    for _ in range(MAX - 1):
        await small.create_lobby("Tea")
    with pytest.raises(SignalingError, match="too many"):
        await small.create_lobby("Tea")


async def test_simultaneous_requests_cannot_exceed_the_quota(small: Hosting) -> None:
    """A lobby counts from the start of its creation."""
    asked = [small.create_lobby("Tea") for _ in range(MAX + 5)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert len(small.agent_sessions) == MAX
    assert sum(isinstance(answer, SignalingError) for answer in answers) == 6


async def fill(hosting: Hosting, address: str) -> list[str]:
    """Let this address create some lobbies and the notebook all others. Returns their ids."""
    ids = []
    while (answer := await made(hosting, address)).status_code == 201:
        ids.append(str(answer.json()["id"]))
    while len(hosting.agent_sessions) < MAX:
        await hosting.create_lobby("Tea")
    return ids


async def test_an_unused_lobby_of_the_largest_holder_gives_way(small: Hosting) -> None:
    """Never one with somebody in it or at its door, and never to somebody who has as many."""
    theirs = await fill(small, "203.0.113.7")
    assert len(theirs) >= 4
    before = set(small.agent_sessions)
    answer = await made(small, "192.0.2.1")
    assert answer.status_code == 201
    assert len(small.agent_sessions) == MAX
    assert len(set(theirs) - set(small.agent_sessions)) == 1
    assert before - set(small.agent_sessions) <= set(theirs)
    # until they are level
    other = 2
    while (await made(small, f"198.18.{other}.1")).status_code == 201:
        other += 1
    assert len(set(theirs) & set(small.agent_sessions)) >= 1
    assert "demo" in small.agent_sessions


async def test_a_lobby_with_people_never_gives_way(small: Hosting, visit: VisitorFactory) -> None:
    http = await browser(small, "203.0.113.7")
    mine = (await http.post("api/lobbies", json={"name": "Tea", "settings": {"private": False}})).json()["id"]
    person = await visit(small, of=Visitor(http, small.url))
    person.socket = await from_address(small, person, "203.0.113.7")
    await person.join("Ada", mine)
    private = (await made(small, "203.0.113.8")).json()["id"]
    guest = await visit(small)
    await guest.expect("session_established")
    await guest.send("join_lobby", {"name": "Bob"}, lobby=private)
    await guest.expect("lobby_waiting")
    theirs = await fill(small, "203.0.113.9")
    n = 0
    while (await made(small, f"192.{n}.2.1")).status_code == 201:
        n += 1
    assert n >= 1
    assert {mine, private} <= set(small.agent_sessions)
    assert len(set(theirs) & set(small.agent_sessions)) < len(theirs)


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


async def test_after_a_restart_lobbies_count_for_their_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Addresses are not stored."""
    monkeypatch.setattr("voicebot.server.lobby.lobbies.MAX_LOBBIES", MAX)
    wishes = Settings(_env_file=None, port=free_port(), data_dir=tmp_path / "data")  # type: ignore[call-arg]

    async def start() -> Hosting:
        models = Models(wishes, stt=ScriptedSTT(), tts=ScriptedTTS(), llm=OfflineLLM())
        hosting = Hosting(wishes, FakeMediaPlane(), models=models, limits=Limits(**UNLIMITED))
        await hosting.start()
        return hosting

    hosting = await start()
    ada = await browser(hosting, "203.0.113.7")
    first = (await ada.post("api/lobbies", json={"name": "Tea"})).json()["id"]
    await hosting.stop()
    assert not any(b"203.0.113" in data for data in contents(tmp_path))
    hosting = await start()
    try:
        assert first in hosting.agent_sessions
        refused = await ada.post("api/lobbies", json={"name": "Tea"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many")
        assert (await made(hosting, "203.0.113.7")).status_code == 201
    finally:
        await ada.aclose()
        await hosting.stop()


def test_a_newcomer_gets_a_lobby_while_one_is_free() -> None:
    """Nobody gets more than a fraction of the free lobbies, however many ask."""
    holdings, free, counts = LobbyQuotas(), 200, []
    for provider in range(1, 60):
        count = 0
        while free:
            maker = Maker(f"s{free}", f"2600:{provider:x}:{free:x}::/64")
            try:
                holdings.check(maker, free)
            except SignalingError:
                break
            holdings.add(str(free), maker)
            free, count = free - 1, count + 1
        counts.append(count)
        if not free:
            break
    assert counts[0] == 67
    assert len(counts) > 10
    assert min(counts) >= 1


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2600:1:2:3:4:5:6:7", "2600:1:2:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        *((mapped, "203.0.113.7") for mapped in ("::ffff:203.0.113.7", "64:ff9b::cb00:7107")),
        *((mapped, "203.0.113.7") for mapped in ("::ffff:0:203.0.113.7", "2002:cb00:7107:9::1")),
        ("2001:0:1:2:3:4:34ff:8ef8", "203.0.113.7"),  # Teredo
        *((local, "") for local in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "testclient", "")),
    ],
)
def test_all_spellings_of_an_address_count_as_one(host: str, address: str) -> None:
    assert address_of(HTTPConnection({"type": "http", "client": (host, 1)})) == address


def test_an_address_is_part_of_a_site_and_a_provider() -> None:
    assert networks_of("203.0.113.7") == ("203.0.113.7", "203.0.113.0/24", "203.0.0.0/16")
    assert networks_of("2600:1:2:3::/64") == ("2600:1:2:3::/64", "2600:1:2::/48", "2600:1::/32")
    assert networks_of("") == ()


def test_floods_from_many_addresses_are_limited_together() -> None:
    floods = RateLimits(Limits(sessions_burst=10), lambda: 0.0)
    granted = 0
    for n in range(1000):
        try:
            floods.session(f"2600:1:1:{n:x}::/64")
        except TooFast:
            continue
        granted += 1
    assert granted == 4 * 10
    for n in range(1000):
        try:
            floods.session(f"2600:1:{n:x}:1::/64")
        except TooFast:
            continue
        granted += 1
    assert granted == 16 * 10
    floods.session("2600:2:1:1::/64")


def test_a_used_up_limit_is_not_forgotten_because_of_others() -> None:
    """Refused requests from more addresses than are remembered refill nobody's bucket."""
    floods = RateLimits(Limits(), lambda: 0.0)
    mine = "2600:1:1:ffff::/64"
    while True:
        try:
            floods.session(mine)
        except TooFast:
            break
    for n in range(10_500):
        try:
            floods.session(f"2600:1:1:{n:x}::/64")
        except TooFast:
            continue
    with pytest.raises(TooFast):
        floods.session(mine)


def test_a_flood_does_not_use_up_its_neighbours_limits() -> None:
    """A request refused by its own limit does not count for its network."""
    floods = RateLimits(Limits(), lambda: 0.0)
    for _ in range(10 * Limits().sessions_burst):
        try:
            floods.session("203.0.113.7")
        except TooFast:
            continue
    floods.session("203.0.113.8")
    for _ in range(10 * Limits().lobbies_burst):
        try:
            floods.lobby("s-1", "203.0.113.7")
        except TooFast:
            continue
    floods.lobby("s-2", "203.0.113.7")


def test_sockets_from_many_addresses_are_limited_together() -> None:
    crowd = Crowd(10)
    assert sum(crowd.enter(f"2600:1:1:{n:x}::/64") for n in range(1, 1000)) == 4 * 10
    assert sum(crowd.enter(f"2600:1:{n:x}:1::/64") for n in range(2, 1000)) == 12 * 10
    assert crowd.enter("2600:2:1:1::/64")
    crowd.leave("2600:1:1:1::/64")
    assert [crowd.enter(f"2600:1:1:{n:x}::/64") for n in (1, 2)] == [True, False]
    assert all(crowd.enter("") for _ in range(10_000))
