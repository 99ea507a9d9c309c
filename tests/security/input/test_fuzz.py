"""Valid and invalid messages made from the schema, sent to a real server on a real socket.

FUZZ_BATCHES sets for how long. The same seeds are tried in the same order.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import jsonschema_rs
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.database import InMemoryExampleDatabase

from tests.security.input.fuzzing import MESSAGES, SCHEMA, frames
from tests.server.conftest import Visitor, own_origin
from voicebot.agent.models.models import Models
from voicebot.llm.offline import OfflineLLM
from voicebot.server.hosting import Hosting
from voicebot.server.net.limits import Limits
from voicebot.settings import Settings
from voicebot.signaling.frames import read
from voicebot.testing.media import FakeMediaPlane
from voicebot.testing.models import ScriptedSTT, ScriptedTTS

BATCHES = int(os.environ.get("FUZZ_BATCHES", "4"))
BATCH = 25
BOUNDED = settings(
    max_examples=BATCH,
    deadline=None,
    database=InMemoryExampleDatabase(),
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
)


class Scene:
    """A server, and a host and a guest of a lobby with an agent."""

    def __init__(self, folder: Path) -> None:
        wishes = Settings(_env_file=None, port=0, data_dir=folder, store="memory")  # type: ignore[call-arg]
        models = Models(wishes, stt=ScriptedSTT(), tts=ScriptedTTS(), llm=OfflineLLM())
        limits = Limits(burst=10**9, messages_per_second=10**6, lobbies_burst=5)
        self.hosting = Hosting(wishes, FakeMediaPlane(), models=models, limits=limits)
        self.people: list[Visitor] = []

        self.lobby = ""
        self.sent = 0

    async def start(self) -> None:
        await self.hosting.start()
        for _ in range(2):
            url = self.hosting.url
            person = Visitor(httpx.AsyncClient(base_url=url, headers=own_origin(url)), url)
            (await person.http.post("api/session")).raise_for_status()
            await person.open()
            await person.expect("session_established")
            self.people.append(person)

    async def stop(self) -> None:
        for person in self.people:
            assert person.socket is not None
            await person.socket.close()
            await person.http.aclose()
        await self.hosting.stop()

    async def enter(self, lobby: str) -> list[str]:
        """Begin in a new lobby with an agent. Returns the peers in it."""
        if self.lobby:
            await self.hosting.close_lobby(self.lobby)
        self.lobby = lobby
        session = await self.hosting.create_lobby("Fuzz", lobby)
        await session.spawn("a pirate")
        await self.come_in()
        return [*session.lobby.participants, session.host_peer]

    async def come_in(self) -> None:
        for name, person in zip(("Hostess", "Guest"), self.people, strict=True):
            await person.send("join_lobby", {"name": name}, lobby=self.lobby)
            await person.settle()

    async def empty(self) -> tuple[int, int]:
        """Close all lobbies; how many tasks there are then, and objects of the package."""
        for lobby in list(self.hosting.agent_sessions):
            await self.hosting.close_lobby(lobby)
        self.lobby = ""
        for person in self.people:
            await person.settle()
        gc.collect()
        ours = [each for each in gc.get_objects() if str(type(each).__module__).startswith("voicebot")]
        return len(asyncio.all_tasks()), len(ours)

    async def survive(self, sender: int, sent: list[str | bytes]) -> None:
        """Every message gets an answer that follows the schema, and the sockets stay open."""
        await self.come_in()  # who left, or was sent out, comes again
        self.sent += len(sent)
        for frame in sent:
            await self.people[sender].send_text(frame)
        for person in (self.people[sender], *self.people):
            await person.settle()
        health = await self.people[0].http.get("health")
        assert health.status_code == 200


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[tuple[asyncio.Runner, Scene]]:
    with asyncio.Runner() as runner:
        built = Scene(tmp_path / "data")
        runner.run(built.start())
        yield runner, built
        runner.run(built.stop())


def batch(
    runner: asyncio.Runner, built: Scene, peers: list[str], number: int, caplog: pytest.LogCaptureFixture
) -> None:
    @seed(number)
    @BOUNDED
    @given(st.lists(frames(built.lobby, peers), min_size=1, max_size=20))
    def each(sent: list[str | bytes]) -> None:
        runner.run(built.survive(number % 2, sent))
        failed = [r for r in caplog.records if r.levelno >= logging.ERROR or r.exc_info]
        caplog.clear()
        assert [f"{r.name}: {r.getMessage()} {r.exc_text or ''}" for r in failed] == []

    each()


@pytest.mark.long
def test_the_server_survives_any_message(
    scene: tuple[asyncio.Runner, Scene], caplog: pytest.LogCaptureFixture
) -> None:
    runner, built = scene
    caplog.set_level(logging.WARNING)
    left: list[tuple[int, int, int]] = []  # tasks and objects, after so many messages
    for number in range(1, BATCHES + 1):
        peers = runner.run(built.enter(f"fuzz-{number}"))
        batch(runner, built, peers, number, caplog)
        left.append((*runner.run(built.empty()), built.sent))
    tasks, objects, sent = zip(*left[1:], strict=True)  # the first batch warms up
    assert len(set(tasks)) == 1
    assert objects[-1] - objects[0] < (sent[-1] - sent[0]) / 2  # nothing stays of each message


@settings(max_examples=300, deadline=None, database=None, derandomize=True)
@given(MESSAGES)
def test_messages_from_the_schema_are_accepted(message: dict[str, object]) -> None:
    assert jsonschema_rs.is_valid({**SCHEMA, "anyOf": [{"$ref": "#/$defs/ClientMessage"}]}, message)
    read(json.dumps(message))
