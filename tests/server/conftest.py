"""A real server on a free port, and visitors who speak to it as browsers do."""

from __future__ import annotations

import asyncio
import itertools
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from voicebot.agent.models import Models
from voicebot.clock import Clock
from voicebot.conversation.log import ConversationLog
from voicebot.errors import SignalingError
from voicebot.events import Event
from voicebot.lobby.lobby import LeaveReason, Lobby
from voicebot.media.base import Answer, MediaPlane, Notice, OnNotice
from voicebot.server.hosting import Hosting
from voicebot.server.limits import Limits
from voicebot.settings import Settings
from voicebot.signaling.messages import Candidate, ParticipantInfo, server_message


class SilentMedia:
    """A media plane without WebRTC: the tests say what it notices."""

    def __init__(self) -> None:
        self.notice: OnNotice = lambda notice: None
        self.closed = False

    async def start(self, on_notice: OnNotice) -> None:
        self.notice = on_notice

    async def close(self) -> None:
        self.closed = True


class ScriptedRoom:
    """The room's public face over a lobby, with answers made here."""

    def __init__(self, lobby: Lobby, *_: Any) -> None:
        self.lobby = lobby
        self.host_peer = lobby.host_peer
        self.log: ConversationLog | None = None
        self.candidates: list[tuple[str, int, Candidate]] = []
        self.offers: list[tuple[str, int, str, dict[str, str]]] = []
        self.closed_peers: list[str] = []
        self.said: list[tuple[str, str]] = []
        self.notices: list[Notice] = []
        self._observers: list[Callable[[Event], None]] = []
        self._ids = itertools.count(1)

    async def open(self) -> None: ...
    async def close(self, reason: str = "") -> None: ...

    def join(self, info: ParticipantInfo) -> ParticipantInfo:
        return self.lobby.join(info)

    def leave(self, participant_id: str, reason: LeaveReason = "left") -> None:
        self.close_peer(participant_id)
        self.lobby.leave(participant_id, reason)

    def update(self, participant_id: str, /, **changes: Any) -> ParticipantInfo:
        return self.lobby.update(participant_id, **changes)

    async def spawn(self, who: str, *, name: str | None = None, voice: str | None = None) -> ParticipantInfo:
        return self.lobby.join(
            ParticipantInfo(
                id=f"a-{next(self._ids)}", name=name or who.split(",")[0], kind="agent", character=who
            )
        )

    async def remove(self, agent_id: str) -> None:
        self.lobby.leave(agent_id, "removed")

    async def answer(
        self, participant_id: str, epoch: int, sdp: str, tracks: Any, ice_servers: Any
    ) -> Answer:
        self.offers.append((participant_id, epoch, sdp, dict(tracks)))
        if "no-answer" in sdp:
            raise SignalingError("This offer cannot be answered.", code="bad_sdp")
        return Answer(sdp=f"answer to {sdp}", tracks={m: w for m, w in tracks.items() if w != participant_id})

    def add_candidate(self, participant_id: str, epoch: int, candidate: Candidate) -> None:
        self.candidates.append((participant_id, epoch, candidate))

    def close_peer(self, participant_id: str) -> None:
        self.closed_peers.append(participant_id)

    def chat(self, participant_id: str, text: str) -> None:
        self.said.append((participant_id, text))

    def on_notice(self, notice: Notice) -> None:
        self.notices.append(notice)

    def subscribe(self, fn: Callable[[Event], None]) -> Callable[[], None]:
        self._observers.append(fn)
        return lambda: self._observers.remove(fn)

    def happen(self, event: Event) -> None:
        for observer in list(self._observers):
            observer(event)


class Silent:
    """A loaded backend that is never used."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.notice = ""

    async def aclose(self) -> None: ...


@dataclass
class Visitor:
    """One browser: its cookies, its socket, what it has received and not looked at yet."""

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
        """The next message of this type; others stay to be looked at."""
        for index, message in enumerate(self.received):
            if message["type"] == type and where(message):
                return self.received.pop(index)
        async with asyncio.timeout(10):
            while True:
                message = await self.next()
                if message["type"] == type and where(message):
                    return message
                self.received.append(message)

    async def settle(self) -> list[dict[str, Any]]:
        """Everything the server sent until now: a ping is answered after it."""
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
        """Read to the end; the close code."""
        assert self.socket is not None
        async with asyncio.timeout(10):
            await self.socket.wait_closed()
        assert self.socket.close_code is not None
        return self.socket.close_code


HostingFactory = Callable[..., Awaitable[Hosting]]
VisitorFactory = Callable[..., Awaitable[Visitor]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(_env_file=None, port=0, data_dir=tmp_path / "data")  # type: ignore[call-arg]


@pytest.fixture
def models(settings: Settings) -> Models:
    return Models(settings, stt=Silent("stt:x"), tts=Silent("tts:x"), llm=Silent("llm:x"))  # type: ignore[arg-type]


@pytest.fixture
async def host(settings: Settings, models: Models) -> AsyncIterator[HostingFactory]:
    """Starts servers; keyword arguments go to Hosting."""
    started: list[Hosting] = []

    def scripted(lobby: Lobby, media: MediaPlane, models: Models, settings: Settings, clock: Clock) -> Any:
        return ScriptedRoom(lobby)

    async def start(**options: Any) -> Hosting:
        options = {
            "settings": settings,
            "media": SilentMedia(),
            "models": models,
            "room": scripted,
            **options,
        }
        hosting = Hosting(**options)
        started.append(hosting)
        await hosting.start()
        return hosting

    yield start
    for hosting in started:
        await hosting.stop()


@pytest.fixture
async def hosting(host: HostingFactory) -> Hosting:
    return await host(limits=Limits(burst=1000))


@pytest.fixture
async def visit() -> AsyncIterator[VisitorFactory]:
    """Makes visitors with a session cookie; `joined` puts them into the demo lobby."""
    visitors: list[Visitor] = []

    async def make(hosting: Hosting, joined: str | None = None, of: Visitor | None = None) -> Visitor:
        http = of.http if of else httpx.AsyncClient(base_url=hosting.url)
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
