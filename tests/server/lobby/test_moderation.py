"""What hosts may do to others, what everybody may report, and what nobody may."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.server.conftest import Visitor
from tests.server.lobby.test_doors import knock, make, refusal
from voicebot.events import ModerationEvent
from voicebot.server.hosting import Hosting
from voicebot.signaling.messages import ClientMessage


class Kept:
    """What a lobby wants kept, in the order it was told."""

    def __init__(self) -> None:
        self.bans: list[Any] = []
        self.unbanned_: list[str] = []
        self.reports: list[Any] = []
        self.changes = 0

    def lobby_changed(self, lobby: Any) -> None:
        self.changes += 1

    def banned(self, record: Any) -> None:
        self.bans.append(record)

    def unbanned(self, lobby_id: str, handle: str) -> None:
        self.unbanned_.append(handle)

    def reported(self, record: Any) -> None:
        self.reports.append(record)


async def moderate(who: Visitor, action: str, whom: str | None = None, **more: Any) -> str:
    data = {"action": action, **({"participant_id": whom} if whom else {}), **more}
    return await who.send("moderation", data, lobby="demo")


async def refused(who: Visitor, action: str, whom: str | None = None) -> str:
    id = await moderate(who, action, whom)
    return str((await who.expect("error", lambda m: m.get("id") == id))["data"]["code"])


@pytest.fixture
async def ada(hosting: Hosting, visit: Any) -> Visitor:
    """The owner of the demo lobby."""
    visitor: Visitor = await visit(hosting, joined="Ida")
    hosting.moderate("demo").make_host(visitor.me)
    await visitor.settle()
    return visitor


@pytest.fixture
async def bob(hosting: Hosting, visit: Any, ada: Visitor) -> Visitor:
    visitor: Visitor = await visit(hosting, joined="Bob")
    return visitor


@pytest.fixture
def kept(hosting: Hosting) -> Kept:
    kept = Kept()
    controller = hosting.controller("demo")
    controller._store = controller.moderator._store = kept
    return kept


async def test_the_first_person_is_host_and_the_next_one_succeeds_them(hosting: Hosting, visit: Any) -> None:
    ada, bob = await visit(hosting, joined="Ada"), await visit(hosting, joined="Bob")
    people = hosting.agent_sessions["demo"].lobby.participants
    assert (people[ada.me].role, people[bob.me].role) == ("host", "guest")
    await ada.send("leave_lobby", lobby="demo")
    await bob.expect("user_left")
    assert people[bob.me].role == "host"
    ada.received.clear()
    await ada.send("join_lobby", {"name": "Ada"}, lobby="demo")
    again = await ada.expect("lobby_joined")
    assert people[again["data"]["participant_id"]].role == "guest"


@pytest.mark.parametrize(
    "action", ["mute_request", "kick", "ban", "lock", "unlock", "admit", "deny", "make_host"]
)
async def test_only_hosts_moderate(hosting: Hosting, ada: Visitor, bob: Visitor, action: str) -> None:
    before = hosting.agent_sessions["demo"].lobby.version
    assert await refused(bob, action, ada.me) == "forbidden"
    assert await refused(bob, action) == "forbidden"
    assert hosting.agent_sessions["demo"].lobby.version == before


async def test_only_hosts_change_the_lobby(hosting: Hosting, ada: Visitor, bob: Visitor) -> None:
    await bob.send("lobby_update", {"private": True}, lobby="demo")
    assert (await bob.expect("error"))["data"]["code"] == "forbidden"
    assert not hosting.agent_sessions["demo"].lobby.settings.private


async def test_the_target_must_be_in_the_lobby(
    hosting: Hosting, visit: Any, ada: Visitor, bob: Visitor
) -> None:
    other = await hosting.create_lobby("Other")
    carl = await visit(hosting)
    await carl.join("Carl", lobby=other.lobby.id)
    (agent,) = hosting.agent_sessions["demo"].lobby.agents
    for action in ("mute_request", "kick", "ban", "make_host"):
        for whom in (carl.me, "nobody", agent.id):
            assert await refused(ada, action, whom) == "unknown_participant"
        assert await refused(ada, action) == "bad_message"
    for action in ("admit", "deny"):
        assert await refused(ada, action, bob.me) == "unknown_participant"
    assert await refused(ada, "report", carl.me) == "unknown_participant"
    assert carl.me in other.lobby.participants


async def test_nobody_can_remove_themselves(ada: Visitor) -> None:
    assert await refused(ada, "kick", ada.me) == "forbidden"
    assert await refused(ada, "ban", ada.me) == "forbidden"


async def test_a_person_is_asked_to_mute(hosting: Hosting, visit: Any, ada: Visitor, bob: Visitor) -> None:
    carl = await visit(hosting, joined="Carl")
    await carl.settle()
    id = await moderate(ada, "mute_request", bob.me, reason="a drill")
    told = await bob.expect("moderation")
    expected = {"action": "mute_request", "participant_id": bob.me, "reason": "a drill", "by": ada.me}
    assert told["data"] == expected
    assert "id" not in told
    echo = await ada.expect("moderation")
    assert (echo["id"], echo["data"]) == (id, expected)
    assert "moderation" not in [m["type"] for m in await carl.settle()]
    assert hosting.agent_sessions["demo"].lobby.participants[bob.me].muted is False


async def test_a_kicked_person_is_told_and_may_come_back(
    hosting: Hosting, visit: Any, ada: Visitor, bob: Visitor
) -> None:
    carl = await visit(hosting, joined="Carl")
    id = await moderate(ada, "kick", bob.me, reason="enough")
    told = await bob.expect("moderation")
    assert told["data"] == {"action": "kick", "participant_id": bob.me, "reason": "enough", "by": ada.me}
    left = {"participant_id": bob.me, "reason": "kicked"}
    for visitor in (bob, ada, carl):
        assert (await visitor.expect("user_left"))["data"] == left
    assert (await ada.expect("moderation"))["id"] == id
    assert bob.me not in hosting.agent_sessions["demo"].lobby.participants
    log = hosting.agent_sessions["demo"].log
    assert log is not None
    event = [e for e in log.events if isinstance(e, ModerationEvent)][-1]
    assert (event.action, event.participant_id, event.target_id) == ("kick", ada.me, bob.me)
    await bob.send("chat_message", {"text": "hey"}, lobby="demo")
    assert (await bob.expect("error"))["data"]["code"] == "not_joined"
    await bob.send("join_lobby", {"name": "Bob"}, lobby="demo")
    assert (await bob.expect("lobby_joined"))["data"]["participant_id"] != bob.me


async def test_a_person_kicked_from_a_private_lobby_has_to_knock_again(hosting: Hosting, visit: Any) -> None:
    ada, bob = await visit(hosting), await visit(hosting)
    lobby = await make(ada)
    await ada.join("Ada", lobby)
    await knock(bob, lobby, "Bob")
    (visitor,) = hosting.controller(lobby).door.waiting
    hosting.moderate(lobby).admit(visitor)
    joined = await bob.expect("lobby_joined")
    kick = {"action": "kick", "participant_id": joined["data"]["participant_id"]}
    await ada.send("moderation", kick, lobby=lobby)
    await bob.expect("user_left")
    await knock(bob, lobby, "Bob")


async def test_a_ban_lasts_and_is_stored(
    hosting: Hosting, visit: Any, ada: Visitor, bob: Visitor, kept: Kept
) -> None:
    handle = hosting.controller("demo").presence.get(bob.me).session.handle  # type: ignore[union-attr]
    await moderate(ada, "ban", bob.me, reason="again and again")
    assert (await bob.expect("moderation"))["data"]["action"] == "ban"
    assert (await bob.expect("user_left"))["data"]["reason"] == "banned"
    assert (await refusal(bob, "demo"))["code"] == "unknown_lobby"
    await bob.open()
    await bob.expect("session_established", lambda m: not m["data"]["resumed"])
    assert (await refusal(bob, "demo"))["code"] == "unknown_lobby"
    (record,) = kept.bans
    by = hosting.controller("demo").presence.get(ada.me).session.handle  # type: ignore[union-attr]
    assert (record.lobby_id, record.handle, record.name, record.by, record.reason) == (
        "demo", handle, "Bob", by, "again and again",
    )  # fmt: skip
    assert hosting.moderate("demo").bans == [record]
    hosting.moderate("demo").unban(handle)
    hosting.moderate("demo").unban(handle)
    assert kept.unbanned_ == [handle]
    await bob.send("join_lobby", {"name": "Bob"}, lobby="demo")
    await bob.expect("lobby_joined")


async def test_a_host_can_make_another_host(hosting: Hosting, visit: Any, ada: Visitor, bob: Visitor) -> None:
    await moderate(ada, "make_host", bob.me)
    assert (await bob.expect("moderation"))["data"]["action"] == "make_host"
    await ada.expect("participant_updated", lambda m: m["data"]["participant"]["role"] == "host")
    await bob.send("lobby_update", {"name": "Ours"}, lobby="demo")
    state = await ada.expect("lobby_state", lambda m: m["data"]["lobby"]["name"] == "Ours")
    assert [p["role"] for p in state["data"]["participants"] if p["kind"] == "human"] == ["host", "host"]
    # who was made host keeps that, who is only there longest does not
    carl = await visit(hosting, joined="Carl")
    for visitor in (bob, ada):
        await visitor.send("leave_lobby", lobby="demo")
        await visitor.settle()
    dora = await visit(hosting, joined="Dora")
    await carl.send("leave_lobby", lobby="demo")
    await dora.expect("participant_updated", lambda m: m["data"]["participant"]["role"] == "host")
    for visitor, role in ((carl, "guest"), (ada, "host"), (bob, "host")):
        await visitor.send("join_lobby", {"name": "Again"}, lobby="demo")
        me = (await visitor.expect("lobby_joined"))["data"]["participant_id"]
        assert hosting.agent_sessions["demo"].lobby.participants[me].role == role
    assert hosting.agent_sessions["demo"].lobby.participants[dora.me].role == "host"


async def test_an_acting_host_cannot_remove_an_owner(hosting: Hosting, visit: Any) -> None:
    ada, bob = await visit(hosting), await visit(hosting)
    lobby = await make(ada, settings={"private": False})
    await bob.join("Bob", lobby)  # before the one who made it, and so host
    await ada.join("Ada", lobby)
    for action in ("kick", "ban"):
        await bob.send("moderation", {"action": action, "participant_id": ada.me}, lobby=lobby)
        assert (await bob.expect("error"))["data"]["code"] == "forbidden"
    await ada.send("moderation", {"action": "kick", "participant_id": bob.me}, lobby=lobby)
    await bob.expect("user_left")


async def test_a_report_is_stored_and_audited_and_told_to_nobody_else(
    hosting: Hosting, ada: Visitor, bob: Visitor, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    seats = hosting.controller("demo").presence
    handles = {who.me: seats.get(who.me).session.handle for who in (ada, bob)}  # type: ignore[union-attr]
    (agent,) = hosting.agent_sessions["demo"].lobby.agents
    await ada.settle()
    with caplog.at_level(logging.INFO, "voicebot.audit"):
        id = await moderate(bob, "report", ada.me, reason="was rude")
        echo = await bob.expect("moderation")
        assert (echo["id"], echo["data"]["action"]) == (id, "report")
        await moderate(bob, "report", agent.id)
        await moderate(bob, "report", reason="it is loud here")
        await ada.send("leave_lobby", lobby="demo")
        await bob.expect("user_left")
        await moderate(bob, "report", ada.me, reason="and left")
        await bob.settle()
    log = hosting.agent_sessions["demo"].log
    assert log is not None
    assert [(r.by, r.about, r.name, r.reason) for r in kept.reports] == [
        (handles[bob.me], handles[ada.me], "Ida", "was rude"),
        (handles[bob.me], agent.id, agent.name, ""),
        (handles[bob.me], "", "", "it is loud here"),
        (handles[bob.me], handles[ada.me], "Ida", "and left"),
    ]
    assert {r.conversation_id for r in kept.reports} == {log.conversation_id}
    line = caplog.records[0]
    fields = (line.who, line.what, line.whom, line.lobby)  # type: ignore[attr-defined]
    assert fields == (handles[bob.me], "report", handles[ada.me], "demo")
    assert "rude" not in caplog.text
    assert "moderation" not in [m["type"] for m in await ada.settle()]
    assert "report" not in {e.action for e in log.events if isinstance(e, ModerationEvent)}


async def test_reports_are_limited_per_session(
    hosting: Hosting, ada: Visitor, bob: Visitor, kept: Kept
) -> None:
    for _ in range(5):
        await moderate(bob, "report", ada.me)
    id = await moderate(bob, "report", ada.me)
    error = await bob.expect("error")
    assert (error["id"], error["data"]["code"], error["data"]["retryable"]) == (id, "too_many", True)
    assert len(kept.reports) == 5
    await moderate(ada, "report", bob.me)
    await ada.expect("moderation")
    assert len(kept.reports) == 6


async def test_the_notebook_may_do_everything(
    hosting: Hosting, ada: Visitor, bob: Visitor, kept: Kept
) -> None:
    moderator = hosting.moderate("demo")
    moderator.request_mute(bob.me)
    assert (await bob.expect("moderation"))["data"] == {
        "action": "mute_request", "participant_id": bob.me, "reason": "",
    }  # fmt: skip
    moderator.change(private=True, people=3)
    state = await bob.expect("lobby_state", lambda m: m["data"]["lobby"]["settings"]["private"])
    assert state["data"]["lobby"]["settings"]["people"] == 3
    moderator.lock()
    moderator.unlock()
    moderator.make_host(bob.me)
    await bob.expect("moderation", lambda m: m["data"]["action"] == "make_host")
    moderator.ban(ada.me, "by the notebook")
    assert (await ada.expect("user_left"))["data"]["reason"] == "banned"
    assert kept.bans[0].by == ""
    moderator.kick(bob.me)
    left = await bob.expect("user_left", lambda m: m["data"]["participant_id"] == bob.me)
    assert left["data"]["reason"] == "kicked"
    assert hosting.agent_sessions["demo"].lobby.humans == []


def test_every_client_message_has_a_permission() -> None:
    from typing import get_args

    from voicebot.server.endpoints.dispatcher import PERMISSIONS

    assert set(PERMISSIONS) == set(get_args(get_args(ClientMessage)[0]))
