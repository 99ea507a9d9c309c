"""A real server on a free port, and visitors who talk to it as browsers do."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.support.redis_server import RedisServer, redis_server
from tests.support.waiting import GUARD
from voicebot.agent.models.models import Models
from voicebot.llm.offline import OfflineLLM
from voicebot.server.hosting import Hosting
from voicebot.server.lobby import persistence
from voicebot.server.net.limits import Limits
from voicebot.settings import Settings
from voicebot.signaling.messages import server_message
from voicebot.testing.media import FakeMediaPlane
from voicebot.testing.models import ScriptedSTT, ScriptedTTS

if TYPE_CHECKING:
    from tests.server.several import Nodes


@dataclass
class Visitor:
    """One browser: its cookies, its socket, and the messages it has received."""

    http: httpx.AsyncClient
    url: str
    socket: ClientConnection | None = None
    received: list[dict[str, Any]] = field(default_factory=list)
    me: str = ""
    last_seq: int = 0

    @property
    def cookie(self) -> str:
        return "; ".join(f"{c.name}={c.value}" for c in self.http.cookies.jar)

    async def open(self, origin: str | None = "", cookie: str | None = None) -> Visitor:
        """Connect the WebSocket; origin "" is the server's own, None sends none."""
        headers = {"Cookie": self.cookie if cookie is None else cookie}
        if self.socket is not None:
            await self.socket.close()
        self.socket = await connect(
            self.url.replace("http", "ws", 1) + "ws",
            additional_headers=headers,
            max_queue=None,  # a visitor that does not read must still be able to close
            origin=(self.url.rstrip("/") if origin == "" else origin),  # type: ignore[arg-type]
        )
        return self

    async def send(self, type: str, data: Any = None, **envelope: Any) -> str:
        """Send a message; returns its id."""
        id = envelope.setdefault("id", uuid.uuid4().hex)
        body = {"v": 1, "type": type, "data": data or {}, **envelope}
        await self.send_text(json.dumps(body))
        return str(id)

    async def send_text(self, text: str | bytes) -> None:
        assert self.socket is not None
        await self.socket.send(text)

    async def next(self) -> dict[str, Any]:
        assert self.socket is not None
        text = await self.socket.recv()
        server_message.validate_json(text)
        message: dict[str, Any] = json.loads(text)
        if message.get("seq"):
            assert message["seq"] > self.last_seq
            self.last_seq = message["seq"]
        return message

    async def expect(
        self, type: str, where: Callable[[dict[str, Any]], bool] = lambda m: True
    ) -> dict[str, Any]:
        """Wait for the next message of this type; others stay queued."""
        for index, message in enumerate(self.received):
            if message["type"] == type and where(message):
                return self.received.pop(index)
        async with asyncio.timeout(GUARD):
            while True:
                message = await self.next()
                if message["type"] == type and where(message):
                    return message
                self.received.append(message)

    async def settle(self) -> list[dict[str, Any]]:
        """Return everything that the server has sent so far: it answers a ping after it."""
        id = await self.send("ping")
        await self.expect("pong", lambda m: m.get("id") == id)
        seen, self.received = self.received, []
        return seen

    async def join(self, name: str, lobby: str = "demo", **data: Any) -> Visitor:
        await self.expect("session_established")
        id = await self.send("join_lobby", {"name": name, **data}, lobby=lobby)
        joined = await self.expect("lobby_joined", lambda m: m.get("id") == id)
        self.me = joined["data"]["participant_id"]
        return self

    async def closed(self) -> int:
        """Read to the end and return the close code."""
        assert self.socket is not None
        async with asyncio.timeout(GUARD):
            await self.socket.wait_closed()
        assert self.socket.close_code is not None
        return self.socket.close_code


def own_origin(url: str) -> dict[str, str]:
    """The Origin header of a page of this server."""
    return {"Origin": "/".join(url.split("/", 3)[:3])}


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    (tmp_path / "redis").mkdir()
    with redis_server(tmp_path / "redis") as server:
        yield server


@pytest.fixture
async def nodes(tmp_path: Path, redis: RedisServer) -> AsyncIterator[Nodes]:
    from tests.server.several import Nodes

    made = Nodes(tmp_path, redis)
    yield made
    for visitor in made.visitors:
        if visitor.socket is not None:
            await visitor.socket.close()
        await visitor.http.aclose()
    for hosting in made.started.values():
        await hosting.stop()


@pytest.fixture
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persistence, "LEASE", 3.0)
    monkeypatch.setattr(persistence, "RENEW", 0.5)


HostingFactory = Callable[..., Awaitable[Hosting]]
VisitorFactory = Callable[..., Awaitable[Visitor]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(_env_file=None, port=0, data_dir=tmp_path / "data")  # type: ignore[call-arg]


@pytest.fixture
def media() -> FakeMediaPlane:
    return FakeMediaPlane()


@pytest.fixture
def models(settings: Settings) -> Models:
    return Models(settings, stt=ScriptedSTT(), tts=ScriptedTTS(), llm=OfflineLLM())


@pytest.fixture
async def host(settings: Settings, models: Models, media: FakeMediaPlane) -> AsyncIterator[HostingFactory]:
    """Starts servers; keyword arguments go to Hosting."""
    started: list[Hosting] = []

    async def start(**options: Any) -> Hosting:
        options = {"settings": settings, "media": media, "models": models, **options}
        hosting = Hosting(**options)
        started.append(hosting)
        await hosting.start()
        return hosting

    yield start
    for hosting in started:
        await hosting.stop()


@pytest.fixture
async def hosting(host: HostingFactory) -> Hosting:
    return await host(limits=Limits(burst=1000, reconnecting_after=0.05))


@pytest.fixture
async def visit() -> AsyncIterator[VisitorFactory]:
    """Makes visitors with a session; `joined` puts them into the demo lobby."""
    visitors: list[Visitor] = []

    async def make(hosting: Hosting, joined: str | None = None, of: Visitor | None = None) -> Visitor:
        http = of.http if of else httpx.AsyncClient(base_url=hosting.url, headers=own_origin(hosting.url))
        if of is None:
            (await http.post("api/session")).raise_for_status()
        visitor = Visitor(http, hosting.url)
        visitors.append(visitor)
        await visitor.open()
        if joined is not None:
            await visitor.join(joined)
        return visitor

    yield make
    for visitor in visitors:
        if visitor.socket is not None:
            await visitor.socket.close()
        await visitor.http.aclose()
