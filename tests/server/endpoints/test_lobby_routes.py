"""HTTP routes for lobbies, their agents and conversations: who may read and change what."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from tests.server.conftest import Visitor
from tests.server.lobby.test_doors import make
from voicebot.server.hosting import Hosting


@pytest.fixture
async def ada(hosting: Hosting, visit: Any) -> Visitor:
    """The host of the demo lobby."""
    visitor: Visitor = await visit(hosting, joined="Ada")
    return visitor


async def test_a_lobby_with_an_id_can_be_created_by_message_and_by_request(
    hosting: Hosting, visit: Any
) -> None:
    ada = await visit(hosting)
    settings = {"private": False, "agents_by": "host", "people": 4}
    id = await ada.send("create_lobby", {"name": "Tea", "slug": "tea-room", "settings": settings})
    made = await ada.expect("lobby_created")
    assert (made["id"], made["data"]["id"]) == (id, "tea-room")
    assert made["data"]["settings"] == settings | {"locked": False}
    await ada.send("create_lobby", {"name": "Tea", "slug": "tea-room"})
    assert (await ada.expect("error"))["data"]["code"] == "id_taken"
    taken = await ada.http.post("api/lobbies", json={"name": "Tea", "slug": "tea-room"})
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "id_taken")
    await ada.send("create_lobby", {"name": "\u202e", "slug": "bad-name"})
    assert (await ada.expect("error"))["data"]["code"] == "bad_name"
    for slug in ("Tea", "a", "tea--room", "x" * 41):
        assert (await ada.http.post("api/lobbies", json={"name": "Tea", "slug": slug})).status_code == 422
    by_request = await ada.http.post("api/lobbies", json={"name": "Tea", "slug": "tea-2"})
    assert (by_request.status_code, by_request.json()["id"]) == (201, "tea-2")
    assert by_request.json()["settings"]["private"] is True


async def test_a_private_lobby_only_reveals_that_people_have_to_knock(hosting: Hosting, visit: Any) -> None:
    ada, bob = await visit(hosting), await visit(hosting)
    lobby = await make(ada, "Tea room", settings={"private": True, "agents_by": "host", "people": 3})
    await ada.join("Ada", lobby)
    await hosting.agent_sessions[lobby].spawn("a pirate")
    seen = (await bob.http.get(f"api/lobbies/{lobby}")).json()
    assert seen == {
        "lobby": {
            "id": lobby,
            "name": "Tea room",
            "settings": {"private": True, "locked": False, "agents_by": "everyone", "people": 10},
            "host_peer": None,
        },
        "knock": True,
        "people": None,
        "agents": None,
    }
    inside = (await ada.http.get(f"api/lobbies/{lobby}")).json()
    assert (inside["knock"], inside["people"], inside["agents"]) == (False, 1, 1)
    assert inside["lobby"]["host_peer"] == f"host-{lobby}"


async def test_hosts_can_change_and_end_a_lobby(hosting: Hosting, visit: Any) -> None:
    ada, bob = await visit(hosting), await visit(hosting)
    lobby = await make(ada, settings={"private": False})
    address = f"api/lobbies/{lobby}"
    await bob.join("Bob", lobby)
    await ada.join("Ada", lobby)
    hosting.moderate(lobby).make_host(ada.me)
    stranger = await visit(hosting)
    guest = await visit(hosting)
    await guest.join("Guest", lobby)
    for visitor, status, code in ((stranger, 404, "unknown_lobby"), (guest, 403, "forbidden")):
        for answer in (
            await visitor.http.patch(address, json={"name": "Mine"}),
            await visitor.http.delete(address),
            await visitor.http.get(f"{address}/conversations"),
        ):
            assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    changed = await ada.http.patch(address, json={"name": "Ours", "private": True})
    assert (changed.json()["name"], changed.json()["settings"]["private"]) == ("Ours", True)
    await guest.expect("lobby_state", lambda m: m["data"]["lobby"]["name"] == "Ours")
    assert (await ada.http.patch(address, json={"people": 0})).status_code == 422
    await ada.send("leave_lobby", lobby=lobby)
    await ada.settle()
    assert (await ada.http.delete(address)).status_code == 204  # who made it need not sit in it
    for visitor in (bob, guest):
        assert (await visitor.expect("lobby_destroyed"))["lobby"] == lobby
    assert (await ada.http.delete(address)).status_code == 404
    assert lobby not in hosting.agent_sessions


async def test_a_lobby_can_reserve_agents_for_hosts(hosting: Hosting, visit: Any, ada: Visitor) -> None:
    bob = await visit(hosting, joined="Bob")
    (agent,) = hosting.agent_sessions["demo"].lobby.agents
    hosting.moderate("demo").change(agents_by="host")
    for type, data in (
        ("agent_create", {"description": "a pirate"}),
        ("agent_update", {"participant_id": agent.id, "muted": True}),
        ("agent_remove", {"participant_id": agent.id}),
    ):
        await bob.send(type, data, lobby="demo")
        assert (await bob.expect("error"))["data"]["code"] == "forbidden"
    agents = "api/lobbies/demo/agents"
    for answer in (
        await bob.http.post(agents, json={"description": "a pirate"}),
        await bob.http.patch(f"{agents}/{agent.id}", json={"muted": True}),
        await bob.http.delete(f"{agents}/{agent.id}"),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
    assert [a["id"] for a in (await bob.http.get(agents)).json()] == [agent.id]
    assert hosting.agent_sessions["demo"].lobby.participants[agent.id] == agent
    muted = await ada.http.patch(f"{agents}/{agent.id}", json={"muted": True})
    assert muted.json()["muted"] is True
    await bob.expect("participant_updated", lambda m: m["data"]["participant"]["muted"])
    await ada.send("agent_update", {"participant_id": agent.id, "muted": False}, lobby="demo")
    await bob.expect("participant_updated", lambda m: not m["data"]["participant"]["muted"])
    await ada.send("agent_update", {"participant_id": "agent-x", "muted": False}, lobby="demo")
    assert (await ada.expect("error"))["data"]["code"] == "unknown_agent"


async def test_hosts_download_the_conversations_of_their_lobby(hosting: Hosting, visit: Any) -> None:
    ada, bob = await visit(hosting), await visit(hosting)
    lobby = await make(ada, settings={"private": False})
    await ada.join("Ada", lobby)
    await bob.join("Bob", lobby)
    await ada.send("chat_message", {"text": "a north wind"}, lobby=lobby)
    await bob.expect("chat_message")
    await bob.send("leave_lobby", lobby=lobby)
    await ada.send("leave_lobby", lobby=lobby)
    await ada.settle()
    agent_session: Any = hosting.agent_sessions[lobby]
    while agent_session._ending:
        await next(iter(agent_session._ending))
    base = f"api/lobbies/{lobby}/conversations"
    (listed,) = (await ada.http.get(base)).json()
    assert listed["id"] == agent_session.log.conversation_id
    assert listed["participants"] == ["Ada", "Bob"]
    assert listed["seconds"] >= 0
    events = await ada.http.get(f"{base}/{listed['id']}/events.jsonl")
    assert events.headers["cache-control"] == "no-store"
    lines = [json.loads(line) for line in events.text.splitlines()]
    assert [line["seq"] for line in lines] == list(range(len(lines)))
    assert "a north wind" in events.text
    archive = await ada.http.get(f"{base}/{listed['id']}.zip")
    with zipfile.ZipFile(io.BytesIO(archive.content)) as zipped:
        assert zipped.testzip() is None
        names = zipped.namelist()
        assert {f"{listed['id']}/events.jsonl", f"{listed['id']}/manifest.json"} <= set(names)
        assert zipped.read(f"{listed['id']}/events.jsonl") == events.content
        manifest = json.loads(zipped.read(f"{listed['id']}/manifest.json"))
    assert manifest["lobby_id"] == lobby
    assert manifest["settings"] == {}
    assert str(hosting.settings.data_dir) not in str(manifest)
    # the same conversation through another lobby, and by who was only a guest
    await bob.send("join_lobby", {"name": "Bob"}, lobby="demo")  # and is host there
    await bob.expect("lobby_joined")
    for path in (
        f"api/lobbies/demo/conversations/{listed['id']}.zip",
        f"api/lobbies/demo/conversations/{listed['id']}/events.jsonl",
        f"{base}/{listed['id']}.zip",
    ):
        assert (await bob.http.get(path)).status_code == 404


async def test_an_acting_host_can_read_the_running_conversation(
    hosting: Hosting, visit: Any, ada: Visitor
) -> None:
    first = hosting.agent_sessions["demo"].log
    assert first is not None
    base = "api/lobbies/demo/conversations"
    assert [c["id"] for c in (await ada.http.get(base)).json()] == [first.conversation_id]
    await ada.send("leave_lobby", lobby="demo")
    await ada.settle()
    bob = await visit(hosting, joined="Bob")
    second = hosting.agent_sessions["demo"].log
    assert second is not None
    assert [c["id"] for c in (await bob.http.get(base)).json()] == [second.conversation_id]
    assert (await bob.http.get(f"{base}/{first.conversation_id}/events.jsonl")).status_code == 404
    assert (await bob.http.get(f"{base}/{second.conversation_id}/events.jsonl")).status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "..%2f..%2fsecret",
        "20260101T000000-deadbeef%2f..%2f..",
        "20260101T000000-deadbeef",
        "20260101T000000-link0000",
        "20260101T000000-0000abcd",
        "%00",
    ],
)
async def test_routes_reach_nothing_else_on_the_disk(hosting: Hosting, ada: Visitor, name: str) -> None:
    folder = hosting.settings.data_dir / "conversations"
    secret = hosting.settings.data_dir / "secret"
    secret.mkdir()
    folder.mkdir(exist_ok=True)
    for file in ("events.jsonl", "manifest.json"):
        (secret / file).write_text('{"conversation_id": "20260101T000000-0000abcd", "lobby_id": "demo"}')
    (folder / "20260101T000000-0000abcd").symlink_to(secret)
    for tail in ("/events.jsonl", ".zip"):
        answer = await ada.http.get(f"api/lobbies/demo/conversations/{name}{tail}")
        assert answer.status_code in {404, 422}
        assert "secret" not in answer.text


async def test_the_openapi_document_lists_the_errors_of_each_route(hosting: Hosting, ada: Visitor) -> None:
    api = (await ada.http.get("api/openapi.json")).json()
    routes = {path: item for path, item in api["paths"].items() if path.startswith("/api/lobbies")}
    assert len(routes) == 8
    for path, item in routes.items():
        for method, operation in item.items():
            refusals = {s: a for s, a in operation["responses"].items() if s >= "400"}
            assert {"401", "403", "422", "503"} <= set(refusals), (path, method)
            for answer in refusals.values():
                schema = answer["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}
