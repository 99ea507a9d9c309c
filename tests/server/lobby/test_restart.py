"""After a kill or a stop and a new start, everybody finds everything as it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.conftest import Visitor
from tests.server.crashing import Crashing, crashing
from tests.support.coturn import free_port
from tests.support.redis_server import redis_server
from tests.support.waiting import GUARD
from voicebot.agent.models import choose as choosing
from voicebot.agent.models.models import Models
from voicebot.settings import Settings
from voicebot.store import open_store
from voicebot.store.base import LobbyRecord, SessionRecord, Store
from voicebot.store.exclusive import FolderLock
from voicebot.store.redis import RedisStore
from voicebot.store.sqlite import FILE, SqliteStore

GONE = {"user_left", "user_joined", "lobby_destroyed"}


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.needs("redis-server"))])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Crashing]:
    async with AsyncExitStack() as stack:
        store = "sqlite"
        if request.param == "redis":
            (tmp_path / "redis").mkdir()
            store = stack.enter_context(redis_server(tmp_path / "redis")).url
        yield await stack.enter_async_context(crashing(tmp_path, store))


@pytest.fixture
async def visit(server: Crashing) -> AsyncIterator[Callable[..., Awaitable[Visitor]]]:
    """Makes visitors; those with a name join a lobby."""
    visitors: list[Visitor] = []

    async def make(name: str = "", lobby: str = "demo") -> Visitor:
        visitor = await server.visitor()
        visitors.append(visitor)
        return await visitor.join(name, lobby) if name else visitor

    yield make
    for visitor in visitors:
        assert visitor.socket is not None
        await visitor.socket.close()
        await visitor.http.aclose()


async def kept(server: Crashing, where: Callable[[list[LobbyRecord], list[SessionRecord]], bool]) -> None:
    """Wait until the store has exactly these lobbies and seats. Reads the store from outside."""
    store: Store
    if server.store == "sqlite":
        store = await SqliteStore.open(server.data / FILE)
    else:
        store = await RedisStore.open(server.store, FolderLock(server.folder))
    try:
        async with asyncio.timeout(GUARD):
            while True:
                lobbies = await store.lobbies()
                if where(lobbies, [seat for lobby in lobbies for seat in await store.seats(lobby.id)]):
                    return
                await server.pause()
    finally:
        await store.aclose()


async def all_seated(server: Crashing, *people: Visitor) -> None:
    ids = {person.me for person in people}
    await kept(server, lambda _, sessions: ids <= {s.seat.participant_id for s in sessions if s.seat})


async def resume(visitor: Visitor) -> dict[str, Any]:
    """Resume as a page does after it lost its socket, and return the first lobby_state."""
    last = visitor.last_seq
    visitor.received.clear()
    await visitor.open()
    hello = (await visitor.expect("session_established"))["data"]
    assert hello["resumed"]
    assert hello["participant_id"] == visitor.me
    await visitor.send("resume", {"last_seq": last})
    return await visitor.expect("lobby_state")


def of(state: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """The participants of a lobby_state, without fields that change all the time."""
    passing = ("presence", "state", "notice")
    return {
        p["id"]: {k: v for k, v in p.items() if k not in passing}
        for p in state["data"]["participants"]
        if p["kind"] == kind
    }


async def back_again(visitor: Visitor, before: dict[str, Any], state: dict[str, Any] | None = None) -> None:
    """Wait until everybody of `before` is present and unchanged, and nobody was seen to leave or join."""
    state = state or await visitor.expect("lobby_state")
    while of(state, "agent") != of(before, "agent"):
        state = await visitor.expect("lobby_state")
    assert of(state, "human") == of(before, "human")
    assert not [m for m in visitor.received if m["type"] in GONE]


@pytest.mark.parametrize("ending", ["kill", "stop"])
async def test_everybody_is_back_after_a_restart_and_nobody_left(
    server: Crashing, visit: Any, ending: str
) -> None:
    await server.start()
    await server.answers("ready")
    ada, bob = await visit("Ann"), await visit("Bob")
    asked = await ada.send("agent_create", {"description": "Grump, a grumpy lighthouse keeper"}, lobby="demo")
    grump = (await ada.expect("agent_created", lambda m: m.get("id") == asked))["data"]["participant"]["id"]
    await ada.send("agent_update", {"participant_id": grump, "muted": True}, lobby="demo")
    await bob.send("participant_update", {"muted": True, "name": "Bobby"}, lobby="demo")
    await ada.expect("participant_updated", lambda m: m["data"]["participant"]["name"] == "Bobby")
    await ada.settle()
    again = await ada.send("join_lobby", {"name": "Ann"}, lobby="demo")
    await ada.expect("lobby_joined", lambda m: m["id"] == again)
    before = await ada.expect("lobby_state")
    assert {p["name"]: p["role"] for p in of(before, "human").values()} == {"Ann": "host", "Bobby": "guest"}
    assert of(before, "agent")[grump]["muted"]
    await all_seated(server, ada, bob)
    await kept(
        server,
        lambda lobbies, sessions: (
            any(a.id == grump and a.muted for a in lobbies[0].agents)
            and any(s.seat.name == "Bobby" and s.seat.muted for s in sessions if s.seat)
        ),
    )

    await getattr(server, ending)()
    await server.start()
    states = await asyncio.gather(resume(ada), resume(bob))
    assert states[0]["data"]["version"] > before["data"]["version"]
    for person, state in zip((ada, bob), states, strict=True):
        await back_again(person, before, state)
    await server.answers("ready")
    await ada.send("chat_message", {"text": "still here?"}, lobby="demo")
    said = (await bob.expect("chat_message"))["data"]
    assert said == {"text": "still here?", "participant_id": ada.me}
    for person in (ada, bob):
        assert not [m for m in await person.settle() if m["type"] in GONE]


async def test_a_reloaded_page_gets_its_seat_back(server: Crashing, visit: Any) -> None:
    await server.start()
    ada = await visit("Ann")
    await all_seated(server, ada)
    await server.kill()
    await server.start()
    ada.last_seq = 0
    await ada.open()
    me = ada.me
    await ada.join("Ann")
    assert ada.me == me


async def test_banned_people_stay_out_and_admitted_people_walk_in_after_a_restart(
    server: Crashing, visit: Any
) -> None:
    await server.start()
    ada, bob, eve, kim = await visit(), await visit(), await visit(), await visit()
    asked = await ada.send("create_lobby", {"name": "Tea room", "slug": "tea-room"})
    lobby = (await ada.expect("lobby_created", lambda m: m["id"] == asked))["data"]["id"]
    await ada.join("Ann", lobby)
    for person, name in ((bob, "Bob"), (eve, "Eve"), (kim, "Kim")):
        await person.expect("session_established")
        await person.send("join_lobby", {"name": name}, lobby=lobby)
        waiting = await ada.expect("knocking", lambda m: m["data"]["waiting"] != [])
        [one] = waiting["data"]["waiting"]
        await ada.send("moderation", {"action": "admit", "participant_id": one["id"]}, lobby=lobby)
        person.me = (await person.expect("lobby_joined"))["data"]["participant_id"]
    await ada.send("moderation", {"action": "ban", "participant_id": eve.me, "reason": "noise"}, lobby=lobby)
    await ada.send("moderation", {"action": "kick", "participant_id": kim.me}, lobby=lobby)
    await ada.expect("user_left", lambda m: m["data"]["participant_id"] == kim.me)
    await bob.send("leave_lobby", {}, lobby=lobby)
    await ada.expect("user_left", lambda m: m["data"]["participant_id"] == bob.me)
    await kept(
        server,
        lambda lobbies, sessions: (
            [s.seat.name for s in sessions if s.seat] == ["Ann"] and len(lobbies[-1].admitted) == 1
        ),
    )

    await server.kill()
    await server.start()
    state = await resume(ada)
    assert [p["name"] for p in of(state, "human").values()] == ["Ann"]
    assert state["data"]["lobby"]["settings"]["private"]
    await bob.open()
    await bob.join("Bob", lobby)
    await eve.open()
    asked = await eve.send("join_lobby", {"name": "Evelyn"}, lobby=lobby)
    assert (await eve.expect("error", lambda m: m["id"] == asked))["data"]["code"] == "unknown_lobby"
    kim.received.clear()
    await kim.open()
    asked = await kim.send("join_lobby", {"name": "Kim"}, lobby=lobby)
    assert (await kim.expect("lobby_waiting"))["id"] == asked
    [one] = (await ada.expect("knocking"))["data"]["waiting"]
    assert one["name"] == "Kim"


async def test_a_closed_lobby_does_not_come_back(server: Crashing, visit: Any) -> None:
    await server.start()
    ada = await visit()
    asked = await ada.send("create_lobby", {"name": "Short", "slug": "short"})
    await ada.expect("lobby_created", lambda m: m["id"] == asked)
    await ada.join("Ann", "short")
    deleted = await ada.http.delete("api/lobbies/short", headers={"Origin": server.url.rstrip("/")})
    assert deleted.status_code == 204, deleted.text
    await ada.expect("lobby_destroyed")
    await server.kill()
    await server.start()
    await ada.open()
    asked = await ada.send("join_lobby", {"name": "Ann"}, lobby="short")
    assert (await ada.expect("error", lambda m: m["id"] == asked))["data"]["code"] == "unknown_lobby"


async def test_restarts_do_not_duplicate_the_demo_lobby(server: Crashing) -> None:
    for _ in range(2):
        await server.start()
        await server.answers("ready")
        await kept(server, lambda lobbies, _: [len(one.agents) for one in lobbies] == [1])
        await server.stop()
    await kept(server, lambda lobbies, _: [one.id for one in lobbies] == ["demo"])


CANARY = "canary-of-the-"


async def test_the_store_contains_no_connections_and_no_secrets(server: Crashing, visit: Any) -> None:
    await server.start()
    await server.answers("ready")
    ada, bob = await visit("Ann"), await visit("Bob")
    start = await ada.expect("start_webrtc_negotiation", lambda m: m["peer"] == bob.me)
    to = {"peer": bob.me, "epoch": start["epoch"]}
    sdp = f"v=0\r\no={CANARY}sdp 1 1 IN IP4 192.0.2.77\r\ns=-\r\nt=0 0\r\n"
    candidate = f"candidate:1 1 udp 1 192.0.2.77 9 typ host {CANARY}candidate"
    sender, receiver = (ada, bob) if start["data"]["role"] == "impolite" else (bob, ada)
    to = {"peer": receiver.me, "epoch": start["epoch"]}
    await sender.send("webrtc_offer", {"sdp": sdp, "tracks": {}}, **to)
    await sender.send("ice_candidate", {"candidate": candidate}, **to)
    assert (await receiver.expect("webrtc_offer"))["data"]["sdp"] == sdp
    await receiver.expect("ice_candidate")
    await ada.send("chat_message", {"text": f"{CANARY}chat"}, lobby="demo")
    await bob.expect("chat_message")
    await all_seated(server, ada, bob)
    secrets = [cookie.value for person in (ada, bob) for cookie in person.http.cookies.jar]
    assert len(secrets) == 2
    await server.stop()
    files = [
        path for path in server.folder.rglob("*") if path.is_file() and "conversations" not in path.parts
    ]
    stored = [path for path in files if path.name.startswith(FILE) or "redis" in path.parts]
    assert stored
    for path in stored:
        content = path.read_bytes()
        for secret in (CANARY, "192.0.2.77", "v=0", *(s for s in secrets if s)):
            assert secret.encode() not in content, (path, secret)
    assert any(b"Bob" in path.read_bytes() for path in stored)


# ---------------------------------------------------------------- in the same process


async def test_agents_restored_before_people_return_are_offered_to_them(
    host: Any, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    hosting = await host(settings=settings.model_copy(update={"port": free_port()}))
    await hosting.agent_sessions["demo"].spawn("Grump, a grumpy lighthouse keeper")
    http = httpx.AsyncClient(base_url=hosting.url, headers={"Origin": hosting.url.rstrip("/")})
    (await http.post("api/session")).raise_for_status()
    ada = await (await Visitor(http, hosting.url).open()).join("Ann")
    agents = {agent.id for agent in hosting.agent_sessions["demo"].lobby.agents}
    before = (await ada.expect("start_webrtc_negotiation"))["epoch"]
    await hosting.stop()
    assert await ada.closed() == 1012
    await hosting.start()
    assert {agent.id for agent in hosting.agent_sessions["demo"].lobby.agents} == agents
    assert hosting.agent_sessions["demo"].lobby.participants[ada.me].presence == "reconnecting"
    await resume(ada)
    start = await ada.expect("start_webrtc_negotiation")
    assert set(start["data"]["receive"]) == agents
    assert start["epoch"] > before
    assert hosting.agent_sessions["demo"].lobby.participants[ada.me].presence == "present"
    assert "failed" not in caplog.text
    await ada.socket.close()
    await http.aclose()


async def test_agents_are_restored_before_the_models_are_loaded(
    host: Any, settings: Settings, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosting = await host(settings=settings.model_copy(update={"port": free_port()}))
    lobby = hosting.agent_sessions["demo"].lobby
    await hosting.agent_sessions["demo"].spawn("Grump, a grumpy lighthouse keeper")
    agents = [agent.id for agent in lobby.agents]
    http = httpx.AsyncClient(base_url=hosting.url, headers={"Origin": hosting.url.rstrip("/")})
    (await http.post("api/session")).raise_for_status()
    ada = await (await Visitor(http, hosting.url).open()).join("Ann")
    await hosting.stop()
    assert await ada.closed() == 1012

    loaded = asyncio.Event()

    async def choose(*role_and_more: Any) -> Any:
        await loaded.wait()
        return await choosing.choose(*role_and_more)

    monkeypatch.setattr("voicebot.agent.models.models.choose", choose)
    starting = asyncio.ensure_future(hosting.start())
    async with asyncio.timeout(GUARD):
        while True:
            assert not starting.done()
            try:
                await resume(ada)
                break
            except OSError:  # it does not listen yet
                await asyncio.sleep(0)
    start = await ada.expect("start_webrtc_negotiation")
    assert start["data"]["receive"] == agents
    lobby = hosting.agent_sessions["demo"].lobby
    assert [(agent.id, agent.state) for agent in lobby.agents] == [(id, "initializing") for id in agents]
    assert not models.started
    assert not hosting.running
    loaded.set()
    await starting
    for id in agents:
        told = await ada.expect("agent_state", lambda m, id=id: m["data"]["participant_id"] == id)
        assert told["data"]["state"] == "idle"
    await ada.socket.close()
    await http.aclose()


async def test_a_stopped_server_can_start_again(host: Any, media: Any, models: Any) -> None:
    hosting = await host()
    agent_session = await hosting.create_lobby("Notebook", "notebook")
    agent = await agent_session.spawn("Grump, a grumpy lighthouse keeper")
    agent_session.mute(agent.id)
    await hosting.stop()
    assert list(hosting.agent_sessions) == []
    await hosting.start()
    assert list(hosting.agent_sessions) == ["demo", "notebook"]
    again = hosting.agent_sessions["notebook"].agents[agent.id]
    assert again.persona == agent.persona
    assert again.muted
    assert len(hosting.agent_sessions["demo"].agents) == 1


async def test_a_broken_record_does_not_affect_the_others(
    host: Any, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    hosting = await host()
    for name in ("first", "second"):
        agent_session = await hosting.create_lobby(name, name)
        await agent_session.spawn("Ada, a guide")
        await agent_session.spawn("Bruno, a baker")
    await hosting.stop()
    store = await open_store(settings)
    kept = {record.id: record for record in await store.lobbies()}
    bad = replace(kept["first"], settings={"private": "perhaps"})
    await store.put_lobby(bad)
    ada, bruno = kept["second"].agents
    odd = replace(ada, persona={"name": ""}), replace(bruno, llm="nowhere:model")
    await store.put_lobby(replace(kept["second"], agents=odd))
    await store.aclose()
    await hosting.start()
    assert list(hosting.agent_sessions) == ["demo", "second"]
    assert "first" in caplog.text
    assert ada.id in caplog.text
    assert list(hosting.agent_sessions["second"].agents) == [bruno.id]
    assert "nowhere" in caplog.text
    agent_session = await hosting.create_lobby("First again", "first")
    assert agent_session.lobby.name == "First again"


async def test_without_a_durable_store_a_stop_closes_every_lobby(host: Any, settings: Settings) -> None:
    hosting = await host(settings=settings.model_copy(update={"store": "memory"}))
    await hosting.create_lobby("Tea room", "tea-room")
    await hosting.stop()
    await hosting.start()
    assert list(hosting.agent_sessions) == ["demo"]
