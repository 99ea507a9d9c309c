"""Every error code of the protocol is provoked, and goes to its author only."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.rtc.test_offer import browser_offer
from tests.server.conftest import HostingFactory, Visitor, VisitorFactory
from voicebot.errors import MissingDependency, ModelError, ModelLoadError, StoreError
from voicebot.lobby.capacity import Capacity
from voicebot.media.base import CloseHost, MediaPlane
from voicebot.media.inline import InlineMediaPlane
from voicebot.media.process.plane import ProcessMediaPlane
from voicebot.server.hosting import Hosting
from voicebot.server.net.limits import Limits
from voicebot.signaling.messages import IceServer
from voicebot.signaling.turn import IcePlan
from voicebot.testing.media import FakeMediaPlane

TEXT = (Path(__file__).parents[3] / "voicebot/signaling/protocol.md").read_text("utf-8")
ON_THE_WIRE, OVER_HTTP = TEXT.split("## Errors")[1].split("## Close codes")[0].split("Over HTTP")


def codes(table: str) -> set[str]:
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    return {code for row in rows for code in re.findall(r"`(\w+)`", row)}


@dataclass
class World:
    """The servers to provoke."""

    host: HostingFactory
    visit: VisitorFactory
    patch: pytest.MonkeyPatch

    async def server(self, media: MediaPlane | None = None, **limits: Any) -> Hosting:
        options: dict[str, Any] = {"media": media} if media is not None else {}
        return await self.host(limits=Limits(**limits), **options)

    async def seated(self, name: str = "Ada", media: MediaPlane | None = None) -> tuple[Hosting, Visitor]:
        hosting = await self.server(media)
        return hosting, await self.visit(hosting, joined=name)


Provoke = Callable[[World], Awaitable[dict[str, Any]]]
PROVOKED: dict[str, Provoke] = {}


def provokes(*names: str) -> Callable[[Provoke], Provoke]:
    def keep(provoke: Provoke) -> Provoke:
        PROVOKED.update(dict.fromkeys(names, provoke))
        return provoke

    return keep


async def answer(visitor: Visitor, type: str, data: Any = None, **envelope: Any) -> dict[str, Any]:
    """The error that answers this message."""
    id = await visitor.send(type, data, **envelope)
    return await visitor.expect("error", lambda m: m.get("id") == id)


def simple(code: str, type: str, data: Any = None, **envelope: Any) -> None:
    """Provoked by one message of somebody in the demo lobby."""

    async def provoke(world: World) -> dict[str, Any]:
        _, ada = await world.seated()
        return await answer(ada, type, data, **envelope)

    PROVOKED[code] = provoke


simple("bad_message", "chat_message", {"text": 7}, lobby="demo")
simple("unknown_type", "make_tea")
simple("not_joined", "chat_message", {"text": "hello"}, lobby="other")
simple("unknown_lobby", "join_lobby", {"name": "Ada"}, lobby="missing")
simple("unknown_agent", "agent_remove", {"participant_id": "nobody"}, lobby="demo")
simple("unknown_peer", "negotiation_needed", peer="nobody", epoch=1, lobby="demo")
simple("bad_name", "participant_update", {"name": "\u200b"}, lobby="demo")
simple("unknown_participant", "moderation", {"action": "kick", "participant_id": "nobody"}, lobby="demo")
simple("id_taken", "create_lobby", {"name": "Demo", "slug": "demo"})
simple("persona", "agent_create", {"description": "  "}, lobby="demo")


@provokes("not_resumable")
async def _(world: World) -> dict[str, Any]:
    stranger = await world.visit(await world.server())
    return await answer(stranger, "resume", {"last_seq": 0})


@provokes("stale_epoch")
async def _(world: World) -> dict[str, Any]:
    _, ada = await world.seated()
    start = await ada.expect("start_webrtc_negotiation")
    data = {"candidate": ""}
    return await answer(ada, "ice_candidate", data, peer=start["peer"], epoch=start["epoch"] + 1)


@provokes("too_many")
async def _(world: World) -> dict[str, Any]:
    _, ada = await world.seated()
    for _ in range(5):
        await ada.send("moderation", {"action": "report", "reason": "loud"}, lobby="demo")
    return await answer(ada, "moderation", {"action": "report", "reason": "loud"}, lobby="demo")


@provokes("too_fast")
async def _(world: World) -> dict[str, Any]:
    ada = await world.visit(await world.server(lobbies_burst=1))
    await ada.send("create_lobby", {"name": "One"})
    return await answer(ada, "create_lobby", {"name": "Two"})


@provokes("forbidden")
async def _(world: World) -> dict[str, Any]:
    hosting, _ = await world.seated()
    guest = await world.visit(hosting, joined="Bob")
    return await answer(guest, "moderation", {"action": "lock"}, lobby="demo")


@asynccontextmanager
async def draining(hosting: Hosting) -> AsyncIterator[None]:
    stopping = asyncio.create_task(hosting.drain(600), name="drain")
    try:
        yield
    finally:
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)


@provokes("draining")
async def _(world: World) -> dict[str, Any]:
    hosting, ada = await world.seated()
    bob = await world.visit(hosting)
    async with draining(hosting):
        await ada.expect("going_away")
        agent = {"description": "a pirate"}
        over_http = await ada.http.post("api/lobbies/demo/agents", json=agent)
        assert (over_http.status_code, over_http.json()["error"]["code"]) == (503, "draining")
        told = [
            await answer(bob, "join_lobby", {"name": "Bob"}, lobby="demo"),
            await answer(bob, "create_lobby", {"name": "Tea"}),
            await answer(ada, "agent_create", agent, lobby="demo"),
        ]
        assert {one["data"]["code"] for one in told} == {"draining"}
        assert len(hosting.agent_sessions["demo"].lobby.agents) == 1
        return told[-1]


@provokes("lobby_full")
async def _(world: World) -> dict[str, Any]:
    hosting, ada = await world.seated()
    lobby = hosting.agent_sessions["demo"].lobby
    for _ in range(lobby.capacity.agents - len(lobby.agents)):
        await ada.send("agent_create", {"description": "a pirate"}, lobby="demo")
    return await answer(ada, "agent_create", {"description": "a pirate"}, lobby="demo")


@provokes("camera_limit")
async def _(world: World) -> dict[str, Any]:
    hosting, ada = await world.seated()
    hosting.agent_sessions["demo"].lobby.capacity = Capacity(video=0)
    return await answer(ada, "participant_update", {"camera": True}, lobby="demo")


@provokes("internal")
async def _(world: World) -> dict[str, Any]:
    hosting, ada = await world.seated()

    def fail(*_: Any) -> None:
        raise RuntimeError("a secret of the server")

    world.patch.setattr(hosting.controller("demo"), "raise_hand", fail)
    told = await answer(ada, "raise_hand", {"raised": True}, lobby="demo")
    assert "secret" not in str(told)
    return told


# ---------------------------------------------------------------- of the agent host, with real media


async def offered(ada: Visitor, *sdps: str) -> dict[str, Any]:
    """Send these offers to the agent host, and return the error that answers the last one."""
    start = await ada.expect("start_webrtc_negotiation")
    to = {"peer": start["peer"], "epoch": start["epoch"], "lobby": "demo"}
    for sdp in sdps[:-1]:
        await ada.send("webrtc_offer", {"sdp": sdp, "tracks": {"0": ada.me}}, **to)
    return await answer(ada, "webrtc_offer", {"sdp": sdps[-1], "tracks": {"0": ada.me}}, **to)


async def real(world: World, *sdps: str) -> dict[str, Any]:
    _, ada = await world.seated(media=InlineMediaPlane())
    return await offered(ada, *sdps)


@provokes("bad_sdp")
async def _(world: World) -> dict[str, Any]:
    return await real(world, "hello")


@provokes("no_opus")
async def _(world: World) -> dict[str, Any]:
    return await real(world, (await browser_offer(1)).replace("opus/48000/2", "speex/16000"))


@provokes("ice_restart")
async def _(world: World) -> dict[str, Any]:
    sdp = await browser_offer(1)
    return await real(world, sdp, sdp.replace("a=ice-ufrag:", "a=ice-ufrag:z"))


@provokes("recycled_section")
async def _(world: World) -> dict[str, Any]:
    sdp = await browser_offer(1)
    return await real(world, sdp, sdp.replace("a=mid:0", "a=mid:7").replace("BUNDLE 0", "BUNDLE 7"))


@provokes("peer_closed")
async def _(world: World) -> dict[str, Any]:
    """The first offer gets no answer while the second one is already on its way."""
    sdp = await browser_offer(1)
    without = "".join(line for line in sdp.splitlines(keepends=True) if not line.startswith("a=candidate"))
    assert "a=end-of-candidates" in without
    return await real(world, without, without)


@provokes("ice_server")
async def _(world: World) -> dict[str, Any]:
    plan = IcePlan(servers=(IceServer(urls=["turn:relay.example:port"], username="u", credential="c"),))
    world.patch.setattr(Hosting, "ice", lambda self, user: plan)
    return await real(world, await browser_offer(1))


@provokes("unknown_host")
async def _(world: World) -> dict[str, Any]:
    plane = InlineMediaPlane()
    hosting, ada = await world.seated(media=plane)
    plane.send(CloseHost(hosting.agent_sessions["demo"].host_peer))
    return await offered(ada, await browser_offer(1))


@provokes("media_gone")
async def _(world: World) -> dict[str, Any]:
    plane = ProcessMediaPlane()
    _, ada = await world.seated(media=plane)
    await plane.close()
    return await offered(ada, await browser_offer(1))


@provokes("media")
async def _(world: World) -> dict[str, Any]:
    plane = FakeMediaPlane()
    plane.refuse_answers = "It does not want to."
    _, ada = await world.seated(media=plane)
    return await offered(ada, "v=0")


# ---------------------------------------------------------------- the tests


def test_every_error_code_is_provoked() -> None:
    assert set(PROVOKED) == codes(ON_THE_WIRE)


@pytest.mark.parametrize("code", sorted(PROVOKED))
async def test_each_error_code_is_sent_to_its_author(
    host: HostingFactory, visit: VisitorFactory, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    told = await PROVOKED[code](World(host, visit, monkeypatch))
    assert told["data"]["code"] == code
    assert told["data"]["message"]
    assert told["data"]["hint"] or code == "media"


async def test_the_socket_stays_open_after_an_error(host: HostingFactory, visit: VisitorFactory) -> None:
    ada = await visit(await host(), joined="Ada")
    for type, data in (("make_tea", {}), ("chat_message", {"text": 7}), ("leave_lobby", {"x": 1})):
        await answer(ada, type, data, lobby="demo")
    await ada.send("chat_message", {"text": "still here"}, lobby="demo")
    assert (await ada.expect("chat_message"))["data"]["participant_id"] == ada.me


async def test_each_error_code_has_its_http_status(
    host: HostingFactory, visit: VisitorFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosting = await host()
    ada = await visit(hosting, joined="Ada")
    (agent,) = hosting.agent_sessions["demo"].lobby.agents
    one = f"api/lobbies/demo/agents/{agent.id}"
    seen: dict[str, int] = {}

    async def ask(method: str, address: str, json: Any = None, **headers: str) -> None:
        answer = await ada.http.request(method, address, json=json, headers=headers)
        error = answer.json()["error"]
        assert error["message"]
        assert error["hint"]
        seen[error["code"]] = answer.status_code

    await ask("POST", "api/lobbies", {"name": "Tea"}, Cookie="none=1")
    await ask("POST", "api/session", Origin="http://evil.example")
    await ask("GET", "api/openapi.json", Host="evil.example")
    await ask("GET", "api/nothing")
    await ask("PUT", "api/session")
    await ask("GET", "api/lobbies/demo/conversations/20200101T000000-00000000/events.jsonl")
    await ask("PATCH", one, {"tts": "nonsense:x"})
    offered = hosting.models.options("tts")[0].spec
    for failure in (MissingDependency("No."), ModelLoadError("No."), ModelError("No.")):
        failure.hint = "Another one."

        async def fail(*_: Any, failure: ModelError = failure) -> None:
            raise failure

        with monkeypatch.context() as patch:
            patch.setattr(hosting.models, "ready", fail)
            await ask("PATCH", one, {"tts": offered})

    async def away(key: str) -> None:
        raise StoreError("The store is away.", hint="Try again.")

    with monkeypatch.context() as patch:
        patch.setattr(hosting._sessions._store, "get_session", away)
        await ask("GET", "api/lobbies/demo", Cookie=ada.cookie[:-1])
    rows = re.findall(r"^\| (`.*?) \| (\d+) \|", OVER_HTTP, re.MULTILINE)
    table = {code: int(status) for row, status in rows for code in re.findall(r"`(\w+)`", row)}
    between_servers = {"too_large": 421}  # asked for in tests/server/cluster/test_nodes.py: it takes two
    assert seen | between_servers == table
    assert not seen.keys() & between_servers.keys()
