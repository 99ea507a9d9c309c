"""A person who talks to a media plane over real WebRTC, without a server or a browser.

    plane = InlineMediaPlane()
    await plane.start(on_notice)
    plane.send(OpenHost("h", HearingSettings()))
    plane.send(AddAgentTrack("h", "bot"))
    async with loopback(plane, "h", "ann", agents=["bot"]) as ann:
        await ann.say(speak("hello"))
        pcm = ann.heard("bot")

What an agent says before the plane sends a `PeerState` with "connected" is lost, as it is for a browser.
It needs real time and real sockets. In virtual time, use `FakeMediaPlane`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import numpy as np
import soxr
from numpy.typing import NDArray

from voicebot.audio.frames import HEARING_RATE, OPUS_RATE
from voicebot.media.base import AddIceCandidate, ClosePeer, MediaPlane, PeerOffer
from voicebot.rtc.caller import Caller, Microphone, ReceivedFrame

PATIENCE = 20.0
"""Seconds to wait for a connection, and for sound."""


class LoopbackPerson:
    """A person on one connection to an agent host."""

    def __init__(self, plane: MediaPlane, host_id: str, participant_id: str) -> None:
        self.participant_id = participant_id
        self.frames: list[ReceivedFrame] = []
        """Every decoded frame, in order of arrival."""
        self._plane = plane
        self._host_id = host_id
        self._microphone = Microphone()
        self.states: list[str] = []
        """Every state of the connection, in order."""
        self._caller = Caller(self._microphone, on_heard=self._hear, on_state=self.states.append)
        self._epoch = 1
        self._news = asyncio.Event()

    async def connect(self, agents: Sequence[str]) -> Mapping[str, str]:
        """Offer, perhaps again with other agents; returns {mid: agent} from the answer. Raises MediaError."""
        sdp, tracks = await self._caller.offer(self.participant_id, agents)
        answer = await self._plane.answer(
            PeerOffer(self._host_id, self.participant_id, self._epoch, sdp, tracks, ())
        )
        await self._caller.accept(answer.sdp)
        # aiortc's offer contains all candidates, so end-of-candidates follows at once
        self._plane.send(AddIceCandidate(self._host_id, self.participant_id, self._epoch, "", "0", 0))
        async with asyncio.timeout(PATIENCE):
            await self._caller.connected.wait()
        return answer.tracks

    async def say(self, pcm: NDArray[np.int16]) -> None:
        """Say mono int16 at 16 kHz, shape (n,); returns when the last sample was sent."""
        await self._microphone.say(soxr.resample(pcm, HEARING_RATE, OPUS_RATE))

    def heard(self, agent_id: str) -> NDArray[np.int16]:
        """All sound of an agent so far: mono int16 at 16 kHz, shape (n,)."""
        frames = [frame.pcm for frame in self.frames if frame.participant_id == agent_id]
        pcm = np.concatenate([np.zeros(0, np.int16), *frames])
        return np.asarray(soxr.resample(pcm, OPUS_RATE, HEARING_RATE), np.int16)

    async def hears(self, agent_id: str, seconds: float, above: float = 100.0) -> None:
        """Wait for `seconds` of frames with an RMS above `above` (int16 units). Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE + seconds):
            while self._sounding(agent_id, above) < seconds:
                self._news.clear()
                await self._news.wait()

    async def close(self) -> None:
        """Hang up. Safe to call twice."""
        await self._caller.close()

    def _sounding(self, agent_id: str, above: float) -> float:
        loud = [
            len(f.pcm)
            for f in self.frames
            if f.participant_id == agent_id and np.sqrt(np.mean(np.square(f.pcm, dtype=np.float64))) > above
        ]
        return sum(loud) / OPUS_RATE

    def _hear(self, heard: ReceivedFrame) -> None:
        self.frames.append(heard)
        self._news.set()


@asynccontextmanager
async def loopback(
    plane: MediaPlane, host_id: str, participant_id: str = "ann", *, agents: Sequence[str] = ()
) -> AsyncIterator[LoopbackPerson]:
    """A connected person, who hangs up at the end. Raises MediaError or TimeoutError."""
    person = LoopbackPerson(plane, host_id, participant_id)
    try:
        await person.connect(agents)
        yield person
    finally:
        await person.close()
        plane.send(ClosePeer(host_id, participant_id))
