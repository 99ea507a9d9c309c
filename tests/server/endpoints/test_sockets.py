"""The WebSocket: access, malformed messages, reconnecting, tabs and expiry."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from voicebot.events import UserChat
from voicebot.lobby.lobby import Lobby
from voicebot.media.base import ClosePeer
from voicebot.server.hosting import Hosting
from voicebot.server.net.limits import Limits, TokenBucket
from voicebot.signaling.messages import MAX_FRAME
from voicebot.testing.media import FakeMediaPlane

BAD = {
    "no JSON": "hello",
    "a list": "[]",
    "a number": "7",
    "an open brace": '{"type": "ping"',
    "deep": "[" * 5000 + "]" * 5000,
    "NaN": '{"type": "resume", "data": {"last_seq": NaN}}',
    "a lone surrogate": '{"type": "join_lobby", "lobby": "demo", "data": {"name": "\\ud800"}}',
    "a wrong field": '{"type": "join_lobby", "lobby": "demo", "data": {"name": 7}}',
    "a server's type": '{"type": "lobby_destroyed", "lobby": "demo", "data": {}}',
    "empty": "",
}


def chatted(hosting: Hosting) -> list[str]:
    log = hosting.agent_sessions["demo"].log
    assert log is not None
    return [event.text for event in log.events if isinstance(event, UserChat)]


@pytest.mark.parametrize("what", BAD)
async def test_a_malformed_message_is_answered_and_the_socket_stays_open(
    hosting: Hosting, visit: Any, what: str
) -> None:
    ada = await visit(hosting, joined="Ada")
    await ada.settle()
    await ada.send_text(BAD[what])
    error = await ada.expect("error")
    assert error["data"]["code"] in {"bad_message", "unknown_type"}
    assert error["data"]["message"]
    await ada.send("chat_message", {"text": "still here"}, lobby="demo")
    await ada.expect("chat_message")


async def test_errors_carry_the_id_of_their_message(hosting: Hosting, visit: Any) -> None:
    ada = await visit(hosting, joined="Ada")
    for frame, code in (
        ({"type": "make_tea", "id": "x1"}, "unknown_type"),
        ({"type": "chat_message", "id": "x1", "lobby": "demo", "data": {"text": ""}}, "bad_message"),
        ({"type": "chat_message", "id": "x1", "lobby": "other", "data": {"text": "hi"}}, "not_joined"),
        (
            {"type": "webrtc_offer", "id": "x1", "peer": "nobody", "epoch": 1, "data": {"sdp": "x"}},
            "unknown_peer",
        ),
        (
            {"type": "moderation", "lobby": "demo", "data": {"action": "kick", "participant_id": ada.me}},
            "forbidden",
        ),
        ({"type": "join_lobby", "id": "x1", "lobby": "nowhere", "data": {"name": "Ada"}}, "unknown_lobby"),
    ):
        frame["id"] = f"x{code}"
        await ada.send_text(json.dumps(frame))
        error = await ada.expect("error")
        assert (error["id"], error["data"]["code"]) == (f"x{code}", code)
        assert error["data"]["hint"]


async def test_before_joining_nothing_else_is_possible(hosting: Hosting, visit: Any) -> None:
    ada = await visit(hosting)
    for type, data in (("chat_message", {"text": "hi"}), ("ice_servers_request", {}), ("leave_lobby", {})):
        await ada.send(type, data, lobby="demo")
        assert (await ada.expect("error"))["data"]["code"] == "not_joined"
    await ada.send("join_lobby", {"name": "\u202e\u200b"}, lobby="demo")
    assert (await ada.expect("error"))["data"]["code"] == "bad_name"
    await ada.join("  Ada\u202e ")
    state = await ada.expect("lobby_state")
    assert "Ada" in [p["name"] for p in state["data"]["participants"]]


async def test_binary_frames_are_refused_and_too_large_ones_end_the_socket(
    hosting: Hosting, visit: Any
) -> None:
    ada = await visit(hosting, joined="Ada")
    await ada.send_text(b"\x00\x01")
    assert (await ada.expect("error"))["data"]["code"] == "bad_message"
    await ada.send_text("x" * (MAX_FRAME + 1))
    assert await ada.closed() == 1009
    assert (await ada.http.get("health")).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "http://evil.example",
        "http://localhost.evil.example",
        "http://localhost",
        "https://localhost:{port}",
        "http://localhost:{port}x",
        "file:///etc/passwd",
    ],
)
async def test_other_origins_are_refused(hosting: Hosting, visit: Any, origin: str | None) -> None:
    ada = await visit(hosting)
    await ada.open(origin=origin.format(port=hosting.port) if origin else None)
    assert await ada.closed() == 4403


async def test_the_public_address_is_an_origin_too(host: Any, settings: Any, visit: Any) -> None:
    public = settings.model_copy(update={"public_url": "https://voice.example/room/"})
    hosting = await host(settings=public)
    assert hosting.url == "https://voice.example/room/"
    local = f"http://localhost:{hosting.port}/"
    async with httpx.AsyncClient(base_url=local) as client:
        for origin, status in (("https://voice.example", 200), ("https://evil.example", 403)):
            assert (await client.post("api/session", headers={"Origin": origin})).status_code == status


async def test_a_socket_without_a_session_gets_session_invalid(hosting: Hosting, visit: Any) -> None:
    ada = await visit(hosting)
    for cookie in ("", "voicebot_session=x", ada.cookie[:-1] + ("A" if ada.cookie[-1] != "A" else "B")):
        await ada.open(cookie=cookie or "a=b")
        assert (await ada.next())["type"] == "session_invalid"
        assert await ada.closed() == 4401


async def test_a_session_ends_on_the_open_socket(hosting: Hosting, visit: Any) -> None:
    ada = await visit(hosting, joined="Ada")
    browser = hosting.controller("demo").presence.get(ada.me)
    browser.expire()
    await ada.expect("session_expired")
    assert await ada.closed() == 4401
    await ada.open()
    assert (await ada.next())["type"] == "session_expired"


async def test_a_second_tab_takes_over_the_first(hosting: Hosting, visit: Any) -> None:
    first = await visit(hosting, joined="Ada")
    bob = await visit(hosting, joined="Bob")
    second = await visit(hosting, of=first)
    assert await first.closed() == 4409
    await second.join("Ada")
    assert second.me == first.me
    state = await second.expect("lobby_state")
    assert sum(p["kind"] == "human" for p in state["data"]["participants"]) == 2
    seen = await bob.settle()
    assert "user_left" not in [m["type"] for m in seen]


async def test_resume_after_a_disconnection_goes_unnoticed(hosting: Hosting, visit: Any) -> None:
    ada = await visit(hosting, joined="Ada")
    bob = await visit(hosting, joined="Bob")
    await ada.expect("user_joined")
    await ada.settle()
    ada.socket.transport.abort()
    lost = await bob.expect(
        "participant_updated", lambda m: m["data"]["participant"]["presence"] == "reconnecting"
    )
    assert lost["data"]["participant"]["id"] == ada.me
    for word in ("one", "two"):
        await bob.send("chat_message", {"text": word}, lobby="demo")
    await bob.settle()
    await ada.open()
    hello = await ada.expect("session_established")
    assert hello["data"]["resumed"] is True
    await bob.send("chat_message", {"text": "three"}, lobby="demo")
    await bob.settle()
    await ada.send("resume", {"last_seq": ada.last_seq})
    said = [(await ada.expect("chat_message"))["data"]["text"] for _ in range(3)]
    assert said == ["one", "two", "three"]
    await bob.expect("participant_updated", lambda m: m["data"]["participant"]["presence"] == "present")
    await bob.send("chat_message", {"text": "four"}, lobby="demo")
    assert (await ada.expect("chat_message"))["data"]["text"] == "four"
    assert "user_left" not in [m["type"] for m in await bob.settle()]


async def test_a_client_that_resumes_too_late_has_to_join_again(host: Any, visit: Any) -> None:
    hosting = await host(limits=Limits(presence_grace=0.05, closed_grace=0.05))
    ada = await visit(hosting, joined="Ada")
    bob = await visit(hosting, joined="Bob")
    await ada.settle()
    await ada.open()
    await ada.expect("session_established")
    await bob.expect("user_left")
    await ada.send("resume", {"last_seq": ada.last_seq})
    assert (await ada.expect("error"))["data"]["code"] == "not_resumable"
    before = ada.me
    id = await ada.send("join_lobby", {"name": "Ada"}, lobby="demo")
    joined = await ada.expect("lobby_joined", lambda m: m.get("id") == id)
    assert joined["data"]["participant_id"] != before


async def test_a_resume_that_cannot_be_replayed_gets_the_whole_state(hosting: Hosting, visit: Any) -> None:
    ada = await visit(hosting, joined="Ada")
    await ada.settle()
    ada.socket.transport.abort()
    await ada.open()
    await ada.expect("session_established")
    ada.last_seq = 0
    await ada.send("resume", {"last_seq": 10**6})
    state = await ada.expect("lobby_state")
    assert ada.me in [p["id"] for p in state["data"]["participants"]]


async def test_a_reload_gets_the_same_seat_and_new_connections(hosting: Hosting, visit: Any) -> None:
    ada = await visit(hosting, joined="Ada")
    first = await ada.expect("start_webrtc_negotiation")
    bob = await visit(hosting, joined="Bob")
    me = ada.me
    await ada.socket.close(1001)
    await bob.expect("participant_updated", lambda m: m["data"]["participant"]["presence"] == "reconnecting")
    await ada.open()
    await ada.join("Ada L.")
    assert ada.me == me
    again = await ada.expect("start_webrtc_negotiation", lambda m: m["peer"] == first["peer"])
    assert again["epoch"] > first["epoch"]
    await ada.expect("start_webrtc_negotiation", lambda m: m["peer"] == bob.me)
    await bob.expect("participant_updated", lambda m: m["data"]["participant"]["name"] == "Ada L.")


async def test_a_client_that_does_not_reconnect_leaves(host: Any, visit: Any) -> None:
    hosting = await host(limits=Limits(presence_grace=0.05))
    ada = await visit(hosting, joined="Ada")
    bob = await visit(hosting, joined="Bob")
    ada.socket.transport.abort()
    left = await bob.expect("user_left")
    assert left["data"] == {"participant_id": ada.me, "reason": "lost"}
    await bob.send("leave_lobby", lobby="demo")
    await bob.settle()
    lobby: Lobby = hosting.agent_sessions["demo"].lobby
    assert lobby.humans == []
    await ada.open()
    assert (await ada.expect("session_established"))["data"]["resumed"] is False


async def test_leaving_is_seen_at_once(hosting: Hosting, media: FakeMediaPlane, visit: Any) -> None:
    ada = await visit(hosting, joined="Ada")
    bob = await visit(hosting, joined="Bob")
    await ada.send("leave_lobby", lobby="demo")
    assert (await bob.expect("user_left"))["data"] == {"participant_id": ada.me, "reason": "left"}
    assert ada.me in [c.peer_id for c in media.commanded(ClosePeer)]


async def test_a_repeated_message_id_is_handled_once(hosting: Hosting, visit: Any) -> None:
    ada = await visit(hosting, joined="Ada")
    for _ in range(3):
        await ada.send("chat_message", {"text": "hello"}, lobby="demo", id="same")
    chats = [m for m in await ada.settle() if m["type"] == "chat_message"]
    assert len(chats) == 1
    assert chatted(hosting) == ["hello"]


async def test_a_flood_is_delayed_and_loses_nothing(host: Any, visit: Any) -> None:
    hosting = await host(limits=Limits(messages_per_second=500, burst=5))
    ada = await visit(hosting, joined="Ada")
    for number in range(50):
        await ada.send("chat_message", {"text": str(number)}, lobby="demo")
    told = await ada.settle()
    assert "error" not in [m["type"] for m in told]
    assert chatted(hosting) == [str(number) for number in range(50)]


def test_the_bucket_returns_the_time_to_wait() -> None:
    bucket = TokenBucket(rate=2.0, burst=3, now=0.0)
    assert [bucket.take(0.0) for _ in range(5)] == [0.0, 0.0, 0.0, 0.5, 1.0]
    assert bucket.take(1.5) == 0.0
    assert [bucket.take(100.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


async def test_a_new_socket_has_the_full_grace_period_to_resume(hosting: Hosting, visit: Any) -> None:
    ada = await visit(hosting, joined="Ada")
    bob = await visit(hosting, joined="Bob")
    await ada.settle()
    await ada.socket.close(1001)
    await bob.expect("participant_updated", lambda m: m["data"]["participant"]["presence"] == "reconnecting")
    graces = hosting.controller("demo").presence._graces
    before = graces[ada.me]
    await ada.open()
    assert (await ada.expect("session_established"))["data"]["resumed"] is True
    assert before.cancelled()
    assert graces[ada.me].when() > before.when()
    await ada.send("resume", {"last_seq": ada.last_seq})
    await ada.settle()
    assert graces == {}


async def test_lobby_full_contains_the_limit(hosting: Hosting, visit: Any) -> None:
    capacity = hosting.agent_sessions["demo"].lobby.capacity.humans
    for number in range(capacity):
        await visit(hosting, joined=f"P{number}")
    late = await visit(hosting)
    await late.send("join_lobby", {"name": "Late"}, lobby="demo")
    assert (await late.expect("lobby_full"))["data"] == {"limit": capacity}


async def test_a_lobby_made_by_message_can_be_joined_and_ends_with_the_server(
    hosting: Hosting, visit: Any
) -> None:
    ada = await visit(hosting)
    await ada.expect("session_established")
    id = await ada.send("create_lobby", {"name": "Tea room"})
    made = await ada.expect("lobby_created", lambda m: m["id"] == id)
    assert len(made["data"]["id"]) >= 22
    await ada.send("join_lobby", {"name": "Ada"}, lobby=made["data"]["id"])
    await ada.expect("lobby_joined")
    assert "start_webrtc_negotiation" not in [m["type"] for m in await ada.settle()]
    await hosting.close_lobby(made["data"]["id"], "over")
    assert (await ada.expect("lobby_destroyed"))["data"] == {"reason": "over"}


async def test_an_empty_lobby_made_in_a_browser_is_closed_but_not_the_demo(host: Any, visit: Any) -> None:
    hosting = await host(limits=Limits(unused_lobby=0.05))
    ada = await visit(hosting)
    await ada.send("create_lobby", {"name": "Tea room"})
    made = (await ada.expect("lobby_created"))["data"]["id"]
    while made in hosting.agent_sessions:
        assert (await ada.http.get("health")).status_code == 200
    await ada.send("join_lobby", {"name": "Ada"}, lobby=made)
    assert (await ada.expect("error"))["data"]["code"] == "unknown_lobby"
    assert list(hosting.agent_sessions) == ["demo"]


async def test_a_lobby_waits_longer_for_the_first_person_than_after_the_last(host: Any, visit: Any) -> None:
    hosting = await host(limits=Limits(unused_lobby=3600, empty_lobby=0.05))
    ada = await visit(hosting)
    await ada.send("create_lobby", {"name": "Tea room"})
    made = (await ada.expect("lobby_created"))["data"]["id"]
    (timer,) = hosting._lobbies._idle_timeouts[made]._timers
    assert timer.when() - asyncio.get_running_loop().time() > 3000
    await ada.send("join_lobby", {"name": "Ada"}, lobby=made)
    await ada.expect("lobby_joined")
    await ada.send("leave_lobby", lobby=made)
    while made in hosting.agent_sessions:
        assert (await ada.http.get("health")).status_code == 200


async def test_one_camera_too_many_stays_off(hosting: Hosting, visit: Any) -> None:
    agent_session = hosting.agent_sessions["demo"]
    for number in range(agent_session.lobby.capacity.video):
        await visit(hosting, joined=f"P{number}")
    ada = await visit(hosting, joined="Ada")
    for person in agent_session.lobby.humans[:-1]:
        agent_session.update(person.id, camera=True)
    id = await ada.send("participant_update", {"camera": True}, lobby="demo")
    error = await ada.expect("error")
    assert (error["id"], error["data"]["code"]) == (id, "camera_limit")
    assert ada.me in agent_session.lobby.participants
    bob = await visit(hosting)
    await bob.join("Bob", camera=True)
    assert (await bob.expect("error"))["data"]["code"] == "camera_limit"
    assert agent_session.lobby.participants[bob.me].camera is False
    assert "lobby_full" not in [m["type"] for m in await bob.settle()]


async def test_others_see_changes_of_mute_hand_and_name(hosting: Hosting, visit: Any) -> None:
    ada = await visit(hosting, joined="Ada")
    bob = await visit(hosting, joined="Bob")
    await bob.settle()
    await ada.send("participant_update", {"muted": True}, lobby="demo")
    assert (await bob.expect("participant_updated"))["data"]["participant"]["muted"] is True
    await ada.send("raise_hand", {"raised": True}, lobby="demo")
    assert (await bob.expect("raise_hand"))["data"] == {"raised": True, "participant_id": ada.me}
