"""Several servers on one Redis: people reach their lobby and seat through any of them."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.server.conftest import Visitor
from tests.server.net.test_transports import Proxied, no_sockets
from tests.server.several import Nodes, chat, pair, resume, seat_written, vanish
from tests.support.waiting import GUARD
from voicebot.errors import SignalingError
from voicebot.server.hosting import Hosting
from voicebot.signaling.messages import ChatData, ChatMessage

pytestmark = [pytest.mark.needs("redis-server"), pytest.mark.live]
GONE = {"user_left", "user_joined", "lobby_destroyed"}


async def told(visitor: Visitor, code: str, id: str) -> dict[str, Any]:
    error = await visitor.expect("error", lambda m: m.get("id") == id)
    assert error["data"]["code"] == code, error
    return error


async def test_people_on_two_servers_share_a_lobby(nodes: Nodes) -> None:
    _a, b, ada, bob = await pair(nodes)
    assert list(b.agent_sessions) == []
    joined = await ada.expect("user_joined", lambda m: m["data"]["participant"]["name"] == "Bob")
    assert joined["data"]["participant"]["id"] == bob.me
    await chat(ada, bob, text="from a")
    await chat(bob, ada, text="from b")
    start = await ada.expect("start_webrtc_negotiation", lambda m: m.get("peer") == bob.me)
    theirs = await bob.expect("start_webrtc_negotiation", lambda m: m.get("peer") == ada.me)
    assert theirs["epoch"] == start["epoch"]
    offerer, answerer = (ada, bob) if start["data"]["role"] == "impolite" else (bob, ada)
    for sender, receiver, type in ((offerer, answerer, "webrtc_offer"), (answerer, offerer, "webrtc_answer")):
        sdp = f"v=0\r\ns={type} \u00e9\r\n"
        await sender.send(type, {"sdp": sdp, "tracks": {}}, peer=receiver.me, epoch=start["epoch"])
        got = await receiver.expect(type)
        assert (got["peer"], got["data"]["sdp"]) == (sender.me, sdp)
        candidate = {"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host"}
        await sender.send("ice_candidate", candidate, peer=receiver.me, epoch=start["epoch"])
        assert (await receiver.expect("ice_candidate"))["data"]["candidate"] == candidate["candidate"]
    await ada.send("agent_create", {"description": "Grump, a grumpy lighthouse keeper"}, lobby="demo")
    made = await ada.expect("agent_created")
    seen = await bob.expect("agent_created")
    assert seen["data"]["participant"]["id"] == made["data"]["participant"]["id"]
    id = await bob.send("ping")
    assert (await bob.expect("pong"))["id"] == id
    await bob.send_text("not json")
    assert (await bob.expect("error"))["data"]["code"] == "bad_message"
    await bob.send_text(b"\x00")
    assert "binary" in (await bob.expect("error"))["data"]["message"]


async def test_forwarded_frames_are_deleted_from_redis(nodes: Nodes) -> None:
    a, _b, ada, bob = await pair(nodes)
    await chat(bob, ada, text="a secret of two")
    async with asyncio.timeout(GUARD):
        while True:
            keys = await a._store._redis.keys("*stream:node:*")  # type: ignore[attr-defined]
            if not any([await a._store._redis.xlen(key) for key in keys]):  # type: ignore[attr-defined]
                break
    assert keys


async def test_a_host_can_remove_somebody_on_another_server(nodes: Nodes) -> None:
    a, b, ada, bob = await pair(nodes)
    a.moderate("demo").make_host(ada.me)
    await ada.send("moderation", {"action": "ban", "participant_id": bob.me}, lobby="demo")
    await bob.expect("user_left", lambda m: m["data"]["participant_id"] == bob.me)
    id = await bob.send("join_lobby", {"name": "Bob"}, lobby="demo")
    await told(bob, "unknown_lobby", id)
    eve = await (await nodes.visit(b)).join("Eve")
    id = await eve.send("moderation", {"action": "kick", "participant_id": ada.me}, lobby="demo")
    await told(eve, "forbidden", id)
    await ada.send("moderation", {"action": "make_host", "participant_id": eve.me}, lobby="demo")
    await eve.expect("participant_updated", lambda m: m["data"]["participant"]["role"] == "host")
    await eve.send("moderation", {"action": "kick", "participant_id": ada.me}, lobby="demo")
    await ada.expect("user_left", lambda m: m["data"]["participant_id"] == ada.me)


async def test_the_server_of_the_lobby_answers_requests(nodes: Nodes) -> None:
    a, b, ada, bob = await pair(nodes)
    details = (await bob.http.get("api/lobbies/demo")).json()
    assert (details["people"], details["agents"]) == (2, 1)
    assert details == (await ada.http.get("api/lobbies/demo")).json()
    answer = await bob.http.post(
        "api/lobbies/demo/agents", json={"description": "Grump, a lighthouse keeper"}
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["id"] in a.agent_sessions["demo"].agents
    assert len((await bob.http.get("api/lobbies/demo/agents")).json()) == 2
    assert (await bob.http.get("api/lobbies/demo/ice-servers")).status_code == 200
    refused = await bob.http.patch("api/lobbies/demo", json={"locked": True})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
    assert refused.headers.get_list("x-content-type-options", split_commas=True) == ["nosniff"]
    elsewhere = {"Origin": "https://evil.example"}
    assert (await bob.http.delete("api/lobbies/demo", headers=elsewhere)).status_code == 403
    async with httpx.AsyncClient(base_url=b.url) as stranger:
        assert (await stranger.get("api/lobbies/demo")).status_code == 401
    assert (await bob.http.get("api/lobbies/nowhere")).status_code == 404
    assert len((await ada.http.get("api/lobbies/demo/conversations")).json()) == 1
    eve = await nodes.tab(b, ada)
    [conversation] = (await eve.http.get("api/lobbies/demo/conversations")).json()
    events = await eve.http.get(f"api/lobbies/demo/conversations/{conversation['id']}/events.jsonl")
    assert events.status_code in {200, 404}


async def test_a_download_too_large_to_forward_is_refused(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    _a, _b, _ada, bob = await pair(nodes)
    monkeypatch.setattr("voicebot.server.cluster.remote.MAX_BODY", 10)
    answer = await bob.http.get("api/lobbies/demo")
    assert (answer.status_code, answer.json()["error"]["code"]) == (421, "too_large")
    large = await bob.http.post(
        "api/lobbies/demo/agents",
        content=b" " * (1024 * 1024 + 1),
        headers={"Content-Type": "application/json"},
    )
    assert large.status_code == 413


async def test_forwarding_loses_and_repeats_nothing(nodes: Nodes) -> None:
    _a, b, ada, bob = await pair(nodes)
    c = await nodes.start("c")
    await ada.settle()
    await bob.settle()
    await vanish(b)
    for n in range(5):
        await chat(ada, text=f"{n}")
    said = await bob.send("chat_message", {"text": "into the void"}, lobby="demo")
    again = await resume(bob, c, nodes)
    await again.send("chat_message", {"text": "into the void"}, id=said, lobby="demo")
    await ada.expect("chat_message", lambda m: m["data"]["text"] == "into the void")
    await again.expect("chat_message", lambda m: m["data"]["text"] == "into the void")
    texts = [m["data"]["text"] for m in again.received if m["type"] == "chat_message"]
    assert texts == ["0", "1", "2", "3", "4"]
    assert not [m for m in again.received if m["type"] in GONE]
    await again.send("chat_message", {"text": "into the void"}, id=said, lobby="demo")
    await again.settle()
    seen = await ada.settle()
    assert not [m for m in seen if m["type"] in GONE | {"chat_message"}]


async def test_a_newer_socket_at_another_server_replaces_the_older(nodes: Nodes) -> None:
    a, b, ada, bob = await pair(nodes)
    again = await resume(bob, a, nodes)
    assert await bob.closed() == 4409
    await chat(again, ada, text="here now")
    third = await resume(again, b, nodes)
    assert await again.closed() == 4409
    await chat(third, ada, text="and back")


async def test_a_client_can_move_between_lobbies_of_different_servers(nodes: Nodes) -> None:
    _a, b, ada, bob = await pair(nodes)
    await b.create_lobby("Tea room", "tea-room")
    before = bob.last_seq
    id = await bob.send("join_lobby", {"name": "Bob"}, lobby="tea-room")
    joined = await bob.expect("lobby_joined", lambda m: m.get("id") == id)
    assert joined["seq"] > before
    await ada.expect("user_left", lambda m: m["data"]["participant_id"] == bob.me)
    bob.me = joined["data"]["participant_id"]
    assert [p.name for p in b.agent_sessions["tea-room"].lobby.humans] == ["Bob"]
    id = await ada.send("join_lobby", {"name": "Ada"}, lobby="tea-room")
    ada.me = (await ada.expect("lobby_joined", lambda m: m.get("id") == id))["data"]["participant_id"]
    await bob.expect("user_joined", lambda m: m["data"]["participant"]["id"] == ada.me)
    for person in (bob, ada):
        id = await person.send("join_lobby", {"name": "Back"}, lobby="demo")
        joined = await person.expect("lobby_joined", lambda m, id=id: m.get("id") == id)
        person.me = joined["data"]["participant_id"]
    await chat(bob, ada, text="back again")
    assert not b.agent_sessions["tea-room"].lobby.humans


async def test_a_second_tab_at_another_server_takes_over_the_seat(nodes: Nodes) -> None:
    a, b = await nodes.start("a"), await nodes.start("b")
    c = await nodes.start("c")
    await b.create_lobby("Tea room", "tea-room")
    ada = await (await nodes.visit(a)).join("Ada")
    bob = await nodes.visit(b)
    other = await nodes.tab(c, bob)  # knows nothing of a seat, for there is none yet
    await bob.join("Bob")
    await seat_written(b, bob.me)
    await other.join("Bob", "tea-room")
    await ada.expect("user_left", lambda m: m["data"]["participant_id"] == bob.me)
    assert await bob.closed() == 4409
    assert [p.id for p in b.agent_sessions["tea-room"].lobby.humans] == [other.me]
    assert [p.id for p in a.agent_sessions["demo"].lobby.humans] == [ada.me]


async def test_all_servers_share_the_cookie(nodes: Nodes) -> None:
    a, b = await nodes.start("a"), await nodes.start("b")
    ada = await nodes.visit(a)
    assert list(ada.http.cookies) == ["voicebot_session"]
    there = await nodes.tab(b, ada)
    hello = [await one.expect("session_established") for one in (ada, there)]
    assert hello[0]["data"]["session"] == hello[1]["data"]["session"]


async def test_a_lobby_id_is_unique_across_servers(nodes: Nodes) -> None:
    a, b = await nodes.start("a"), await nodes.start("b")
    await a.create_lobby("Tea room", "tea-room")
    with pytest.raises(SignalingError, match="already"):
        await b.create_lobby("Tea room", "tea-room")


async def test_without_a_shared_store_there_is_no_cluster(hosting: Hosting) -> None:
    assert hosting._cluster is None
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not [name for name in names if "other servers" in name]


async def test_forwarded_clients_are_told_that_a_server_stops(nodes: Nodes) -> None:
    """Through the server of the lobby, through the one between, and for a client that connects meanwhile."""
    a, b, ada, bob = await pair(nodes)
    for stopping, told in ((b, [bob]), (a, [ada, bob])):
        draining = asyncio.create_task(stopping.drain(3600))
        for person in told:
            going = await person.expect("going_away")
            assert (0 < going["data"]["seconds"] <= 3600, going["data"]["returning"]) == (True, True)
        for person in (ada, bob):
            assert "going_away" not in [m["type"] for m in await person.settle()]
        draining.cancel()
        await asyncio.gather(draining, return_exceptions=True)
    again = await resume(bob, b, nodes)
    for _ in range(2):  # of each server
        await again.expect("going_away")
    await chat(again, ada, text="while it lasts")
    await b.stop()
    assert await again.closed() == 1012
    assert {p.id for p in a.agent_sessions["demo"].lobby.humans} == {ada.me, bob.me}


async def test_a_stuck_forwarded_socket_is_dropped(nodes: Nodes) -> None:
    a = await nodes.start("a")
    b = await nodes.start("b", write_deadline=0.05)
    bob = await nodes.visit(b)
    async with Proxied(b) as proxy:
        bob.socket = await proxy.connect(bob)
        await bob.join("Bob")
        await bob.settle()
        browser = a.controller("demo").presence.get(bob.me)
        assert browser is not None
        carried = b._sessions._clients[browser.session.handle]
        assert (carried.sockets, b._cluster.nodes.forwarded) == (1, 1)  # type: ignore[union-attr]
        proxy.proxy.strike("stall")
        async with asyncio.timeout(GUARD):
            while carried.sockets:
                if browser.outbox is not None:
                    browser.send(ChatMessage(lobby="demo", data=ChatData(text="x" * 2000)))
                await asyncio.sleep(0)
        await no_sockets(browser)
        assert b._cluster.nodes.forwarded == 0  # type: ignore[union-attr]
        assert browser.outbox is None
        bob.socket.transport.abort()


async def test_a_client_may_close_with_any_code_and_keeps_its_seat(nodes: Nodes) -> None:
    a, b, ada, bob = await pair(nodes)
    for person, hosting in ((bob, b), (ada, a)):
        assert person.socket is not None
        await person.socket.close(4000, "as between servers")
        again = await resume(person, hosting, nodes)
        await chat(again, text=f"{again.me} is back")
