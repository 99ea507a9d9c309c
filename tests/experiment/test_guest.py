"""A simulated person in a real server: HTTP session, WebSocket, WebRTC, Opus, VAD."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.waiting import GUARD
from voicebot.agent.connections import Connections
from voicebot.agent.models.models import Models
from voicebot.audio.frames import OPUS_RATE
from voicebot.conversation.log import ConversationLog
from voicebot.errors import MediaError, SignalingError
from voicebot.events import Event
from voicebot.experiment.guest import Guest
from voicebot.lobby.lobby import Lobby
from voicebot.media.base import (
    AddAgentTrack,
    CloseHost,
    EndSpeech,
    HearingSettings,
    MediaPlane,
    Notice,
    OpenHost,
    QueueAudio,
    RemoveAgentTrack,
    VoiceActivityStarted,
)
from voicebot.media.inline import InlineMediaPlane
from voicebot.rtc.caller import ReceivedFrame
from voicebot.server.hosting import Hosting
from voicebot.settings import Settings
from voicebot.signaling.messages import ParticipantInfo
from voicebot.store.base import AgentRecord
from voicebot.tts.espeak import EspeakTTS

pytestmark = pytest.mark.live


class BeepingSession:
    """An agent session whose agents beep when somebody begins to speak: media without a mind."""

    log: ConversationLog | None = None

    def __init__(self, lobby: Lobby, *, media: MediaPlane, **_: object) -> None:
        self.lobby, self.media, self.host_peer = lobby, media, lobby.host_peer
        self.connections = Connections(media, lobby.host_peer)
        self.spoke: list[str] = []
        self._ids = itertools.count(1)

    def set_space(self, space: object) -> None: ...

    async def open(self) -> None:
        self.media.send(OpenHost(self.host_peer, HearingSettings()))

    async def close(self, reason: str = "") -> None:
        self.media.send(CloseHost(self.host_peer))

    def join(self, info: ParticipantInfo) -> ParticipantInfo:
        return self.lobby.join(info)

    def leave(self, participant_id: str, reason: Any = "left") -> None:
        self.lobby.leave(participant_id, reason)

    def update(self, participant_id: str, **changes: Any) -> ParticipantInfo:
        return self.lobby.update(participant_id, **changes)

    async def spawn(self, who: str, *, name: str | None = None, voice: str | None = None) -> ParticipantInfo:
        agent_id = f"a-{next(self._ids)}"
        self.media.send(AddAgentTrack(self.host_peer, agent_id))
        return self.lobby.join(ParticipantInfo(id=agent_id, name=name or "Beeper", kind="agent"))

    async def remove(self, agent_id: str) -> None:
        self.media.send(RemoveAgentTrack(self.host_peer, agent_id))
        self.lobby.leave(agent_id, "removed")

    def chat(self, participant_id: str, text: str) -> None: ...

    def on_notice(self, notice: Notice) -> None:
        if isinstance(notice, VoiceActivityStarted):
            self.spoke.append(notice.participant_id)
            t = np.arange(OPUS_RATE) / OPUS_RATE
            beep = (9000 * np.sin(2 * np.pi * 700 * t)).astype(np.int16)
            for agent in self.lobby.agents:
                speech = f"s-{len(self.spoke)}-{agent.id}"
                self.media.send(QueueAudio(self.host_peer, agent.id, speech, 0, beep, OPUS_RATE, False))
                self.media.send(EndSpeech(self.host_peer, agent.id, speech))

    def agent_records(self) -> list[AgentRecord]:
        return []

    def subscribe(self, fn: Callable[[Event], None]) -> Callable[[], None]:
        return lambda: None


class Unused:
    """A loaded model that nobody asks."""

    notice = ""

    def __init__(self, name: str) -> None:
        self.name = name

    async def aclose(self) -> None: ...


class Ears:
    """What a guest hears: when each agent's sound came, and a way to wait for it."""

    def __init__(self) -> None:
        self.loud: dict[str, list[float]] = {}
        self._changed = asyncio.Event()

    def __call__(self, heard: ReceivedFrame) -> None:
        if np.abs(heard.pcm).max() > 2000:
            self.loud.setdefault(heard.participant_id, []).append(heard.time)
            self._changed.set()

    async def of(self, count: int) -> set[str]:
        async with asyncio.timeout(GUARD):
            while len(self.loud) < count:
                self._changed.clear()
                await self._changed.wait()
        return set(self.loud)


@pytest.fixture
async def hosting(tmp_path: Path) -> AsyncIterator[Hosting]:
    settings = Settings(_env_file=None, port=0, data_dir=tmp_path)  # type: ignore[call-arg]
    models = Models(settings, stt=Unused("stt"), tts=Unused("tts"), llm=Unused("llm"))  # type: ignore[arg-type]
    factory: Any = BeepingSession
    hosting = Hosting(settings, InlineMediaPlane(), models=models, make_agent_session=factory, demo=False)
    await hosting.start()
    yield hosting
    await hosting.stop()


@pytest.fixture
async def voice() -> AsyncIterator[EspeakTTS]:
    tts = await EspeakTTS.load("", Settings(_env_file=None))  # type: ignore[call-arg]
    yield tts
    await tts.aclose()


async def test_a_guest_speaks_and_hears_every_agent(hosting: Hosting, voice: EspeakTTS) -> None:
    room: Any = await hosting.create_lobby("Beeps")
    first = await room.spawn("one")
    ears = Ears()
    async with Guest(hosting.url, room.lobby.id, name="Ada", tts=voice, on_heard=ears) as ada:
        assert room.lobby.participants[ada.id].name == "Ada"
        await ada.say("Hello out there, is anybody listening?")
        assert await ears.of(1) == {first.id}
        assert set(room.spoke) == {ada.id}

        second = await room.spawn("two")  # renegotiated on the same connection
        await ada.say("And now the two of you, please.")
        assert await ears.of(2) == {first.id, second.id}
    assert not room.lobby.humans


async def test_two_guests_hear_each_other_and_a_rejoin_is_a_new_visit(
    hosting: Hosting, voice: EspeakTTS
) -> None:
    room: Any = await hosting.create_lobby("Beeps")
    agent = await room.spawn("one")
    ears, other_ears = Ears(), Ears()
    async with (
        Guest(hosting.url, room.lobby.id, name="Ada", tts=voice, on_heard=other_ears) as ada,
        Guest(hosting.url, room.lobby.id, name="Bo", tts=voice, on_heard=ears) as bo,
    ):
        async with asyncio.timeout(GUARD):
            for one, other in ((ada, bo), (bo, ada)):
                while other.id not in one._peers:  # the server has not told it yet
                    assert one.present
                    await asyncio.sleep(0)
                await one._peers[other.id][1].connected.wait()
        await ada.say("Hello Bo, can you hear me?")
        assert await ears.of(2) == {agent.id, ada.id}
        await bo.say("Every single word, Ada.")
        assert await other_ears.of(2) == {agent.id, bo.id}
        was = ada.id
        await ada.leave()
        await ada.leave()
        await ada.join()
        assert ada.id != was
        assert {p.name for p in room.lobby.humans} == {"Ada", "Bo"}


async def test_a_connection_that_the_server_closes_leaves_nothing_open(hosting: Hosting) -> None:
    room: Any = await hosting.create_lobby("Beeps")
    await room.spawn("one")
    guest = await Guest(hosting.url, room.lobby.id).join()
    await guest.connected()
    [(_, caller)] = guest._peers.values()
    [reading] = [task for task in guest._tasks if task.get_name().endswith("-read")]
    await hosting.stop()
    await asyncio.wait_for(reading, GUARD)
    assert not guest.present
    assert not guest._peers
    assert caller._pc.connectionState == "closed"
    with pytest.raises(SignalingError, match="cannot reach"):
        await guest.join()
    assert not guest._tasks


async def test_a_join_that_is_cancelled_leaves_nothing_behind(hosting: Hosting) -> None:
    room: Any = await hosting.create_lobby("Beeps")
    guest = Guest(hosting.url, room.lobby.id)
    joining = asyncio.create_task(guest.join())
    while guest._socket is None:
        assert not joining.done()
        await asyncio.sleep(0)
    socket = guest._socket
    joining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await joining
    assert not guest.present
    assert socket.close_code is not None
    assert not guest._tasks


async def test_joining_an_unknown_lobby_is_an_error(hosting: Hosting) -> None:
    with pytest.raises(SignalingError) as caught:
        await Guest(hosting.url, "nowhere").join()
    assert caught.value.code == "unknown_lobby"


async def test_an_unreachable_server_is_an_error() -> None:
    with pytest.raises(SignalingError, match="cannot reach"):
        await Guest("http://127.0.0.1:9", "x").join()


async def test_a_guest_without_a_voice_says_so(hosting: Hosting) -> None:
    room: Any = await hosting.create_lobby("Beeps")
    async with Guest(hosting.url, room.lobby.id) as guest:
        with pytest.raises(MediaError, match="no voice"):
            await guest.say("hello")
