"""Which servers a connection of an agent host gets: in virtual time with servers that answer as told,
and with a real coturn beside servers that are really dead."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import time

import pytest

from tests.support.coturn import coturn, free_port
from voicebot.errors import MediaError
from voicebot.rtc.ice_servers.planner import (
    IDLE,
    PATIENCE,
    REFRESHED,
    REMEMBERED,
    STAGGER,
    STUN_GRACE,
    Planner,
)
from voicebot.rtc.ice_servers.probe import Outcome, Probe, probe
from voicebot.signaling.turn import credentials

SECRET = "for-tests-only"


@dataclass(frozen=True)
class Server:
    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None


class Servers:
    """Gives scripted answers, (seconds, outcome) by URL. Other URLs never answer."""

    def __init__(self, **answers: tuple[float, Outcome]) -> None:
        self.answers = {
            f"turn:{name}" if "_" not in name else name.replace("_", ":"): a for name, a in answers.items()
        }
        self.asked: list[tuple[float, str, str | None]] = []
        self.finished: list[str] = []

    async def __call__(
        self, url: str, username: str | None, credential: str | None, *, patience: float
    ) -> Probe:
        now = asyncio.get_running_loop().time()
        self.asked.append((now, url, username))
        seconds, outcome = self.answers.get(url, (patience, "unreachable"))
        await asyncio.sleep(min(seconds, patience))
        self.finished.append(url)
        return Probe(url, outcome, f"is {outcome}", seconds)


class Rig:
    """A planner on the virtual loop's clock."""

    def __init__(self, servers: Servers) -> None:
        self.loop = asyncio.get_running_loop()
        self.servers = servers
        self.planner = Planner(ask=servers, clock=self.loop.time)

    async def choose(self, *urls: str, user: str = "600:u") -> tuple[list[str], float, str]:
        """The chosen URLs, the virtual seconds it took, and the warning."""
        begun = self.loop.time()
        plain = Server(tuple(u for u in urls if u.startswith("stun")))
        relay = Server(tuple(u for u in urls if u.startswith("turn")), user, "c")
        choice = await self.planner.choose([plain, relay])
        return [w.urls[0] for w in choice.servers], round(self.loop.time() - begun, 6), choice.warning


@pytest.mark.virtual_time
async def test_the_first_server_is_used_if_it_works() -> None:
    rig = Rig(Servers(a=(0.1, "ok"), b=(0.01, "ok"), stun_s=(0.05, "ok")))
    assert await rig.choose("stun:s", "turn:a", "turn:b") == (["stun:s", "turn:a"], 0.1, "")
    assert [url for _, url, _ in rig.servers.asked] == ["stun:s", "turn:a"]  # the second was not probed
    await rig.planner.aclose()


@pytest.mark.virtual_time
async def test_a_dead_first_server_costs_its_head_start_only_once() -> None:
    rig = Rig(Servers(b=(0.1, "ok")))
    assert await rig.choose("turn:a", "turn:b") == (["turn:b"], STAGGER + 0.1, "")
    assert rig.servers.finished == ["turn:b"]  # the probe of the dead one had not ended
    assert await rig.choose("turn:a", "turn:b") == (["turn:b"], STAGGER, "")  # its probe is still under way
    await asyncio.sleep(PATIENCE)
    assert rig.servers.finished == ["turn:b", "turn:a"]
    assert await rig.choose("turn:a", "turn:b") == (["turn:b"], 0, "")
    assert len(rig.servers.asked) == 2
    await rig.planner.aclose()


@pytest.mark.virtual_time
async def test_a_server_that_refuses_at_once_is_skipped_at_once() -> None:
    rig = Rig(Servers(a=(0.01, "unreachable"), b=(0.1, "ok")))
    assert await rig.choose("turn:a", "turn:b") == (["turn:b"], 0.11, "")
    await rig.planner.aclose()


@pytest.mark.virtual_time
async def test_a_slow_first_server_wins_over_a_slower_one() -> None:
    rig = Rig(Servers(a=(0.6, "ok"), b=(1.0, "ok")))
    assert (await rig.choose("turn:a", "turn:b"))[:2] == (["turn:a"], 0.6)
    await rig.planner.aclose()


@pytest.mark.virtual_time
@pytest.mark.parametrize("count", [1, 2, 12])
async def test_only_dead_servers_cost_the_patience_once_and_are_explained(
    count: int, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(Servers())
    urls = [f"turn:t{i}" for i in range(count)]
    chosen, seconds, warning = await rig.choose("stun:dead", *urls)
    assert (chosen, seconds) == ([], PATIENCE)
    assert all(url in warning for url in urls)
    assert "only directly" in warning
    await asyncio.sleep(PATIENCE)
    again = await rig.choose("stun:dead", *urls)
    assert again[:2] == ([], 0)  # only host candidates, without a wait
    assert "turn:t0 is unreachable" in again[2]
    caplog.clear()
    await rig.choose("stun:dead", *urls)
    assert caplog.records == []  # it was logged before
    await rig.planner.aclose()


@pytest.mark.virtual_time
async def test_a_dead_stun_server_delays_only_briefly() -> None:
    rig = Rig(Servers(a=(0.1, "ok")))
    assert await rig.choose("stun:dead", "turn:a") == (["turn:a"], 0.1 + STUN_GRACE, "")
    await rig.planner.aclose()


@pytest.mark.virtual_time
async def test_results_are_renewed_while_people_connect() -> None:
    rig = Rig(Servers(a=(0.1, "ok"), b=(0.1, "ok")))
    await rig.choose("turn:a", "turn:b")
    rig.servers.answers["turn:a"] = (0.1, "refused")  # it dies between two connections
    await asyncio.sleep(REFRESHED + 1)
    assert await rig.choose("turn:a", "turn:b") == (["turn:b"], 0, "")
    rig.servers.answers["turn:a"] = (0.1, "ok")
    await asyncio.sleep(REFRESHED + 1)
    assert (await rig.choose("turn:a", "turn:b"))[:2] == (["turn:a"], 0)  # it is preferred again
    await rig.planner.aclose()


@pytest.mark.virtual_time
async def test_an_idle_planner_stops_probing_and_starts_again() -> None:
    rig = Rig(Servers(a=(0.1, "ok")))
    await rig.choose("turn:a")
    await asyncio.sleep(IDLE + 2 * REFRESHED)
    asked = len(rig.servers.asked)
    await asyncio.sleep(600)
    assert len(rig.servers.asked) == asked
    assert (await rig.choose("turn:a"))[1] == 0.1  # the result had expired
    assert REMEMBERED > REFRESHED
    await rig.planner.aclose()


@pytest.mark.virtual_time
async def test_refused_credentials_count_for_one_person_only() -> None:
    rig = Rig(Servers(a=(0.1, "unauthorized")))
    assert "turn:a is unauthorized" in (await rig.choose("turn:a", user="1:old"))[2]
    rig.servers.answers["turn:a"] = (0.1, "ok")
    assert (await rig.choose("turn:a", user="1:old"))[0] == []
    assert (await rig.choose("turn:a", user="600:new"))[0] == ["turn:a"]
    await rig.planner.aclose()


@pytest.mark.virtual_time
async def test_concurrent_choices_share_one_probe() -> None:
    rig = Rig(Servers(a=(0.1, "ok")))
    found = await asyncio.gather(*(rig.choose("turn:a") for _ in range(20)))
    assert {(tuple(urls), seconds) for urls, seconds, _ in found} == {(("turn:a",), 0.1)}
    assert len(rig.servers.asked) == 1
    await rig.planner.aclose()


@pytest.mark.virtual_time
async def test_servers_that_agents_cannot_use_are_left_out_and_named() -> None:
    rig = Rig(Servers(b=(0.1, "ok")))
    left = ["stun:[2001:db8::1]", "stuns:s", "turn:[2001:db8::1]:3478?transport=udp", "turns:t?transport=udp"]
    assert await rig.choose(*left, "turn:b") == (["turn:b"], 0.1, "")
    chosen, seconds, warning = await rig.choose(*left)
    assert (chosen, seconds) == ([], 0)
    assert "turn:[2001:db8::1]:3478?transport=udp is an IPv6 address" in warning
    assert "turns:t?transport=udp" in warning
    await rig.planner.aclose()


@pytest.mark.virtual_time
async def test_without_servers_nothing_is_chosen_and_nothing_is_warned_about() -> None:
    rig = Rig(Servers())
    assert await rig.choose() == ([], 0, "")
    with pytest.raises(MediaError):
        await rig.planner.choose([Server(("http://x",))])
    await rig.planner.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


# ---------------------------------------------------------------- real servers


class Recorded:
    """The real probe, which records its calls and results."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: dict[str, Probe] = {}

    async def __call__(
        self, url: str, username: str | None, credential: str | None, *, patience: float
    ) -> Probe:
        self.begun.append(url)
        self.ended[url] = found = await probe(url, username, credential, patience=patience)
        return found


@pytest.fixture(scope="module")
def alive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with coturn(tmp_path_factory.mktemp("coturn"), SECRET) as port:
        yield f"127.0.0.1:{port}"


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that receives packets and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{sock.getsockname()[1]}"


@pytest.fixture
async def real() -> AsyncIterator[tuple[Planner, Recorded]]:
    recorded = Recorded()
    planner = Planner(ask=recorded)
    yield planner, recorded
    await planner.aclose()


def turn(*urls: str, secret: str = SECRET) -> Server:
    return Server(urls, *credentials(secret, "u1", time()))


async def test_a_silent_server_causes_no_wait(
    alive: str, silent: str, real: tuple[Planner, Recorded], tmp_path: Path
) -> None:
    planner, recorded = real
    servers = [
        Server((f"stun:{alive}",)),
        turn(f"turn:{silent}?transport=udp", f"turn:{alive}?transport=udp"),
    ]
    choice = await planner.choose(servers)
    assert [way.urls[0] for way in choice.servers] == [f"stun:{alive}", f"turn:{alive}?transport=udp"]
    assert recorded.begun[:2] == [f"stun:{alive}", f"turn:{silent}?transport=udp"]  # it was probed first,
    assert f"turn:{silent}?transport=udp" not in recorded.ended  # and there was no wait for it


async def test_a_refusing_server_is_skipped_for_one_with_the_same_transport(
    alive: str, real: tuple[Planner, Recorded]
) -> None:
    planner, recorded = real
    dead = f"turn:127.0.0.1:{free_port()}?transport=tcp"
    choice = await planner.choose([turn(dead, f"turn:{alive}?transport=tcp")])
    assert [way.urls[0] for way in choice.servers] == [f"turn:{alive}?transport=tcp"]
    assert recorded.ended[dead].outcome == "unreachable"
    assert recorded.begun == [dead, f"turn:{alive}?transport=tcp"]


async def test_a_wrong_secret_is_explained(
    alive: str, real: tuple[Planner, Recorded], caplog: pytest.LogCaptureFixture
) -> None:
    planner, _ = real
    url = f"turn:{alive}?transport=udp"
    with caplog.at_level(logging.WARNING):
        choice = await planner.choose([turn(url, secret="another")])
    assert choice.servers == ()
    assert f"{url} refuses the credentials (401" in choice.warning
    assert choice.warning in caplog.messages
