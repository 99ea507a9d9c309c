"""Connections break anywhere and in any way, and no message is lost or repeated."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.support.cuts import random_cuts
from voicebot.events import UserChat
from voicebot.server.hosting import Hosting
from voicebot.server.net.limits import Limits


@pytest.mark.parametrize("seed", [1, 2])
async def test_random_disconnections_lose_and_repeat_nothing(host: Any, seed: int) -> None:
    hosting = await host(demo=False, limits=Limits(messages_per_second=10_000, burst=10_000))
    await hosting.create_lobby("Cuts", "cuts")
    report = await random_cuts(hosting.url, "cuts", 30, seed=seed)
    assert len(report.resumes) == 30
    assert (report.lost, report.twice, report.disordered, report.seats_lost) == (0, 0, 0, 0)
    assert report.sent > 30


async def test_frames_left_in_an_old_socket_are_handled_once_and_in_order(host: Any, visit: Any) -> None:
    hosting = await host(demo=False, limits=Limits(messages_per_second=100, burst=2))
    await hosting.create_lobby("Tabs", "tabs")  # without an agent, which would answer each chat message
    first = await visit(hosting)
    await first.join("Ada", lobby="tabs")
    ids = [f"chat-{number}" for number in range(10)]

    async def say_all(visitor: Any) -> None:
        for id in ids:
            await visitor.send("chat_message", {"text": id}, lobby="tabs", id=id)

    await say_all(first)  # most of it is held back
    second = await visit(hosting, of=first)
    await second.expect("session_established")
    second.last_seq = first.last_seq
    await second.send("resume", {"last_seq": first.last_seq})
    await say_all(second)
    await second.settle()
    log = hosting.agent_sessions["tabs"].log
    assert log is not None
    assert [event.text for event in log.events if isinstance(event, UserChat)] == ids
    assert await first.closed() == 4409


async def test_a_socket_resumes_once(hosting: Hosting, visit: Any) -> None:
    ada = await visit(hosting, joined="Ada")
    await ada.settle()
    await ada.open()
    hello = await ada.expect("session_established")
    assert hello["data"]["resumed"] is True
    await ada.send("resume", {"last_seq": ada.last_seq})
    assert "error" not in [m["type"] for m in await ada.settle()]
    id = await ada.send("resume", {"last_seq": max(0, ada.last_seq - 3)})
    error = await ada.expect("error")
    assert (error["id"], error["data"]["code"]) == (id, "bad_message")
    assert [m["type"] for m in await ada.settle()] == []


async def test_only_one_of_many_simultaneous_sockets_stays_open(host: Any, visit: Any) -> None:
    hosting = await host(limits=Limits(burst=1000, presence_grace=60.0))
    ada = await visit(hosting, joined="Ada")
    bob = await visit(hosting, joined="Bob")
    crowd = [ada]
    for _ in range(5):
        tabs = await asyncio.gather(*(visit(hosting, of=ada) for _ in range(6)))
        crowd += tabs
    codes = [await code_or_open(tab) for tab in crowd]
    assert set(codes) <= {None, 4409, 4429}
    assert codes.count(None) <= 1
    await ada.open()
    await ada.expect("session_established")
    await ada.send("join_lobby", {"name": "Ada"}, lobby="demo", id="again")
    joined = await ada.expect("lobby_joined")
    assert joined["data"]["participant_id"] == ada.me
    assert "user_left" not in [m["type"] for m in await bob.settle()]


async def code_or_open(visitor: Any) -> int | None:
    """The close code of a socket, or None if it is open."""
    visitor.received.clear()
    try:
        await visitor.settle()
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd is not None else None
    return None


async def test_a_last_seq_from_an_earlier_process_gets_the_whole_state(hosting: Hosting, visit: Any) -> None:
    """It may be smaller than today's numbers, or larger because the clock was set back."""
    ada = await visit(hosting, joined="Ada")
    for claim in (1, ada.last_seq - 10**9, ada.last_seq + 10**6):
        await ada.settle()
        await ada.open()
        await ada.expect("session_established")
        await ada.send("resume", {"last_seq": claim})
        state = await ada.expect("lobby_state")
        assert state["seq"] > claim
        assert ada.me in [p["id"] for p in state["data"]["participants"]]


async def test_a_burst_of_one_client_does_not_make_another_too_slow(host: Any, visit: Any) -> None:
    hosting = await host(demo=False, limits=Limits(messages_per_second=1e6, burst=10**6, queue_messages=64))
    await hosting.create_lobby("Burst", "burst")
    ada, bob = await visit(hosting), await visit(hosting)
    for visitor, name in ((ada, "Ada"), (bob, "Bob")):
        await visitor.join(name, lobby="burst")
        await visitor.settle()
    frames = [
        {"type": "chat_message", "lobby": "burst", "data": {"text": str(number)}} for number in range(500)
    ]
    for frame in frames:
        ada.socket.protocol.send_text(json.dumps(frame).encode())
    ada.socket.transport.write(b"".join(ada.socket.protocol.data_to_send()))
    for number in range(500):
        for visitor in (ada, bob):
            assert (await visitor.expect("chat_message"))["data"]["text"] == str(number)
