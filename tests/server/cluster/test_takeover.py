"""Several servers on one Redis: one stops, dies or sleeps, or Redis goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis
from websockets.exceptions import ConnectionClosed

from tests.server.conftest import Visitor
from tests.server.crashing import Crashing, crashing
from tests.server.several import Nodes, chat, pair, resume, seat_written, until, vanish
from tests.support.redis_server import RedisServer
from tests.support.waiting import GUARD
from voicebot.server.hosting import Hosting
from voicebot.server.lobby import persistence
from voicebot.store.base import LeaseLost, SeatRecord
from voicebot.store.shared import Lease, shared

pytestmark = [pytest.mark.needs("redis-server"), pytest.mark.live]


async def back(visitor: Visitor, hosting: Hosting, nodes: Nodes) -> Visitor:
    """Reconnect until the seat is back, as browsers do."""
    async with asyncio.timeout(GUARD):
        while True:
            try:
                return await resume(visitor, hosting, nodes)
            except (ConnectionClosed, httpx.HTTPError):
                continue


async def test_another_server_takes_over_the_lobbies_of_a_dead_one(nodes: Nodes, short_leases: None) -> None:
    a, b, ada, bob = await pair(nodes)
    agents = {agent.id for agent in a.agent_sessions["demo"].lobby.agents}
    await seat_written(b, ada.me)

    async def kept() -> bool:
        record = await b._store.get_lobby("demo")
        return record is not None and {agent.id for agent in record.agents} == agents

    await until(kept)
    await vanish(a)
    assert await bob.closed() == 1012

    async def taken_over() -> bool:
        return (
            "demo" in b.agent_sessions
            and {agent.id for agent in b.agent_sessions["demo"].lobby.agents} == agents
        )

    await until(taken_over)
    people = b.agent_sessions["demo"].lobby.humans
    assert {p.id: p.presence for p in people} == {ada.me: "reconnecting", bob.me: "reconnecting"}
    bob, ada = await back(bob, b, nodes), await back(ada, b, nodes)
    for person in (ada, bob):
        state = await person.expect("lobby_state")
        assert {ada.me, bob.me} | agents == {p["id"] for p in state["data"]["participants"]}
    await chat(bob, ada, text="on we go")
    # what the dead one would still write is refused
    store = shared(b._store)
    assert store is not None
    token = a._lobbies.persistence.token("demo")
    assert token is not None
    with pytest.raises(LeaseLost):
        await store.put_lobby(a.controller("demo").record(), token)
    with pytest.raises(LeaseLost):
        await store.put_seat("s-x", None, freed=SeatRecord("demo", ada.me, "Ada"), token=token)
    assert len(await store.seats("demo")) == 2


async def test_a_server_that_stops_hands_its_lobbies_over(nodes: Nodes, short_leases: None) -> None:
    a, b, ada, bob = await pair(nodes)
    await a.stop()
    assert await bob.closed() == 1012
    assert await ada.closed() == 1012
    again = await back(bob, b, nodes)
    assert list(b.agent_sessions) == ["demo"]
    await chat(again, text="on we go")
    a = await nodes.start("a")
    assert list(a.agent_sessions) == []
    ada = await back(ada, a, nodes)
    await chat(ada, again, text="me too")


async def test_lobbies_keep_working_while_redis_is_away(nodes: Nodes, short_leases: None) -> None:
    a, b, ada, bob = await pair(nodes)
    eve = await (await nodes.visit(nodes.started["a"])).join("Eve")
    nodes.redis.stop()
    await bob.send("chat_message", {"text": "hello?"}, lobby="demo")
    assert await bob.closed() in {1012, 1013}
    await chat(ada, eve, text="still here")
    settled = asyncio.get_running_loop().time() + 2 * persistence.LEASE

    async def away_for_longer_than_a_lease() -> bool:
        return asyncio.get_running_loop().time() > settled

    await until(away_for_longer_than_a_lease)
    nodes.redis.start()
    again = await back(bob, b, nodes)
    assert "demo" in a.agent_sessions  # who was alive all the time has kept it
    assert "demo" not in b.agent_sessions
    await chat(again, ada, eve, text="and on")


async def test_lobbies_of_a_server_that_died_while_redis_was_away_are_taken_over(
    nodes: Nodes, short_leases: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicebot.server.cluster.takeover.ANSWER_SECONDS", 0.2)
    a, b, _ada, bob = await pair(nodes)
    nodes.redis.stop()
    await vanish(a)
    assert await bob.closed() in {1012, 1013}
    nodes.redis.start()
    await back(bob, b, nodes)
    assert list(b.agent_sessions) == ["demo"]


async def test_a_server_that_slept_too_long_gives_up_its_lobbies(nodes: Nodes, short_leases: None) -> None:
    a, b, ada, bob = await pair(nodes)
    persistence = a._lobbies.persistence
    for task in persistence._tasks:
        task.cancel()

    async def taken_over() -> bool:
        return "demo" in b.agent_sessions

    await until(taken_over)
    await chat(ada, text="to nobody else")  # it does not know yet
    persistence.start()
    assert await ada.closed() == 1012
    ada, bob = await back(ada, a, nodes), await back(bob, b, nodes)
    assert "demo" not in a.agent_sessions
    await chat(ada, bob, text="here we all are")


async def test_one_of_two_lobbies_with_the_same_id_is_kept_after_redis_is_back(
    nodes: Nodes, short_leases: None
) -> None:
    a, b, ada, bob = await pair(nodes)
    nodes.redis.stop()
    assert await bob.closed() in {1012, 1013}
    for hosting in (a, b):
        await hosting.create_lobby("Tea room", "tea-room")
        assert hosting._lobbies.persistence.token("tea-room") is None
    nodes.redis.start()

    async def one_has_it() -> bool:
        return len([hosting for hosting in (a, b) if "tea-room" in hosting.agent_sessions]) == 1

    await until(one_has_it)
    [winner] = [hosting for hosting in (a, b) if "tea-room" in hosting.agent_sessions]

    async def written() -> bool:
        return await winner._store.get_lobby("tea-room") is not None

    await until(written)
    store = shared(winner._store)
    assert store is not None
    token = winner._lobbies.persistence.token("tea-room")
    assert token is not None
    assert await store.holder("tea-room") == Lease(store.owner, token)
    bob = await back(bob, b, nodes)
    for person in (ada, bob):
        await person.send("join_lobby", {"name": "Tea drinker"}, lobby="tea-room")
        joined = await person.expect("lobby_joined", lambda m: m["lobby"] == "tea-room")
        assert joined["data"]["participant_id"] in winner.agent_sessions["tea-room"].lobby.participants


async def test_a_server_can_stop_while_redis_hangs(
    nodes: Nodes, short_leases: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voicebot.store.redis.READ_SECONDS", 1.1)
    a, b, ada, bob = await pair(nodes)
    nodes.redis.hang()
    async with asyncio.timeout(GUARD):
        await asyncio.gather(a.stop(), b.stop())
    for person in (ada, bob):
        assert await person.closed() in {1012, 1013}


async def test_a_lobby_without_a_server_is_reported_as_unavailable(nodes: Nodes, short_leases: None) -> None:
    a, b, _ada, bob = await pair(nodes)
    await vanish(a)
    b._ready = False  # as one that is starting: it takes nothing over

    async def nobodys() -> bool:
        store = shared(b._store)
        assert store is not None
        return await store.holder("demo") is None

    await until(nobodys)
    answer = await bob.http.get("api/lobbies/demo")
    assert (answer.status_code, answer.json()["error"]["retryable"]) == (503, True)
    assert int(answer.headers["retry-after"]) > 0
    late = await nodes.tab(b, bob)
    assert await late.closed() == 1013
    b._ready = True
    await back(bob, b, nodes)
    assert (await bob.http.get("api/lobbies/demo")).status_code == 200


async def test_a_renewed_lease_is_not_mistaken_for_another_servers(hosting: Hosting) -> None:
    persistence, store = hosting._lobbies.persistence, hosting._store
    newer = await store.acquire("demo", store.owner, 60)  # the answer to it is on its way
    assert newer is not None
    controller = hosting.controller("demo")
    await hosting.create_lobby("Tea room", "tea-room")
    for id in ("demo", "tea-room"):
        persistence.lobby_changed(id)
    await persistence.flush()
    assert sorted(hosting.agent_sessions) == ["demo", "tea-room"]
    assert (persistence.token("demo") or 0) > newer
    record = await store.get_lobby("demo")
    assert record is not None
    assert record.version == controller.record().version


# ---------------------------------------------------------------- processes


@dataclass
class Processes:
    """Ada is on server a, which has the demo lobby; Bob is on b."""

    a: Crashing
    b: Crashing
    ada: Visitor
    bob: Visitor


@pytest.fixture
async def processes(tmp_path: Path, redis: RedisServer) -> AsyncIterator[Processes]:
    async with AsyncExitStack() as stack:
        servers = []
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            servers.append(await stack.enter_async_context(crashing(tmp_path / name, redis.url)))
            await servers[-1].start()
            await servers[-1].answers("ready")
        visitors = []
        for server, name in zip(servers, ("Ada", "Bob"), strict=True):
            visitor = await server.visitor()
            stack.push_async_callback(visitor.http.aclose)
            stack.push_async_callback(lambda one=visitor: one.socket.close())
            visitors.append(await visitor.join(name))
        await chat(visitors[1], visitors[0], text="hello")
        client = await stack.enter_async_context(Redis.from_url(redis.url))
        async with asyncio.timeout(GUARD):
            while await client.scard("voicebot:seats:demo") < 2 or not await client.exists(
                "voicebot:lobby:demo"
            ):
                await servers[0].pause()
        yield Processes(*servers, *visitors)


async def back_in_seat(visitor: Visitor, server: Crashing) -> None:
    """Reconnect until the seat is back, and resume, as browsers do."""
    assert visitor.socket is not None
    async with asyncio.timeout(GUARD):
        await visitor.socket.wait_closed()
        assert visitor.socket.close_code == 1012
        while True:
            last = visitor.last_seq
            await visitor.open()
            try:
                hello = await visitor.expect("session_established")
                assert hello["data"].get("participant_id") == visitor.me
                await visitor.send("resume", {"last_seq": last})
                state = await visitor.expect("lobby_state")
                break
            except ConnectionClosed:  # with 1013: not yet
                await server.pause()
    assert {"Ada", "Bob"} <= {p["name"] for p in state["data"]["participants"]}
    await chat(visitor, text="on we go")


async def test_one_of_two_processes_is_killed(processes: Processes) -> None:
    await processes.a.kill()
    await back_in_seat(processes.bob, processes.b)


async def test_one_of_two_processes_is_killed_and_started_again_at_once(processes: Processes) -> None:
    await processes.a.kill()
    await processes.a.start()
    await back_in_seat(processes.bob, processes.b)
    await processes.ada.socket.wait_closed()  # type: ignore[union-attr]
    last = processes.ada.last_seq
    await processes.ada.open()
    await processes.ada.expect("session_established")
    await processes.ada.send("resume", {"last_seq": last})
    await chat(processes.ada, processes.bob, text="all of us")
