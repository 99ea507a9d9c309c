"""The whole table of `voicebot.lobby.rights`, and attempts to get around it."""

from __future__ import annotations

import asyncio
import io
import itertools
import re
import threading
import zipfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import pytest

from tests.server.conftest import Visitor
from tests.server.lobby.test_doors import knock, make
from voicebot.errors import SignalingError
from voicebot.events import TranscriptFinal
from voicebot.lobby.rights import RIGHTS, Action, Right, Standing, check, lasts
from voicebot.server.endpoints import conversation_routes
from voicebot.server.hosting import Hosting
from voicebot.server.lobby.controller import LobbyController

ACTIONS: Sequence[Action] = get_args(Action)
OF_A_LOBBY = ("change_lobby", "end_lobby", "choose_recogniser", "read_running", "read_all")
PEOPLE = ("guest", "acting", "owner")
TARGETS = ("nobody", "oneself", "guest", "acting", "owner", "visitor", "agent", "stranger")
ALLOWED: dict[tuple[str, str], str] = {
    # (who, action): towards whom; what is not here is refused
    ("guest", "report"): "nobody oneself acting owner visitor agent",
    ("acting", "report"): "nobody oneself guest owner visitor agent",
    ("owner", "report"): "nobody oneself guest acting owner visitor agent",
    ("acting", "mute_request"): "oneself guest owner",
    ("owner", "mute_request"): "oneself guest acting owner",
    ("acting", "kick"): "guest",
    ("owner", "kick"): "guest acting owner",
    ("acting", "ban"): "guest visitor",
    ("owner", "ban"): "guest acting owner visitor",
    ("acting", "admit"): "visitor",
    ("owner", "admit"): "visitor",
    ("acting", "deny"): "visitor",
    ("owner", "deny"): "visitor",
    ("owner", "make_host"): "oneself guest acting owner",
    **{(who, action): " ".join(TARGETS) for who in ("acting", "owner") for action in ("lock", "unlock")},
}
"""Whom each role can target with each action. `lock` and `unlock` ignore the participant."""


class Cast:
    """A private lobby with one person of each role, and two owners."""

    def __init__(self, hosting: Hosting, people: Sequence[Visitor]) -> None:
        self.hosting = hosting
        names = ("acting", "guest", "owner", "other", "visitor", "stranger")
        self.people = dict(zip(names, people, strict=True))
        self.ids: dict[str, str] = {}
        self.lobby = ""

    @property
    def controller(self) -> LobbyController:
        return self.hosting.controller(self.lobby)

    async def gather(self) -> Cast:
        """Everybody joins a new lobby."""
        for one in self.people.values():
            if self.lobby:
                await one.send("leave_lobby")
            await one.settle()
        self.hosting._lobbies._reports._times.clear()  # of one session here are more than of a person
        self.lobby = (await self.hosting.create_lobby("Room")).lobby.id
        for name in ("acting", "guest", "owner", "other"):
            id = await self.people[name].send("join_lobby", {"name": name}, lobby=self.lobby)
            joined = await self.people[name].expect("lobby_joined", lambda m, id=id: m.get("id") == id)
            self.ids[name] = joined["data"]["participant_id"]
        moderator = self.hosting.moderate(self.lobby)
        for owner in ("owner", "other"):
            moderator.make_host(self.ids[owner])
        moderator.change(private=True)
        await knock(self.people["visitor"], self.lobby, "visitor")
        (self.ids["visitor"],) = self.controller.door.waiting
        self.ids["agent"] = (await self.hosting.agent_sessions[self.lobby].spawn("a pirate")).id
        self.ids["stranger"] = "p-0000000000000000"
        for one in self.people.values():
            await one.settle()
        return self

    def named(self, who: str, whom: str) -> str | None:
        if whom == "nobody":
            return None
        whom = who if whom == "oneself" else "other" if (who, whom) == ("owner", "owner") else whom
        return self.ids[whom]

    def state(self) -> Any:
        door, lobby = self.controller.door, self.controller.lobby
        sets = [sorted(some) for some in (door.hosts, door.admitted, door.banned)]
        return dict(lobby.participants), dict(door.waiting), lobby.settings, lobby.name, *sets

    async def try_out(self, who: str, action: str, whom: str) -> str:
        """The code of the error, or "" if the action was done."""
        data = {"action": action, "participant_id": self.named(who, whom)}
        id = await self.people[who].send("moderation", data, lobby=self.lobby)
        for message in await self.people[who].settle():
            if message.get("id") == id:
                return str(message["data"]["code"]) if message["type"] == "error" else ""
        raise AssertionError(f"no answer to {action} by {who} towards {whom}")


@pytest.fixture
async def cast(hosting: Hosting, visit: Any) -> Cast:
    people = [await visit(hosting) for _ in range(6)]
    for one in people:
        await one.expect("session_established")
    return await Cast(hosting, people).gather()


def test_the_table_has_every_right() -> None:
    assert set(RIGHTS) == {one for part in get_args(Right) for one in get_args(part)} | set(ACTIONS)
    assert {"acting", "owner", "guest"} == set(PEOPLE)
    assert {right for right, rule in RIGHTS.items() if rule.needs == Standing.OWNER} == {
        "make_host", "end_lobby", "choose_recogniser", "read_all",
    }  # fmt: skip
    assert [standing for standing in Standing if lasts(standing)] == [Standing.OWNER, Standing.SERVER]


def test_the_protocol_page_has_the_same_table() -> None:
    text = (files("voicebot.signaling") / "protocol.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([a-z ]+) \| ([^|]*)\|$", text, re.M)
    told = {right: standing for right, standing, _ in rows}
    assert told == {right: rule.needs.name.lower().replace("_", " ") for right, rule in RIGHTS.items()}
    for right, _, towards in rows:
        rule = RIGHTS[right]  # type: ignore[index]
        assert bool(towards.strip()) == bool(rule.towards)
        assert ("owners only by owners" in towards) == (not rule.upwards)
        assert ("others" in towards) == (not rule.oneself)
        assert ("door" in towards or "anyone" in towards) == (Standing.VISITOR in rule.towards)


@pytest.mark.parametrize("who", PEOPLE)
async def test_each_role_can_do_exactly_its_actions_to_each_other_role(cast: Cast, who: str) -> None:
    """Refused actions change nothing. Allowed ones are done, each in a lobby of its own."""
    for action, whom in itertools.product(ACTIONS, TARGETS):
        if who == whom and who != "owner":
            continue  # there is one of each: that is `oneself`
        allowed = whom in ALLOWED.get((who, action), "").split()
        before = cast.state()
        reached = await cast.try_out(who, action, whom)
        assert (reached == "") == allowed, (who, action, whom, reached)
        if allowed:
            await cast.gather()
        else:
            assert cast.state() == before, (who, action, whom)
            right = (who, action) in ALLOWED
            assert reached in (
                {"forbidden", "bad_message", "unknown_participant"} if right else {"forbidden"}
            )


@pytest.mark.parametrize("who", ["stranger", "visitor"])
async def test_people_outside_a_lobby_can_do_nothing_in_it(cast: Cast, who: str) -> None:
    before = cast.state()
    for action, whom in itertools.product(ACTIONS, ("nobody", "guest", "owner", "visitor", "agent")):
        assert await cast.try_out(who, action, whom) == "not_joined"
    assert cast.state() == before


@pytest.mark.parametrize(
    ("who", "may"),
    [
        ("stranger", ()),
        ("visitor", ()),
        ("guest", ()),
        ("acting", ("change_lobby", "read_running")),
        ("owner", OF_A_LOBBY),
    ],
)
async def test_each_role_has_exactly_its_rights_over_http(
    cast: Cast, who: str, may: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def swap(role: str, spec: str, progress: Any) -> None:
        pass

    monkeypatch.setattr(cast.hosting.models, "swap", swap)
    http, base = cast.people[who].http, f"api/lobbies/{cast.lobby}"
    stt = cast.hosting.models.options("stt")[0].spec
    answers = {
        "change_lobby": await http.patch(base, json={"people": 7}),
        "choose_recogniser": await http.patch(f"{base}/agents/{cast.ids['agent']}", json={"stt": stt}),
        "read_running": await http.get(f"{base}/conversations"),
        "end_lobby": await http.delete(base),
    }
    refused = 403 if who in PEOPLE else 404
    for right, answer in answers.items():
        assert answer.status_code in ({200, 204} if right in may else {refused}), (right, answer.text)
    assert (cast.lobby in cast.hosting.agent_sessions) == ("end_lobby" not in may)


@pytest.mark.parametrize("right", [right for right in RIGHTS if right != "report"])
def test_a_refusal_names_whom_to_ask(right: Right) -> None:
    for standing in Standing:
        if standing >= RIGHTS[right].needs:
            check(right, standing)
            continue
        with pytest.raises(SignalingError, match=r"Only a host|Only an owner") as refused:
            check(right, standing)
        assert "Ask" in str(refused.value)


# ---------------------------------------------------------------- a host for the moment


async def test_an_acting_host_cannot_become_an_owner(hosting: Hosting, visit: Any) -> None:
    mallory, accomplice = await visit(hosting, joined="Mallory"), await visit(hosting, joined="Eve")
    door = hosting.controller("demo").door
    assert hosting.agent_sessions["demo"].lobby.participants[mallory.me].role == "host"
    for whom in (mallory.me, accomplice.me):
        await mallory.send("moderation", {"action": "make_host", "participant_id": whom}, lobby="demo")
        assert (await mallory.expect("error"))["data"]["code"] == "forbidden"
    assert door.hosts == set()
    assert (await mallory.http.delete("api/lobbies/demo")).status_code == 403
    for visitor in (mallory, accomplice):
        await visitor.send("leave_lobby", lobby="demo")
        await visitor.settle()
    ada = await visit(hosting, joined="Ada")
    id = await mallory.send("join_lobby", {"name": "Mallory"}, lobby="demo")
    me = (await mallory.expect("lobby_joined", lambda m: m["id"] == id))["data"]["participant_id"]
    people = hosting.agent_sessions["demo"].lobby.participants
    assert (people[me].role, people[ada.me].role) == ("guest", "host")
    assert hosting.controller("demo").record().hosts == ()


async def test_changes_of_an_acting_host_end_when_everybody_has_left(hosting: Hosting, visit: Any) -> None:
    mallory, bob = await visit(hosting, joined="Mallory"), await visit(hosting, joined="Bob")
    controller = hosting.controller("demo")
    kept = controller.record()
    changes = {"name": "Mine", "private": True, "agents_by": "host", "people": 2}
    await mallory.send("lobby_update", changes, lobby="demo")
    await mallory.send("moderation", {"action": "lock"}, lobby="demo")
    await mallory.send("moderation", {"action": "ban", "participant_id": bob.me}, lobby="demo")
    await mallory.settle()
    assert (controller.lobby.name, controller.lobby.settings.private, controller.lobby.settings.locked) == (
        "Mine", True, True,
    )  # fmt: skip
    assert (await bob.http.get("api/lobbies/demo")).status_code == 404
    now = controller.record()
    assert (now.name, now.settings, now.admitted) == (kept.name, kept.settings, kept.admitted)
    assert await hosting._store.bans("demo") == []
    await mallory.send("leave_lobby", lobby="demo")
    await mallory.settle()
    assert controller.lobby.name == "Demo"
    assert controller.lobby.settings.model_dump() == kept.settings
    await bob.settle()
    await bob.send("join_lobby", {"name": "Bob"}, lobby="demo")
    await bob.expect("lobby_joined")


async def test_changes_of_an_owner_last(hosting: Hosting, visit: Any) -> None:
    mallory, ada = await visit(hosting, joined="Mallory"), await visit(hosting, joined="Ada")
    hosting.moderate("demo").make_host(ada.me)
    await mallory.send("lobby_update", {"name": "Mine", "agents_by": "host"}, lobby="demo")
    await mallory.settle()
    await ada.send("lobby_update", {"name": "Ours", "people": 4}, lobby="demo")
    for visitor in (ada, mallory):
        await visitor.send("leave_lobby", lobby="demo")
        await visitor.settle()
    lobby = hosting.agent_sessions["demo"].lobby
    assert (lobby.name, lobby.settings.people, lobby.settings.agents_by) == ("Ours", 4, "everyone")


async def test_people_admitted_by_an_acting_host_have_to_knock_again(hosting: Hosting, visit: Any) -> None:
    ada, mallory, eve = [await visit(hosting) for _ in range(3)]
    lobby = await make(ada, settings={"private": False})
    await mallory.join("Mallory", lobby)
    await ada.join("Ada", lobby)
    await ada.send("lobby_update", {"private": True}, lobby=lobby)
    await ada.send("leave_lobby", lobby=lobby)
    await ada.settle()
    await knock(eve, lobby, "Eve")
    (visitor,) = hosting.controller(lobby).door.waiting
    await mallory.send("moderation", {"action": "admit", "participant_id": visitor}, lobby=lobby)
    await eve.expect("lobby_joined")
    for one in (mallory, eve):
        await one.send("leave_lobby", lobby=lobby)
        await one.settle()
    assert hosting.controller(lobby).record().admitted == ()
    await knock(eve, lobby, "Eve")


async def test_bans_of_an_acting_host_end_when_everybody_has_left(hosting: Hosting, visit: Any) -> None:
    """Not even for half a minute longer: denials end, too."""
    mallory, bob = await visit(hosting, joined="Mallory"), await visit(hosting)
    await bob.expect("session_established")
    await mallory.send("lobby_update", {"private": True}, lobby="demo")
    await mallory.settle()
    await knock(bob, "demo", "Bob")
    (visitor,) = hosting.controller("demo").door.waiting
    await mallory.send("moderation", {"action": "deny", "participant_id": visitor}, lobby="demo")
    assert (await bob.expect("error"))["data"]["code"] == "unknown_lobby"
    await mallory.send("leave_lobby", lobby="demo")
    await mallory.settle()
    await bob.send("join_lobby", {"name": "Bob"}, lobby="demo")
    await bob.expect("lobby_joined")


async def test_no_setting_keeps_an_owner_out(hosting: Hosting, visit: Any) -> None:
    ada, mallory = await visit(hosting), await visit(hosting)
    lobby = await make(ada, settings={"private": False})
    await mallory.join("Mallory", lobby)
    await mallory.send("lobby_update", {"people": 1, "private": True}, lobby=lobby)
    await mallory.send("moderation", {"action": "lock"}, lobby=lobby)
    await mallory.settle()
    await ada.join("Ada", lobby)
    info = hosting.agent_sessions[lobby].lobby.participants[ada.me]
    assert (info.role, info.owner) == ("host", True)


async def test_nobody_can_create_the_demo_lobby_first(host: Any, visit: Any) -> None:
    hosting = await host(demo=False)
    mallory = await visit(hosting)
    await mallory.send("create_lobby", {"name": "Demo", "slug": "demo"})
    assert (await mallory.expect("error"))["data"]["code"] == "id_taken"
    made = await mallory.http.post("api/lobbies", json={"name": "Demo", "slug": "demo"})
    assert (made.status_code, made.json()["error"]["code"]) == (409, "id_taken")


# ---------------------------------------------------------------- what was said before one came


async def test_an_acting_host_reads_only_what_was_said_in_their_presence(
    hosting: Hosting, visit: Any
) -> None:
    alice = await visit(hosting, joined="Alice")
    await alice.send("chat_message", {"text": "the north secret"}, lobby="demo")
    await alice.settle()
    log = hosting.agent_sessions["demo"].log
    assert log is not None
    log.emit(TranscriptFinal(participant_id=alice.me, utterance_id="u-1", text="north again"))
    mallory = await visit(hosting, joined="Mallory")
    await alice.send("chat_message", {"text": "hello Mallory"}, lobby="demo")
    await alice.send("leave_lobby", lobby="demo")
    await mallory.expect("user_left")
    assert hosting.agent_sessions["demo"].lobby.participants[mallory.me].role == "host"
    base = "api/lobbies/demo/conversations"
    (listed,) = (await mallory.http.get(base)).json()
    assert listed["participants"] == ["Ada", "Alice", "Mallory"]
    events = await mallory.http.get(f"{base}/{listed['id']}/events.jsonl")
    archive = await mallory.http.get(f"{base}/{listed['id']}.zip")
    with zipfile.ZipFile(io.BytesIO(archive.content)) as zipped:
        assert zipped.read(f"{listed['id']}/events.jsonl") == events.content
        everything = b"".join(zipped.read(name) for name in zipped.namelist())
    assert b"north" not in everything
    assert b"hello Mallory" in everything
    hosting.moderate("demo").make_host(mallory.me)  # as an owner she may read it all
    assert "the north secret" in (await mallory.http.get(f"{base}/{listed['id']}/events.jsonl")).text


async def test_a_new_lobby_with_an_old_id_cannot_read_old_conversations(hosting: Hosting, visit: Any) -> None:
    """A guest waits for the lobby to end and then creates one with the same id."""
    ada, mallory = await visit(hosting), await visit(hosting)
    await make(ada, slug="tea", settings={"private": False})
    for visitor, name in ((ada, "Ada"), (mallory, "Mallory")):
        await visitor.join(name, "tea")
    await ada.send("chat_message", {"text": "the north secret"}, lobby="tea")
    await ada.settle()
    log = hosting.agent_sessions["tea"].log
    assert log is not None
    assert (await ada.http.delete("api/lobbies/tea")).status_code == 204
    await make(mallory, slug="tea")
    base = "api/lobbies/tea/conversations"
    assert (await mallory.http.get(base)).json() == []
    for end in (".zip", "/events.jsonl"):
        assert (await mallory.http.get(f"{base}/{log.conversation_id}{end}")).status_code == 404
    await mallory.send("join_lobby", {"name": "Mallory"}, lobby="tea")
    await mallory.expect("lobby_joined")
    (own,) = (await mallory.http.get(base)).json()
    assert own["id"] != log.conversation_id


async def test_a_download_leaves_no_temporary_files(
    hosting: Hosting, visit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    mallory = await visit(hosting, joined="Mallory")
    base = "api/lobbies/demo/conversations"
    (listed,) = (await mallory.http.get(base)).json()
    for end in (".zip", "/events.jsonl"):
        assert (await mallory.http.get(f"{base}/{listed['id']}{end}")).status_code == 200
    while any((tmp_path / "temporary").iterdir()):  # noqa: ASYNC110 (it goes once all of it is sent)
        await asyncio.sleep(0)


async def test_making_an_excerpt_does_not_block_the_server(
    hosting: Hosting, visit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conversation may have tens of thousands of events, so no event is read on the loop, and only the
    running conversation is read.
    """
    mallory = await visit(hosting, joined="Mallory")
    loop, told = threading.current_thread(), []

    def note(name: str, do: Any) -> Any:
        def noted(*args: Any) -> Any:
            told.append((name, threading.current_thread()))
            return do(*args)

        return noted

    for name in ("presence", "excerpt", "excerpt_manifest", "write_excerpt", "manifest_of"):
        monkeypatch.setattr(conversation_routes, name, note(name, getattr(conversation_routes, name)))
    monkeypatch.setattr(conversation_routes, "manifests", None)
    base = "api/lobbies/demo/conversations"
    (listed,) = (await mallory.http.get(base)).json()
    assert [name for name, _ in told].count("manifest_of") == 1
    assert (await mallory.http.get(f"{base}/{listed['id']}/events.jsonl")).status_code == 200
    assert {"presence", "excerpt", "excerpt_manifest", "write_excerpt"} <= {name for name, _ in told}
    assert loop not in {thread for _, thread in told}
