"""Joining: who walks in, who has to knock, and for whom the lobby does not exist."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.conftest import Visitor
from voicebot.server.hosting import Hosting
from voicebot.server.net.limits import Limits


async def make(host: Visitor, name: str = "Tea room", **data: Any) -> str:
    """A lobby that `host` has created but not joined."""
    id = await host.send("create_lobby", {"name": name, **data})
    return str((await host.expect("lobby_created", lambda m: m["id"] == id))["data"]["id"])


async def knock(visitor: Visitor, lobby: str, name: str) -> str:
    """Send join_lobby and return its id once it waits."""
    id = await visitor.send("join_lobby", {"name": name}, lobby=lobby)
    waiting = await visitor.expect("lobby_waiting")
    assert waiting["id"] == id
    return id


async def at_the_door(host: Visitor, *names: str) -> list[str]:
    """Wait until the host is told of exactly these visitors, and return their ids."""
    told = await host.expect("knocking", lambda m: [v["name"] for v in m["data"]["waiting"]] == list(names))
    return [visitor["id"] for visitor in told["data"]["waiting"]]


async def refusal(visitor: Visitor, lobby: str, name: str = "Eve") -> dict[str, Any]:
    """The error that answers a join_lobby, without the fields that differ between messages."""
    id = await visitor.send("join_lobby", {"name": name}, lobby=lobby)
    error = await visitor.expect("error", lambda m: m.get("id") == id)
    return dict(error["data"])


def roster(state: dict[str, Any]) -> list[str]:
    return [p["name"] for p in state["data"]["participants"]]


@pytest.fixture
async def ada(hosting: Hosting, visit: Any) -> Visitor:
    visitor: Visitor = await visit(hosting)
    return visitor


async def test_a_private_lobby_asks_its_host(hosting: Hosting, visit: Any, ada: Visitor) -> None:
    lobby = await make(ada)
    await ada.join("Ada", lobby)
    bob = await visit(hosting)
    asked = await knock(bob, lobby, " Bob\u202e ")
    (bobs,) = await at_the_door(ada, "Bob")
    assert roster(
        {"data": {"participants": [p.model_dump() for p in hosting.agent_sessions[lobby].lobby.humans]}}
    ) == ["Ada"]
    admitted = await ada.send("moderation", {"action": "admit", "participant_id": bobs}, lobby=lobby)
    joined = await bob.expect("lobby_joined")
    assert joined["id"] == asked
    assert roster(await bob.expect("lobby_state")) == ["Ada", "Bob"]
    assert await at_the_door(ada) == []
    echo = await ada.expect("moderation")
    assert (echo["id"], echo["data"]["action"], echo["data"]["by"]) == (admitted, "admit", ada.me)
    roles = {p.name: p.role for p in hosting.agent_sessions[lobby].lobby.humans}
    assert roles == {"Ada": "host", "Bob": "guest"}


async def test_nobody_is_both_waiting_and_inside(hosting: Hosting, visit: Any, ada: Visitor) -> None:
    lobby = await make(ada)
    await ada.join("Ada", lobby)
    for name, open_up in (
        ("Bob", lambda id: ada.send("moderation", {"action": "admit", "participant_id": id}, lobby=lobby)),
        ("Cleo", lambda id: ada.send("lobby_update", {"private": False}, lobby=lobby)),
    ):
        visitor = await visit(hosting)
        await knock(visitor, lobby, name)
        (theirs,) = await at_the_door(ada, name)
        await open_up(theirs)
        await visitor.expect("lobby_joined")
        told = [m["type"] for m in await ada.settle() if m["type"] in ("knocking", "user_joined")]
        assert told == ["knocking", "user_joined"]


async def test_admitted_people_and_owners_need_not_knock(hosting: Hosting, visit: Any, ada: Visitor) -> None:
    lobby = await make(ada)
    await ada.join("Ada", lobby)
    bob = await visit(hosting)
    await knock(bob, lobby, "Bob")
    (bobs,) = await at_the_door(ada, "Bob")
    await ada.send("moderation", {"action": "admit", "participant_id": bobs}, lobby=lobby)
    await bob.expect("lobby_joined")
    await bob.send("leave_lobby", lobby=lobby)
    await ada.send("leave_lobby", lobby=lobby)
    await bob.send("join_lobby", {"name": "Bob"}, lobby=lobby)
    again = await bob.expect("lobby_joined")
    # with no other host there the one who came first is host; who made the lobby is so again
    bobs_new = again["data"]["participant_id"]
    assert hosting.agent_sessions[lobby].lobby.participants[bobs_new].role == "host"
    await ada.send("join_lobby", {"name": "Ada"}, lobby=lobby)
    await ada.expect("lobby_joined")
    assert [p.role for p in hosting.agent_sessions[lobby].lobby.humans] == ["host", "host"]


async def test_missing_locked_banned_and_denied_look_the_same(
    hosting: Hosting, visit: Any, ada: Visitor
) -> None:
    lobby = await make(ada)
    await ada.join("Ada", lobby)
    eve, mallory, late = await visit(hosting), await visit(hosting), await visit(hosting)
    missing = await refusal(eve, "nothing-here")
    assert missing["code"] == "unknown_lobby"

    asked = await knock(eve, lobby, "Eve")
    (eves,) = await at_the_door(ada, "Eve")
    await ada.send("moderation", {"action": "deny", "participant_id": eves}, lobby=lobby)
    denied = await eve.expect("error")
    assert (denied["id"], denied["data"]) == (asked, missing)
    assert await refusal(eve, lobby) == missing
    assert (await eve.http.get(f"api/lobbies/{lobby}")).json()["error"] == missing

    asked = await knock(mallory, lobby, "Mallory")
    (mallorys,) = await at_the_door(ada, "Mallory")
    await ada.send("moderation", {"action": "ban", "participant_id": mallorys}, lobby=lobby)
    banned = await mallory.expect("error")
    assert (banned["id"], banned["data"]) == (asked, missing)
    await ada.send("lobby_update", {"private": False}, lobby=lobby)
    await ada.settle()
    assert await refusal(mallory, lobby) == missing
    # a name that cannot be is not told from one that may not come in either
    assert await refusal(mallory, lobby, "\u202e") == missing

    await ada.send("moderation", {"action": "lock"}, lobby=lobby)
    await ada.settle()
    assert await refusal(late, lobby) == missing
    for visitor in (late, mallory):
        for id in (lobby, "nothing-here"):
            answer = await visitor.http.get(f"api/lobbies/{id}")
            assert (answer.status_code, answer.json()["error"]) == (404, missing)


async def test_a_locked_lobby_keeps_its_people_and_admits_its_owner(
    hosting: Hosting, visit: Any, ada: Visitor
) -> None:
    lobby = await make(ada, settings={"private": False})
    await ada.join("Ada", lobby)
    bob = await visit(hosting)
    await bob.join("Bob", lobby)
    await ada.send("moderation", {"action": "lock"}, lobby=lobby)
    state = await bob.expect("lobby_state", lambda m: m["data"]["lobby"]["settings"]["locked"])
    assert roster(state) == ["Ada", "Bob"]
    await bob.open()  # a cut: the seat is there still
    await bob.expect("session_established", lambda m: m["data"]["resumed"])
    await bob.send("join_lobby", {"name": "Bob"}, lobby=lobby)
    assert (await bob.expect("lobby_joined"))["data"]["participant_id"] == bob.me
    await bob.send("leave_lobby", lobby=lobby)
    assert (await refusal(bob, lobby))["code"] == "unknown_lobby"
    await ada.send("leave_lobby", lobby=lobby)
    await ada.send("join_lobby", {"name": "Ada"}, lobby=lobby)
    await ada.expect("lobby_joined")
    await ada.send("moderation", {"action": "unlock"}, lobby=lobby)
    await ada.expect("moderation", lambda m: m["data"]["action"] == "unlock")
    await bob.send("join_lobby", {"name": "Bob"}, lobby=lobby)
    await bob.expect("lobby_joined")


async def test_locking_sends_waiting_people_away(hosting: Hosting, visit: Any, ada: Visitor) -> None:
    lobby = await make(ada)
    await ada.join("Ada", lobby)
    bob = await visit(hosting)
    asked = await knock(bob, lobby, "Bob")
    await at_the_door(ada, "Bob")
    await ada.send("moderation", {"action": "lock"}, lobby=lobby)
    assert (await bob.expect("error"))["id"] == asked
    assert await at_the_door(ada) == []


async def test_opening_a_lobby_admits_everyone_who_waits(hosting: Hosting, visit: Any, ada: Visitor) -> None:
    lobby = await make(ada, settings={"private": True, "people": 2})
    await ada.join("Ada", lobby)
    bob, late = await visit(hosting), await visit(hosting)
    asked = [await knock(bob, lobby, "Bob"), await knock(late, lobby, "Late")]
    await ada.send("lobby_update", {"private": False}, lobby=lobby)
    assert (await bob.expect("lobby_joined"))["id"] == asked[0]
    full = await late.expect("lobby_full")
    assert (full["id"], full["data"]) == (asked[1], {"limit": 2})
    assert await at_the_door(ada) == []


async def test_admitting_into_a_full_lobby_fails(hosting: Hosting, visit: Any, ada: Visitor) -> None:
    lobby = await make(ada, settings={"private": True, "people": 1})
    await ada.join("Ada", lobby)
    bob = await visit(hosting)
    asked = await knock(bob, lobby, "Bob")
    (bobs,) = await at_the_door(ada, "Bob")
    admit = {"action": "admit", "participant_id": bobs}
    refused = await ada.send("moderation", admit, lobby=lobby)
    error = await ada.expect("error")
    assert (error["id"], error["data"]["code"]) == (refused, "lobby_full")
    assert bobs in hosting.controller(lobby).door.waiting
    await ada.send("lobby_update", {"people": 2}, lobby=lobby)
    await ada.send("moderation", admit, lobby=lobby)
    assert (await bob.expect("lobby_joined"))["id"] == asked
    await ada.send("moderation", admit, lobby=lobby)
    assert (await ada.expect("error"))["data"]["code"] == "unknown_participant"


async def test_cameras_are_counted_on_admission(hosting: Hosting, visit: Any, ada: Visitor) -> None:
    lobby = await make(ada)
    await ada.join("Ada", lobby, camera=True)
    bob = await visit(hosting)
    hosting.agent_sessions[lobby].lobby.capacity = type(hosting.agent_sessions[lobby].lobby.capacity)(video=1)
    id = await bob.send("join_lobby", {"name": "Bob", "camera": True}, lobby=lobby)
    (bobs,) = await at_the_door(ada, "Bob")
    await ada.send("moderation", {"action": "admit", "participant_id": bobs}, lobby=lobby)
    joined = await bob.expect("lobby_joined", lambda m: m["id"] == id)
    assert (await bob.expect("error"))["data"]["code"] == "camera_limit"
    assert hosting.agent_sessions[lobby].lobby.participants[joined["data"]["participant_id"]].camera is False


async def test_a_knock_waits_for_a_host_to_come_or_return(hosting: Hosting, visit: Any, ada: Visitor) -> None:
    lobby = await make(ada)
    bob = await visit(hosting)
    await knock(bob, lobby, "Bob")
    await ada.join("Ada", lobby)
    await at_the_door(ada, "Bob")
    await ada.settle()
    await ada.open()
    await ada.expect("session_established")
    await ada.send("resume", {"last_seq": ada.last_seq - 1000})  # more than is kept
    await at_the_door(ada, "Bob")


async def test_a_new_host_is_told_who_waits(hosting: Hosting, visit: Any, ada: Visitor) -> None:
    lobby = await make(ada, settings={"private": False})
    await ada.join("Ada", lobby)
    bob = await visit(hosting)
    await bob.join("Bob", lobby)
    await ada.send("lobby_update", {"private": True}, lobby=lobby)
    await ada.expect("lobby_state", lambda m: m["data"]["lobby"]["settings"]["private"])
    carl = await visit(hosting)
    await knock(carl, lobby, "Carl")
    await at_the_door(ada, "Carl")
    assert "knocking" not in [m["type"] for m in await bob.settle()]
    await ada.send("leave_lobby", lobby=lobby)
    updated = await bob.expect("participant_updated", lambda m: m["data"]["participant"]["id"] == bob.me)
    assert updated["data"]["participant"]["role"] == "host"
    await at_the_door(bob, "Carl")


async def test_a_visitor_can_leave_knock_again_and_reconnect(host: Any, visit: Any) -> None:
    hosting = await host(limits=Limits(presence_grace=3600, closed_grace=3600))
    ada, bob = await visit(hosting), await visit(hosting)
    lobby = await make(ada)
    await ada.join("Ada", lobby)
    await knock(bob, lobby, "Bob")
    (first,) = await at_the_door(ada, "Bob")
    await bob.settle()
    await bob.open()  # lost and back: the place is kept
    assert (await bob.expect("session_established"))["data"]["resumed"] is False
    asked = await knock(bob, lobby, "Bobby")
    assert await at_the_door(ada, "Bobby") == [first]
    await bob.open()
    await bob.expect("session_established")
    await bob.send("resume", {"last_seq": bob.last_seq})
    assert "error" not in [m["type"] for m in await bob.settle()]
    await ada.send("moderation", {"action": "admit", "participant_id": first}, lobby=lobby)
    assert (await bob.expect("lobby_joined"))["id"] == asked

    carl = await visit(hosting)
    await knock(carl, lobby, "Carl")
    await at_the_door(ada, "Carl")
    await carl.send("leave_lobby", lobby=lobby)
    assert await at_the_door(ada) == []
    await carl.send("leave_lobby", lobby=lobby)
    assert (await carl.expect("error"))["data"]["code"] == "not_joined"


async def test_a_visitor_without_a_socket_is_removed_after_a_while(host: Any, visit: Any) -> None:
    hosting = await host(limits=Limits(closed_grace=0.05))
    ada, bob = await visit(hosting), await visit(hosting)
    lobby = await make(ada)
    await ada.join("Ada", lobby)
    await knock(bob, lobby, "Bob")
    await at_the_door(ada, "Bob")
    await bob.socket.close()
    assert await at_the_door(ada) == []
    assert hosting.controller(lobby).waiting_room._waits == {}


async def test_knocking_leaves_the_previous_lobby_unless_it_is_refused(
    hosting: Hosting, visit: Any, ada: Visitor
) -> None:
    lobby = await make(ada)
    bob = await visit(hosting, joined="Bob")
    await refusal(bob, "nothing-here")
    assert bob.me in hosting.agent_sessions["demo"].lobby.participants
    await knock(bob, lobby, "Bob")
    assert bob.me not in hosting.agent_sessions["demo"].lobby.participants
    for type, data in (("chat_message", {"text": "hi"}), ("moderation", {"action": "lock"})):
        await bob.send(type, data, lobby=lobby)
        assert (await bob.expect("error"))["data"]["code"] == "not_joined"
    await bob.send("join_lobby", {"name": "Bob"}, lobby="demo")
    await bob.expect("lobby_joined")
    assert dict(hosting.controller(lobby).door.waiting) == {}


async def test_the_waiting_room_is_limited(hosting: Hosting, visit: Any, ada: Visitor) -> None:
    lobby = await make(ada)
    agent_session = hosting.agent_sessions[lobby].lobby
    agent_session.capacity = type(agent_session.capacity)(waiting=1)
    bob, carl = await visit(hosting), await visit(hosting)
    await knock(bob, lobby, "Bob")
    await carl.send("join_lobby", {"name": "Carl"}, lobby=lobby)
    assert (await carl.expect("lobby_full"))["data"] == {"limit": 1}
    await knock(bob, lobby, "Bob again")


async def test_closing_a_lobby_sends_waiting_people_away(hosting: Hosting, visit: Any, ada: Visitor) -> None:
    lobby = await make(ada)
    bob = await visit(hosting)
    asked = await knock(bob, lobby, "Bob")
    await hosting.close_lobby(lobby)
    error = await bob.expect("error")
    assert (error["id"], error["data"]["code"]) == (asked, "unknown_lobby")
    await bob.send("join_lobby", {"name": "Bob"}, lobby="demo")
    await bob.expect("lobby_joined")
