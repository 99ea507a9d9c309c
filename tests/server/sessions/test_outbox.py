from __future__ import annotations

import asyncio

from voicebot.server.net.close_codes import CloseCode
from voicebot.server.sessions.outbox import Close, Outbox
from voicebot.signaling.messages import (
    AgentStateChanged,
    AgentStateData,
    ChatData,
    ChatMessage,
    LobbyInfo,
    LobbyState,
    LobbyStateData,
    Pong,
    Transcript,
    TranscriptData,
)
from voicebot.signaling.written import write


def state(version: int, lobby: str = "l") -> LobbyState:
    info = LobbyInfo(id=lobby, name="L")
    return LobbyState(lobby=lobby, data=LobbyStateData(lobby=info, participants=[], version=version))


def caption(text: str, final: bool = False) -> Transcript:
    data = TranscriptData(utterance_id="u", participant_id="p", name="P", text=text, final=final, t=0.0)
    return Transcript(lobby="l", data=data)


async def drain(outbox: Outbox) -> list[str | Close]:
    outbox.close(1000)
    found: list[str | Close] = []
    while not found or isinstance(found[-1], str):
        found.append(await outbox.get())
    return found


async def test_order_is_kept_and_the_close_comes_last() -> None:
    outbox = Outbox()
    for text in "abc":
        outbox.put(write(ChatMessage(lobby="l", data=ChatData(text=text))))
    outbox.close(4001, "bye")
    outbox.close(4002)
    outbox.put(write(Pong()))
    *texts, close = await drain(outbox)
    assert [t[-4] for t in texts if isinstance(t, str)] == ["a", "b", "c"]
    assert close == Close(4001, "bye")


async def test_only_the_newest_state_is_written_in_its_own_position() -> None:
    outbox = Outbox()
    outbox.put(write(state(1)))
    outbox.put(write(state(9, lobby="other")))
    outbox.put(write(caption("hel")))
    outbox.put(write(Pong()))
    outbox.put(write(caption("hello")))
    outbox.put(write(state(2)))
    outbox.put(write(caption("hello.", final=True)))
    *texts, _ = await drain(outbox)
    kinds = [(t.count('"version":2'), t.count("hello"), "pong" in t) for t in texts if isinstance(t, str)]
    assert kinds == [(0, 0, False), (0, 0, True), (0, 1, False), (1, 0, False), (0, 1, False)]


async def test_a_full_outbox_closes_the_socket() -> None:
    by_count = Outbox(max_messages=3)
    for _ in range(4):
        by_count.put(write(Pong()))
    assert by_count.waiting == 0
    assert await by_count.get() == Close(CloseCode.TOO_SLOW, "too slow")
    by_size = Outbox(max_bytes=200)
    by_size.put(write(ChatMessage(lobby="l", data=ChatData(text="x" * 300))))
    assert await by_size.get() == Close(CloseCode.TOO_SLOW, "too slow")


async def test_replaced_states_do_not_fill_the_outbox() -> None:
    outbox = Outbox(max_messages=3, max_bytes=2000)
    for number in range(1000):
        outbox.put(write(state(number)))
        outbox.put(write(AgentStateChanged(lobby="l", data=AgentStateData(participant_id="a", state="idle"))))
    *texts, close = await drain(outbox)
    assert len(texts) == 2
    assert close == Close(1000)


async def test_put_wakes_the_waiting_reader() -> None:
    outbox = Outbox()
    reader = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    outbox.put(write(Pong()))
    assert "pong" in str(await reader)
