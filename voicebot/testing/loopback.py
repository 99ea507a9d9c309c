"""A person on a media plane over real WebRTC on this machine, without a server or a browser.

    plane = InlineMediaPlane()
    await plane.start(on_notice)
    plane.send(OpenHost("h", HearingSettings()))
    plane.send(AddAgentTrack("h", "bot"))
    async with loopback(plane, "h", "ann", agents=["bot"]) as ann:
        await ann.say(speak("hello"))
        pcm = ann.heard("bot")

Real time and real sockets: not for virtual time, where `FakeMediaPlane` does this.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import numpy as np
import soxr
from numpy.typing import NDArray

from voicebot.media.base import AddIceCandidate, ClosePeer, MediaPlane, PeerOffer
from voicebot.rtc.caller import RATE, Caller, Microphone, ReceivedFrame

PATIENCE = 20.0
"""Seconds for a connection on this machine, and for what a test waits to hear."""


class LoopbackPerson:
    """The far end of one connection to an agent host."""

    def __init__(self, plane: MediaPlane, host_id: str, participant_id: str) -> None:
        self.participant_id = participant_id
        self.frames: list[ReceivedFrame] = []
        """Every decoded frame, in order of arrival."""
        self._plane = plane
        self._host_id = host_id
        self._microphone = Microphone()
        self._caller = Caller(self._microphone, on_heard=self._hear, on_state=self._states)
        self._epoch = 1
        self._news = asyncio.Event()
        self.states: list[str] = []
        """Every state of the connection."""

    async def connect(self, agents: Sequence[str]) -> Mapping[str, str]:
        """Offer (again, with other agents); returns {mid: agent} of the answer. Raises MediaError."""
        sdp, tracks = await self._caller.offer(self.participant_id, agents)
        answer = await self._plane.answer(
            PeerOffer(self._host_id, self.participant_id, self._epoch, sdp, tracks, ())
        )
        await self._caller.accept(answer.sdp)
        # an aiortc offer has all its candidates inside; what is left to say is that there are no more
        self._plane.send(AddIceCandidate(self._host_id, self.participant_id, self._epoch, "", "0", 0))
        async with asyncio.timeout(PATIENCE):
            await self._caller.connected.wait()
        return answer.tracks

    async def say(self, pcm: NDArray[np.int16], sample_rate: int = 16_000) -> None:
        """Mono int16; returns when its last sample was sent."""
        if sample_rate != RATE:
            pcm = soxr.resample(pcm, sample_rate, RATE)
        await self._microphone.say(pcm)

    def heard(self, agent_id: str, sample_rate: int = 16_000) -> NDArray[np.int16]:
        """Everything that arrived from an agent so far, joined: mono int16."""
        frames = [frame.pcm for frame in self.frames if frame.participant_id == agent_id]
        pcm = np.concatenate([np.zeros(0, np.int16), *frames])
        return pcm if sample_rate == RATE else np.asarray(soxr.resample(pcm, RATE, sample_rate), np.int16)

    async def hears(self, agent_id: str, seconds: float, above: float = 100.0) -> None:
        """Wait until that much sound (frames with an RMS above `above`) has arrived. Raises TimeoutError."""
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
        return sum(loud) / RATE

    def _hear(self, heard: ReceivedFrame) -> None:
        self.frames.append(heard)
        self._news.set()

    def _states(self, state: str) -> None:
        self.states.append(state)


@asynccontextmanager
async def loopback(
    plane: MediaPlane, host_id: str, participant_id: str = "ann", *, agents: Sequence[str] = ()
) -> AsyncIterator[LoopbackPerson]:
    """A connected person who hangs up in the end. Raises MediaError or TimeoutError."""
    person = LoopbackPerson(plane, host_id, participant_id)
    try:
        await person.connect(agents)
        yield person
    finally:
        await person.close()
        plane.send(ClosePeer(host_id, participant_id))
