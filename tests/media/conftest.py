"""A browser made of aiortc, a spoken sentence, and a collector of notices."""

from __future__ import annotations

import asyncio
import shutil
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest
import soxr
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from tests.support.notices import Notices
from tests.support.waiting import GUARD
from voicebot.audio.frames import FRAME_SAMPLES, OPUS_RATE
from voicebot.audio.opus import OpusDecoder, OpusEncoder, silence_packet
from voicebot.clock import monotonic
from voicebot.media.base import Answer, HearingSettings, MediaPlane, OpenHost, PeerOffer, PeerState
from voicebot.media.inline import InlineMediaPlane
from voicebot.media.process.plane import ProcessMediaPlane
from voicebot.rtc.reorder import AudioPacket
from voicebot.rtc.tap import Tap
from voicebot.rtc.track import opus_packet
from voicebot.testing.speech import speak as spoken

SENTENCE = "hello what is the weather in paris today"


@pytest.fixture(scope="session")
def speech() -> np.ndarray:
    """A spoken sentence: mono int16 at 16 kHz."""
    if shutil.which("flite") is None:
        pytest.skip("flite is not installed: `make provision` says how to install it")
    return spoken(SENTENCE)


def encode(pcm: np.ndarray, rate: int) -> list[bytes]:
    """The sound as Opus packets of 20 ms."""
    wide = soxr.resample(pcm, rate, OPUS_RATE)
    wide = np.concatenate([wide, np.zeros(-len(wide) % FRAME_SAMPLES, np.int16)])
    encoder = OpusEncoder()
    return [encoder.encode(frame) for frame in wide.reshape(-1, FRAME_SAMPLES)]


class MicTrack(MediaStreamTrack):
    """Sends a packet every 20 ms: the next queued one, or silence."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.queue: deque[bytes] = deque()
        self.muted = False
        self.sent: list[float] = []
        self.drained = asyncio.Event()
        self._began: float | None = None
        self._n = 0

    async def recv(self) -> Any:
        while True:
            if self.readyState != "live":
                raise MediaStreamError
            if self._began is None:
                self._began = monotonic()
            due = self._began + self._n * 0.02  # late packets catch up, so that a test loses no sample
            wait = due - monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            n, self._n = self._n, self._n + 1
            if self.muted:
                continue
            if self.queue:
                payload = self.queue.popleft()
                self.sent.append(due)
            else:
                payload = silence_packet()
                self.drained.set()
            return opus_packet(payload, n * FRAME_SAMPLES)

    async def say(self, packets: list[bytes]) -> None:
        """Queue packets; returns when the last one was given to the sender."""
        self.drained.clear()
        self.queue.extend(packets)
        await self.drained.wait()


class Browser:
    """One person with a microphone, and the packets received from each agent."""

    def __init__(self, plane: MediaPlane, notices: Notices, peer_id: str, person: str) -> None:
        self.plane = plane
        self.notices = notices
        self.peer_id = peer_id
        self.person = person
        self.mic = MicTrack()
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.connected = asyncio.Event()
        self.closed = asyncio.Event()
        self.arrived = asyncio.Event()
        self.heard: dict[str, list[AudioPacket]] = {}
        self.transceivers: dict[str, Any] = {}
        self.mic_transceiver = self.pc.addTransceiver(self.mic, direction="sendonly")
        self.pc.on("connectionstatechange", self._changed)

    def _changed(self) -> None:
        if self.pc.connectionState == "connected":
            self.connected.set()
        elif self.pc.connectionState == "closed":
            self.closed.set()

    async def offer(self, agents: list[str]) -> tuple[str, dict[str, str]]:
        for agent in set(self.transceivers) - set(agents):
            self.transceivers.pop(agent).direction = "inactive"
        for agent in agents:
            if agent not in self.transceivers:
                self.transceivers[agent] = self.pc.addTransceiver("audio", direction="recvonly")
        await self.pc.setLocalDescription(await self.pc.createOffer())
        tracks = {t.mid: agent for agent, t in self.transceivers.items()}
        return self.pc.localDescription.sdp, {self.mic_transceiver.mid: self.person, **tracks}

    async def join(self, agents: list[str], epoch: int = 1, host: str = "host") -> Answer:
        """Negotiate, perhaps again, and wait until both sides are connected."""
        sdp, tracks = await self.offer(agents)
        answer = await self.plane.answer(PeerOffer(host, self.peer_id, epoch, sdp, tracks, ()))
        await self.accept(answer)
        async with asyncio.timeout(GUARD):
            await self.connected.wait()
        await self.notices.wait(
            PeerState, lambda n: (n.peer_id, n.epoch, n.state) == (self.peer_id, epoch, "connected")
        )
        return answer

    async def accept(self, answer: Answer) -> None:
        await self.pc.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
        for mid, agent in answer.tracks.items():
            if agent not in self.heard:
                transceiver = next(t for t in self.pc.getTransceivers() if t.mid == mid)
                packets = self.heard[agent] = []

                def on_audio(packet: AudioPacket, packets: list[AudioPacket] = packets) -> None:
                    packets.append(packet)
                    self.arrived.set()

                Tap(transceiver.receiver, on_audio, monotonic)

    async def hear(self, agent: str, count: int) -> list[AudioPacket]:
        """Wait until so many packets of an agent have arrived in all."""
        async with asyncio.timeout(GUARD):
            while len(self.heard[agent]) < count:
                self.arrived.clear()
                await self.arrived.wait()
        return self.heard[agent]

    def pcm(self, agent: str) -> np.ndarray:
        """The decoded packets of an agent: mono int16 at 48 kHz."""
        decoder = OpusDecoder()
        return np.concatenate([decoder.decode(p.payload) for p in self.heard[agent]])

    async def close(self) -> None:
        self.mic.stop()
        await self.pc.close()


class Stage:
    """A plane with one open host, its notices, and browsers that are closed at the end."""

    def __init__(self, plane: MediaPlane, notices: Notices) -> None:
        self.plane = plane
        self.notices = notices
        self.browsers: list[Browser] = []

    def browser(self, name: str = "ada") -> Browser:
        browser = Browser(self.plane, self.notices, f"browser-{name}", name)
        self.browsers.append(browser)
        return browser


async def set_stage(plane: MediaPlane) -> AsyncIterator[Stage]:
    notices = Notices()
    await plane.start(notices)
    plane.send(OpenHost("host", HearingSettings()))
    stage = Stage(plane, notices)
    try:
        yield stage
    finally:
        for browser in stage.browsers:
            await browser.close()
        await plane.close()


@pytest.fixture(params=[InlineMediaPlane, ProcessMediaPlane], ids=["inline", "process"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """Runs a test on both forms of the plane."""
    async for stage in set_stage(request.param()):
        yield stage


@pytest.fixture
async def inline_stage() -> AsyncIterator[Stage]:
    async for stage in set_stage(InlineMediaPlane()):
        yield stage


@pytest.fixture
async def process_stage() -> AsyncIterator[Stage]:
    async for stage in set_stage(ProcessMediaPlane()):
        yield stage


@pytest.fixture
def speak() -> Callable[[np.ndarray], list[bytes]]:
    """Turns mono int16 at 16 kHz into Opus packets."""
    return lambda pcm: encode(pcm, 16_000)
