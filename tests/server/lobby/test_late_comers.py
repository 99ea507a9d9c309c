"""People who join later get the captions so far."""

from __future__ import annotations

from typing import Any

from voicebot.events import TranscriptFinal, TranscriptInterim
from voicebot.server.hosting import Hosting


def say(hosting: Hosting, who: str, number: int, *, final: bool = True, text: str | None = None) -> None:
    log = hosting.agent_sessions["demo"].log
    assert log is not None
    kind = TranscriptFinal if final else TranscriptInterim
    said = f"line {number}" if text is None else text
    log.emit(kind(participant_id=who, utterance_id=f"u{number}", text=said, start_t=float(number)))


def captions(messages: list[dict[str, Any]]) -> list[str]:
    return [m["data"]["text"] for m in messages if m["type"] == "transcript"]


async def test_a_newcomer_gets_the_last_fifty_captions_once(hosting: Hosting, visit: Any) -> None:
    ada = await visit(hosting, joined="Ada")
    for number in (*range(1, 61), 63, 62):
        say(hosting, ada.me, number, final=False)
        say(hosting, ada.me, number)
    say(hosting, ada.me, 64, text="  ")
    say(hosting, ada.me, 65, final=False)
    interim = await ada.expect("transcript", lambda m: m["data"]["text"] == "line 65")
    name = hosting.agent_sessions["demo"].lobby.participants[ada.me].name  # the agent has taken Ada
    assert name == "Ada 2"
    told = ("name", "participant_id", "final", "t")
    assert tuple(interim["data"][key] for key in told) == (name, ada.me, False, 65.0)
    so_far = [f"line {n}" for n in (*range(13, 61), 62, 63)]

    bob = await visit(hosting, joined="Bob")
    first = await bob.settle()
    told = [m for m in first if m["type"] in {"lobby_state", "transcript"}]
    assert told[0]["type"] == "lobby_state"
    assert captions(told) == so_far
    assert {m["data"]["final"] for m in told if m["type"] == "transcript"} == {True}
    assert {m["data"]["name"] for m in told if m["type"] == "transcript"} == {name}

    say(hosting, ada.me, 66)
    assert captions(await bob.settle()) == ["line 66"]

    again = await visit(hosting, of=bob)  # a reload
    await again.join("Bob")
    assert captions(await again.settle()) == [*so_far[1:], "line 66"]


async def test_a_new_conversation_has_no_old_captions(hosting: Hosting, visit: Any) -> None:
    ada = await visit(hosting, joined="Ada")
    say(hosting, ada.me, 1, text="between us")
    await ada.send("leave_lobby", lobby="demo")
    await ada.settle()
    bob = await visit(hosting, joined="Bob")
    assert captions(await bob.settle()) == []


async def test_utterance_ids_are_unique_across_conversations(hosting: Hosting, visit: Any) -> None:
    told = []
    for _ in range(2):
        ada = await visit(hosting, joined="Ada")
        say(hosting, ada.me, 1)
        told.append((await ada.expect("transcript"))["data"]["utterance_id"])
        await ada.send("leave_lobby", lobby="demo")
        await ada.settle()
    assert [id.partition(":")[2] for id in told] == ["u1", "u1"]
    assert told[0] != told[1]


async def test_a_client_that_missed_too_much_gets_the_captions_again(hosting: Hosting, visit: Any) -> None:
    ada = await visit(hosting, joined="Ada")
    bob = await visit(hosting, joined="Bob")
    await bob.settle()
    await bob.socket.close()
    for number in range(300):
        say(hosting, ada.me, number)
    await bob.open()
    assert (await bob.expect("session_established"))["data"]["resumed"] is True
    bob.last_seq, missed_from = 0, bob.last_seq
    await bob.send("resume", {"last_seq": missed_from})
    assert captions(await bob.settle()) == [f"line {n}" for n in range(250, 300)]


async def test_a_caption_with_a_lone_surrogate_is_repaired(hosting: Hosting, visit: Any) -> None:
    """Such captions come from plug-ins and notebooks."""
    ada = await visit(hosting, joined="Ada")
    say(hosting, ada.me, 1, text="half of an \ud83d emoji")
    say(hosting, ada.me, 2, text="and on")
    assert captions(await ada.settle()) == ["half of an \ufffd emoji", "and on"]
    bob = await visit(hosting, joined="Bob")
    assert captions(await bob.settle()) == ["half of an \ufffd emoji", "and on"]
