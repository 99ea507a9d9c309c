"""The settings of a lobby, what is stored of it, and when it and its agents end."""

from __future__ import annotations

from typing import Any

from tests.server.lobby.test_doors import make
from voicebot.server.hosting import Hosting
from voicebot.server.net.limits import Limits
from voicebot.signaling.messages import LobbySettings


async def test_settings_are_sent_to_everyone_and_stored(hosting: Hosting, visit: Any) -> None:
    ada, bob = await visit(hosting), await visit(hosting)
    lobby = await make(ada, settings={"private": False})
    await ada.join("Ada", lobby)
    await bob.join("Bob", lobby)
    controller = hosting.controller(lobby)
    before = controller.record()
    await ada.send("lobby_update", {"name": " Ours\u202e ", "agents_by": "host", "people": 2}, lobby=lobby)
    for visitor in (ada, bob):
        state = await visitor.expect("lobby_state", lambda m: m["data"]["lobby"]["name"] == "Ours")
        assert state["data"]["lobby"]["settings"] == {
            "private": False, "locked": False, "agents_by": "host", "people": 2,
        }  # fmt: skip
    record = controller.record()
    assert record.version > before.version
    assert record.settings == controller.lobby.settings.model_dump()
    assert (record.name, record.closes_when_empty, len(record.hosts)) == ("Ours", True, 1)
    late = await visit(hosting)
    await late.send("join_lobby", {"name": "Late"}, lobby=lobby)
    assert (await late.expect("lobby_full"))["data"] == {"limit": 2}
    # fewer than are here: nobody has to go
    await ada.send("lobby_update", {"people": 1}, lobby=lobby)
    await bob.expect("lobby_state", lambda m: m["data"]["lobby"]["settings"]["people"] == 1)
    assert len(controller.lobby.humans) == 2
    version = controller.lobby.version
    await ada.send("lobby_update", {"people": 1}, lobby=lobby)
    await ada.settle()
    assert controller.lobby.version == version
    await ada.send("lobby_update", {"name": "\u200b"}, lobby=lobby)
    assert (await ada.expect("error"))["data"]["code"] == "bad_name"


async def test_agents_leave_a_lobby_made_in_a_browser_after_its_people(host: Any, visit: Any) -> None:
    hosting = await host(limits=Limits(agents_alone=0.05, empty_lobby=3600))
    ada = await visit(hosting)
    lobby = await make(ada, settings={"private": False})
    agent_session = hosting.agent_sessions[lobby]
    await agent_session.spawn("a pirate")
    ours = await hosting.create_lobby("Ours", "ours")
    await ours.spawn("a baker")
    for id in (lobby, "ours"):
        await ada.send("join_lobby", {"name": "Ada"}, lobby=id)
        await ada.expect("lobby_joined")
        await ada.send("leave_lobby", lobby=id)
        await ada.settle()
    while agent_session.lobby.agents:
        assert (await ada.http.get("health")).status_code == 200
    assert lobby in hosting.agent_sessions
    assert len(ours.lobby.agents) == 1


async def test_a_notebook_can_choose_the_settings_of_a_lobby(hosting: Hosting, visit: Any) -> None:
    agent_session = await hosting.create_lobby(
        "Study", "study", settings=LobbySettings(private=True, people=3)
    )
    assert agent_session.lobby.info().settings == LobbySettings(private=True, people=3)
    ada = await visit(hosting)
    await ada.expect("session_established")
    await ada.send("join_lobby", {"name": "Ada"}, lobby="study")
    await ada.expect("lobby_waiting")
    (visitor,) = hosting.controller("study").door.waiting
    hosting.moderate("study").admit(visitor)
    await ada.expect("lobby_joined")
    assert [person.role for person in agent_session.lobby.humans] == ["host"]
