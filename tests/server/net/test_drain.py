"""Stopping a real `voicebot serve`: who is told, who may come in, and how long it waits."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.conftest import Visitor
from tests.support import forked
from voicebot.lobby.lobby import Lobby
from voicebot.server.hosting import Hosting
from voicebot.server.lobby.demo import DEMO_LOBBY
from voicebot.server.net.drain import SPEECH_SECONDS, Drain
from voicebot.signaling.messages import ParticipantInfo


@dataclass
class Served:
    """A server in a process of its own, and its address."""

    process: BaseProcess
    url: str
    output: Path

    async def visitor(self) -> Visitor:
        http = httpx.AsyncClient(base_url=self.url, headers={"Origin": self.url.rstrip("/")})
        (await http.post("api/session")).raise_for_status()
        return await Visitor(http, self.url).open()

    def signal(self, number: signal.Signals) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    async def until(self, text: str) -> str:
        """Everything that it has printed once it has printed this."""
        async with asyncio.timeout(60):
            while text not in (said := self.output.read_text()):
                assert self.process.exitcode is None, said
                await asyncio.sleep(0.05)  # another process: there is nothing to await
        return said

    async def ended(self) -> tuple[int, str]:
        return await asyncio.wait_for(forked.ended(self.process), 60), self.output.read_text()


@asynccontextmanager
async def serving(folder: Path, **env: str) -> AsyncIterator[Served]:
    env = {"STT_MODEL": "pocketsphinx", "TTS_MODEL": "espeak", "COLUMNS": "200", **env}
    output = folder / "server.log"
    output.touch()
    process = forked.start("voicebot", "serve", "--port", "0", cwd=folder, output=output, env=env)
    server = Served(process, "", output)
    try:
        address = re.search(r"http://localhost:\d+/", await server.until("Ctrl-C"))
        assert address is not None
        server.url = address[0]
        yield server
    finally:
        process.kill()
        await forked.ended(process)


def conversations_ended(folder: Path) -> list[bool]:
    found = (folder / "data/conversations").glob("**/events.jsonl")
    return ['"conversation.ended"' in events.read_text() for events in found]


async def test_an_empty_server_stops_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path, DRAIN_SECONDS="3600") as server:
        server.signal(signal.SIGTERM)
        code, said = await server.ended()
    assert code == 0
    assert "Stopped." in said


async def test_a_draining_server_waits_for_people_and_admits_nobody_new(tmp_path: Path) -> None:
    async with serving(tmp_path, DRAIN_SECONDS="3600") as server:
        ada, bob = await server.visitor(), await server.visitor()
        await ada.join("Ada")
        await bob.expect("session_established")
        server.signal(signal.SIGTERM)
        for visitor in (ada, bob):
            told = await visitor.expect("going_away")
            assert 0 < told["data"]["seconds"] <= 3600
        await server.until("nobody new can join")

        id = await bob.send("join_lobby", {"name": "Bob"}, lobby="demo")
        refused = await bob.expect("error", lambda m: m.get("id") == id)
        assert (refused["data"]["code"], refused["data"]["retryable"]) == ("draining", True)
        id = await bob.send("create_lobby", {"name": "A new one"})
        assert (await bob.expect("error", lambda m: m.get("id") == id))["data"]["code"] == "draining"
        stranger = httpx.AsyncClient(base_url=server.url, headers=bob.http.headers)
        for answer in (
            await bob.http.post("api/lobbies", json={"name": "A new one"}),
            await stranger.post("api/session"),
        ):
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "draining"
            assert int(answer.headers["retry-after"]) > 3500
        ready = await bob.http.get("ready")
        assert (ready.status_code, "draining" in ready.json()["problems"]) == (503, True)
        assert (await bob.http.get("health")).status_code == 200

        again = await ada.open()  # who has a seat always comes back
        await again.expect("going_away")
        await again.send("join_lobby", {"name": "Ada"}, lobby="demo")
        assert (await again.expect("lobby_joined"))["data"]["participant_id"] == ada.me
        await again.send("leave_lobby", lobby="demo")
        code, said = await server.ended()
        assert await bob.closed() == 1012
        assert code == 0
        assert "Stopped." in said
        for http in (ada.http, bob.http, stranger):
            await http.aclose()


async def test_people_are_disconnected_when_the_drain_times_out(tmp_path: Path) -> None:
    async with serving(tmp_path, DRAIN_SECONDS="0.5") as server:
        ada = await server.visitor()
        await ada.join("Ada")
        server.signal(signal.SIGTERM)
        assert (await ada.expect("going_away"))["data"]["seconds"] <= 0.5
        assert await ada.closed() == 1012
        code, said = await server.ended()
        await ada.http.aclose()
    assert code == 0
    assert "Stopped." in said
    assert conversations_ended(tmp_path) == [True]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_stops_at_once(tmp_path: Path, number: signal.Signals) -> None:
    async with serving(tmp_path, DRAIN_SECONDS="3600") as server:
        ada = await server.visitor()
        await ada.join("Ada")
        server.signal(signal.SIGTERM)
        await server.until("nobody new can join")
        server.signal(number)
        code, said = await server.ended()
        await ada.http.aclose()
    assert code == 128 + number
    assert "Stopped." not in said


async def test_stopping_in_a_notebook_tells_everyone_and_does_not_wait(host: Any, visit: Any) -> None:
    hosting: Hosting = await host()
    ada = await visit(hosting, joined="Ada")
    await hosting.stop()
    assert (await ada.expect("going_away"))["data"]["seconds"] == 0
    await hosting.start()
    bob = await visit(hosting, joined="Bob")
    assert bob.me in hosting.agent_sessions[DEMO_LOBBY].lobby.participants


@pytest.mark.virtual_time
async def test_agents_may_finish_speaking() -> None:
    clock = asyncio.get_running_loop().time
    lobby = Lobby("demo", "Demo")
    lobby.join(ParticipantInfo(id="p-1", kind="human", name="Ada"))
    lobby.join(ParticipantInfo(id="agent-1", kind="agent", name="Bo", state="speaking"))

    async def wait(speech: float | None) -> float:
        lobby.update("agent-1", state="speaking")
        if speech is not None:
            asyncio.get_running_loop().call_later(speech, lambda: lobby.update("agent-1", state="idle"))
        drain, began = Drain(clock), clock()
        drain.begin(10.0, returning=True)
        await drain.wait(lambda: [lobby])
        return clock() - began

    assert await wait(speech=3.0) == pytest.approx(10.0)
    assert await wait(speech=12.0) == pytest.approx(12.0)
    assert await wait(speech=None) == pytest.approx(10.0 + SPEECH_SECONDS)
    asyncio.get_running_loop().call_later(4.0, lobby.leave, "p-1")
    assert await wait(speech=None) == pytest.approx(4.0)
