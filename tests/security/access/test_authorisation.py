"""A table of all client messages: each can reach only what the sender's seat allows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from tests.server.conftest import Visitor
from voicebot.server.hosting import Hosting
from voicebot.signaling.messages import ClientMessage

GOLDEN = json.loads((Path(__file__).parents[2] / "golden/messages.json").read_text("utf-8"))
TYPES = sorted(m.model_fields["type"].default for m in get_args(get_args(ClientMessage)[0]))
TO_A_PEER = {
    "webrtc_offer",
    "webrtc_answer",
    "ice_candidate",
    "negotiation_needed",
    "webrtc_state_change",
    "connection_ready",
}
REPORTS = {"webrtc_state_change", "connection_ready"}
"""Reports that are ignored, and not refused, if their connection is over."""
EVERYONES = {"ping", "create_lobby", "join_lobby", "resume"}
"""Messages that a client without a seat may send."""


def golden(type: str) -> dict[str, Any]:
    found = next(
        g["message"]
        for g in GOLDEN
        if g["valid"] and g["direction"] == "client" and g["message"]["type"] == type
    )
    message: dict[str, Any] = json.loads(json.dumps(found))
    for field in ("id", "ack", "seq", "v"):
        message.pop(field, None)
    return message


async def answer_to(visitor: Visitor, message: dict[str, Any], id: str) -> list[dict[str, Any]]:
    """The answer to this message, which nobody else gets."""
    await visitor.settle()
    await visitor.send_text(json.dumps(message | {"id": id}))
    return [m for m in await visitor.settle() if m.get("id") == id]


def codes(messages: list[dict[str, Any]]) -> list[str]:
    return [m["data"]["code"] for m in messages if m["type"] == "error"]


@pytest.mark.parametrize("type", TYPES)
async def test_messages_without_a_seat_are_refused(hosting: Hosting, visit: Any, type: str) -> None:
    bob = await visit(hosting, joined="Bob")
    stranger = await visit(hosting)
    await stranger.expect("session_established")
    await bob.settle()
    message = golden(type)
    for target in ({}, {"peer": bob.me}, {"peer": hosting.agent_sessions["demo"].host_peer}):
        if target and type not in TO_A_PEER:
            continue
        answers = await answer_to(stranger, message | target, f"x{len(target)}{len(str(target))}")
        if type in EVERYONES:
            expected = {"resume": ["not_resumable"]}.get(type, [])
            assert codes(answers) == expected
        else:
            assert codes(answers) == ["not_joined"]
            assert await bob.settle() == []


@pytest.mark.parametrize("type", [type for type in TYPES if type not in EVERYONES - {"join_lobby"}])
async def test_messages_into_another_lobby_are_refused(hosting: Hosting, visit: Any, type: str) -> None:
    """Mallory is in one lobby, Bob and an agent are in another."""
    other = await hosting.create_lobby("Other", "other")
    agent = await other.spawn("a pirate")
    mallory = await visit(hosting, joined="Mallory")
    bob = await visit(hosting)
    await bob.join("Bob", lobby="other")
    await bob.settle()
    before = dict(other.lobby.participants)
    if type == "join_lobby":
        return  # whoever joins another lobby is in it, by its own rules
    message = golden(type)
    if "lobby" in message or type not in TO_A_PEER:
        if "participant_id" in message.get("data", {}):
            message["data"]["participant_id"] = agent.id if type.startswith("agent") else bob.me
        if type == "ice_servers_request":
            return  # about no lobby
        answers = await answer_to(mallory, message | {"lobby": "other"}, "x1")
        assert codes(answers) == ["not_joined"]
    for n, peer in enumerate((bob.me, other.host_peer, agent.id)):
        if type not in TO_A_PEER:
            break
        for lobby in ({}, {"lobby": "demo"}, {"lobby": "other"}):
            envelope = {"peer": peer, "epoch": 1} | lobby
            answers = await answer_to(mallory, message | envelope, f"x{n}-{len(str(lobby))}")
            if lobby.get("lobby") == "other":
                assert codes(answers) == ["not_joined"]
            elif type in REPORTS:
                assert answers == []
            else:
                assert codes(answers) == ["unknown_peer"]
    assert await bob.settle() == []
    assert dict(other.lobby.participants) == before


@pytest.mark.parametrize("type", sorted(TO_A_PEER))
async def test_signaling_to_wrong_peers_or_epochs_is_refused(hosting: Hosting, visit: Any, type: str) -> None:
    bob = await visit(hosting, joined="Bob")
    mallory = await visit(hosting, joined="Mallory")
    eve = await visit(hosting, joined="Eve")
    start = await mallory.expect("start_webrtc_negotiation", lambda m: m["peer"] == bob.me)
    of_eve = await eve.expect("start_webrtc_negotiation", lambda m: m["peer"] == bob.me)
    now = start["epoch"]
    await bob.settle()
    await eve.settle()
    (agent,) = hosting.agent_sessions["demo"].lobby.agents
    message = golden(type)
    for n, (peer, epoch, code) in enumerate(
        (
            (mallory.me, now, "unknown_peer"),
            ("nobody", now, "unknown_peer"),
            (agent.id, now, "unknown_peer"),  # agents are reached by their host only
            (bob.me, now - 1 or 2**40, "stale_epoch"),
            (bob.me, now + 1, "stale_epoch"),
            (bob.me, of_eve["epoch"], "stale_epoch"),  # of another pair
            (bob.me, 2**53 - 1, "stale_epoch"),
        )
    ):
        answers = await answer_to(mallory, message | {"peer": peer, "epoch": epoch}, f"x{n}")
        assert codes(answers) == ([] if type in REPORTS else [code])
    for somebody in (bob, eve):
        assert await somebody.settle() == []


@pytest.mark.parametrize(
    ("type", "data"),
    [
        ("chat_message", {"text": "hello"}),
        ("raise_hand", {"raised": True}),
    ],
)
async def test_nobody_can_speak_in_anothers_name(
    hosting: Hosting, visit: Any, type: str, data: dict[str, Any]
) -> None:
    bob = await visit(hosting, joined="Bob")
    mallory = await visit(hosting, joined="Mallory")
    for claimed in (bob.me, hosting.agent_sessions["demo"].lobby.agents[0].id, "nobody"):
        await mallory.send(type, data | {"participant_id": claimed}, lobby="demo")
        told = await bob.expect(type)
        assert told["data"]["participant_id"] == mallory.me
    assert not hosting.agent_sessions["demo"].lobby.participants[bob.me].hand_raised


async def test_relayed_messages_name_their_true_sender(hosting: Hosting, visit: Any) -> None:
    bob = await visit(hosting, joined="Bob")
    mallory = await visit(hosting, joined="Mallory")
    eve = await visit(hosting, joined="Eve")
    start = await mallory.expect("start_webrtc_negotiation", lambda m: m["peer"] == bob.me)
    await bob.settle()
    await mallory.send(
        "ice_candidate", {"candidate": ""}, peer=bob.me, epoch=start["epoch"], seq=10**9, lobby="demo", ack=0
    )
    relayed = await bob.expect("ice_candidate")
    assert relayed["peer"] == mallory.me
    assert relayed["lobby"] == "demo"
    assert relayed["seq"] < 10**18
    assert "id" not in relayed
    assert "ack" not in relayed
    assert "ice_candidate" not in [m["type"] for m in await eve.settle()]


@pytest.mark.parametrize(
    "action", ["mute_request", "kick", "ban", "lock", "unlock", "admit", "deny", "make_host"]
)
async def test_guests_cannot_moderate(hosting: Hosting, visit: Any, action: str) -> None:
    bob = await visit(hosting, joined="Bob")
    mallory = await visit(hosting, joined="Mallory")
    await bob.settle()
    before = dict(hosting.agent_sessions["demo"].lobby.participants)
    for concerned in (bob.me, mallory.me, "nobody"):
        moderation = {"type": "moderation", "lobby": "demo"}
        data = {"action": action, "participant_id": concerned, "by": bob.me}
        answers = await answer_to(mallory, moderation | {"data": data}, f"x-{concerned}")
        assert codes(answers) == ["forbidden"]
    assert await bob.settle() == []
    assert dict(hosting.agent_sessions["demo"].lobby.participants) == before


async def test_agents_of_another_lobby_cannot_be_changed(hosting: Hosting, visit: Any) -> None:
    other = await hosting.create_lobby("Other", "other")
    agent = await other.spawn("a pirate")
    mallory = await visit(hosting, joined="Mallory")
    for id in (agent.id, mallory.me, "nobody"):
        data: dict[str, Any] = {"participant_id": id}
        answers = await answer_to(
            mallory, {"type": "agent_remove", "lobby": "demo", "data": data}, f"remove-{id}"
        )
        assert codes(answers) == ["unknown_agent"]
        for method in ("PATCH", "DELETE"):
            for lobby in ("demo", "other"):
                answer = await mallory.http.request(
                    method, f"api/lobbies/{lobby}/agents/{id}", json={} if method == "PATCH" else None
                )
                assert answer.status_code == 404
    assert [a.id for a in other.lobby.agents] == [agent.id]


async def test_http_routes_of_another_lobby_answer_as_if_it_did_not_exist(
    hosting: Hosting, visit: Any
) -> None:
    await hosting.create_lobby("Other", "other")
    mallory = await visit(hosting, joined="Mallory")
    for path, body in (("agents", None), ("ice-servers", None), ("agents", {"description": "a pirate"})):
        answers = []
        for lobby in ("other", "missing"):
            address = f"api/lobbies/{lobby}/{path}"
            answers.append(
                await (mallory.http.post(address, json=body) if body else mallory.http.get(address))
            )
        assert [a.status_code for a in answers] == [404, 404]
        assert answers[0].json() == answers[1].json()  # nobody can tell which of them is there


async def test_agents_over_http_respect_the_lobbys_settings(hosting: Hosting, visit: Any) -> None:
    host = await visit(hosting, joined="Bob")
    guest = await visit(hosting, joined="Mallory")
    agent_session = hosting.agent_sessions["demo"]
    (agent,) = agent_session.lobby.agents
    tts = hosting.models.options("tts")[0].spec
    agents = "api/lobbies/demo/agents"
    requests: list[tuple[str, str, Any]] = [
        ("POST", agents, {"description": "a pirate"}),
        ("PATCH", f"{agents}/{agent.id}", {"muted": True}),
        ("PATCH", f"{agents}/{agent.id}", {"tts": tts}),
        ("PATCH", f"{agents}/{agent.id}", {}),
        ("PATCH", f"{agents}/nobody", {"muted": True}),
        ("DELETE", f"{agents}/{agent.id}", None),
        ("DELETE", f"{agents}/nobody", None),
    ]
    await host.send("lobby_update", {"agents_by": "host"}, lobby="demo")
    await guest.expect("lobby_state", lambda m: m["data"]["lobby"]["settings"]["agents_by"] == "host")
    before = dict(agent_session.lobby.participants)
    for method, address, body in requests:
        answer = await guest.http.request(method, address, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden"), (method, body)
    assert dict(agent_session.lobby.participants) == before
    assert (await guest.http.get(agents)).json()[0]["id"] == agent.id  # reading is for everyone in it
    changing = {
        (method, route)
        for route, operations in (await guest.http.get("api/openapi.json")).json()["paths"].items()
        for method in operations
        if "/agents" in route and method != "get"
    }
    assert {
        (method.lower(), re.sub(r"/(agent-\w+|nobody)$", "/{agent_id}", address))
        for method, address, _ in requests
    } == {(method, route.lstrip("/").replace("{lobby_id}", "demo")) for method, route in changing}

    for method, address, body in requests:
        answer = await host.http.request(method, address, json=body)
        assert answer.status_code in ({404} if "nobody" in address else {200, 201, 204})
    assert agent.id not in agent_session.lobby.participants
    assert len(agent_session.lobby.agents) == 1
