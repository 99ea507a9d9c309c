"""A person's side of a WebRTC connection without a browser, for simulated people and for tests.

It offers to an agent host, calls or answers another person, sends given audio as its microphone, and
hands over what it hears.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import av
import numpy as np
from aiortc import RTCPeerConnection, RTCRtpTransceiver, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from numpy.typing import NDArray

from voicebot.audio.frames import FRAME_SAMPLES, OPUS_RATE, TIME_BASE
from voicebot.clock import Clock, monotonic
from voicebot.rtc.ice import configuration, parse_candidate
from voicebot.signaling.messages import IceServer
from voicebot.tasks import cancel


@dataclass(frozen=True)
class ReceivedFrame:
    """A decoded frame (mono int16 at 48 kHz, shape (n,)) that arrived at clock time `time`."""

    participant_id: str
    time: float
    pcm: NDArray[np.int16]


class Microphone:
    """What a simulated person says on all connections. It sends silence while nothing is queued."""

    def __init__(self, clock: Clock = monotonic) -> None:
        self.clock = clock
        self._tracks: set[_MicrophoneTrack] = set()

    def track(self) -> _MicrophoneTrack:
        """A new track that sends what is said from now on."""
        track = _MicrophoneTrack(self.clock, self._tracks.discard)
        self._tracks.add(track)
        return track

    async def say(self, pcm: NDArray[np.int16]) -> None:
        """Say mono int16 at 48 kHz; returns when the last sample was sent. Cancel it to stop.

        Only established connections carry it. Without any, it returns at once.
        """
        tracks = [track for track in self._tracks if track.sending]
        if not tracks:
            return
        try:
            await asyncio.gather(*(track.say(pcm) for track in tracks))
        finally:
            for track in tracks:
                track.hush()


class _MicrophoneTrack(MediaStreamTrack):
    kind = "audio"

    def __init__(self, clock: Clock, ended: Callable[[_MicrophoneTrack], None]) -> None:
        super().__init__()
        self._clock = clock
        self._ended = ended
        self._origin: float | None = None
        self._index = 0
        self._queue: deque[NDArray[np.int16]] = deque()
        self._said = asyncio.Event()
        self._said.set()
        self.sending = False
        """Whether its connection is established, so that its frames are fetched."""

    async def say(self, pcm: NDArray[np.int16]) -> None:
        self._queue.extend(np.pad(pcm, (0, -len(pcm) % FRAME_SAMPLES)).reshape(-1, FRAME_SAMPLES))
        if self._queue:
            self._said.clear()
        await self._said.wait()

    def hush(self) -> None:
        self._queue.clear()
        self._said.set()

    def stop(self) -> None:
        super().stop()
        self.hush()
        self._ended(self)

    async def recv(self) -> av.AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        now = self._clock()
        if self._origin is None:
            self._origin = now
        # after a stall, the missed frames are skipped and not sent in a burst
        self._index = max(self._index, int((now - self._origin) * OPUS_RATE / FRAME_SAMPLES))
        await asyncio.sleep(max(0.0, self._origin + self._index * FRAME_SAMPLES / OPUS_RATE - now))
        if self._queue:
            pcm = self._queue.popleft()
        else:
            pcm = np.zeros(FRAME_SAMPLES, np.int16)
            self._said.set()
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = OPUS_RATE
        frame.pts = self._index * FRAME_SAMPLES
        frame.time_base = TIME_BASE
        self._index += 1
        return frame


class Caller:
    """One connection of a simulated person, to the agent host or to another person."""

    def __init__(
        self,
        microphone: Microphone,
        ice_servers: Sequence[IceServer] = (),
        *,
        on_heard: Callable[[ReceivedFrame], None] | None = None,
        on_state: Callable[[str], None] | None = None,
    ) -> None:
        """`on_state` takes each state of the connection, as WebRTC names it."""
        self._pc = RTCPeerConnection(configuration(ice_servers))
        self._microphone = microphone
        self._track: _MicrophoneTrack | None = None
        self._on_heard = on_heard
        self._clock = microphone.clock
        self._receivers: dict[str, RTCRtpTransceiver] = {}
        self._listening: set[str] = set()
        # closing while candidates are gathered would leave sockets open
        self._negotiating = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self.connected = asyncio.Event()

        @self._pc.on("connectionstatechange")
        def changed() -> None:
            if self._track is not None:
                self._track.sending = self._pc.connectionState == "connected"
                if self._pc.connectionState in ("failed", "closed"):
                    self._track.stop()  # its frames are not fetched any more
            if self._pc.connectionState == "connected":
                self.connected.set()
            if on_state is not None:
                on_state(self._pc.connectionState)

    async def offer(self, me: str, receive: Sequence[str]) -> tuple[str, dict[str, str]]:
        """Make an offer with the microphone and one recvonly audio section per agent.

        Call it again for other agents on the same connection. Returns the SDP and {mid: participant_id}.
        """
        async with self._negotiating:
            if self._track is None:
                self._track = self._microphone.track()
                self._pc.addTransceiver(self._track, direction="sendonly")
            for agent_id in receive:
                if agent_id not in self._receivers:
                    self._receivers[agent_id] = self._pc.addTransceiver("audio", direction="recvonly")
            for agent_id in set(self._receivers) - set(receive):
                self._receivers.pop(agent_id).direction = "inactive"
            await self._pc.setLocalDescription(await self._pc.createOffer())
            mids = {t.mid: agent_id for agent_id, t in self._receivers.items() if t.mid}
            return self._pc.localDescription.sdp, {**self._own_mids(me), **mids}

    async def call(self, me: str, participant_id: str) -> tuple[str, dict[str, str]]:
        """Make an offer to another person, to hear them and be heard. Returns the same as `offer`."""
        async with self._negotiating:
            if self._track is None:
                self._track = self._microphone.track()
                self._receivers[participant_id] = self._pc.addTransceiver(self._track, direction="sendrecv")
            await self._pc.setLocalDescription(await self._pc.createOffer())
            return self._pc.localDescription.sdp, self._own_mids(me)

    async def accept(self, sdp: str) -> None:
        """Take the answer to the last offer."""
        await self._pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        for agent_id, transceiver in self._receivers.items():
            track = transceiver.receiver.track  # None before the answer
            if track is not None and track.id not in self._listening:
                self._listen(agent_id, track)

    async def answer(self, sdp: str, participant_id: str, me: str) -> tuple[str, dict[str, str]]:
        """Answer another person's offer, to hear them and be heard. Returns the same as `offer`."""
        async with self._negotiating:
            await self._pc.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
            for transceiver in self._pc.getTransceivers():
                if transceiver.kind == "audio" and self._track is None:
                    self._track = self._microphone.track()
                    transceiver.sender.replaceTrack(self._track)
                    transceiver.direction = "sendrecv"
                    self._listen(participant_id, transceiver.receiver.track)
            await self._pc.setLocalDescription(await self._pc.createAnswer())
            return self._pc.localDescription.sdp, self._own_mids(me)

    async def add_candidate(self, candidate: str, sdp_mid: str | None, index: int | None) -> None:
        """Add a trickled candidate of the other side; "" is end-of-candidates.

        Raises:
            ValueError: it is not a candidate.
        """
        await self._pc.addIceCandidate(parse_candidate(candidate, sdp_mid, index))

    async def close(self) -> None:
        """Hang up. Safe to call twice."""
        async with self._negotiating:
            if self._track is not None:
                self._track.stop()
            await self._pc.close()
        await cancel(self._tasks)

    def _own_mids(self, me: str) -> dict[str, str]:
        return {t.mid: me for t in self._pc.getTransceivers() if t.mid and t.sender.track is self._track}

    def _listen(self, participant_id: str, track: MediaStreamTrack) -> None:
        self._listening.add(track.id)
        task = asyncio.get_running_loop().create_task(
            self._receive(participant_id, track), name=f"caller-hears-{participant_id}"
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _receive(self, participant_id: str, track: MediaStreamTrack) -> None:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=OPUS_RATE)
        with contextlib.suppress(MediaStreamError):  # the track has ended
            while True:
                frame = await track.recv()
                if self._on_heard is None or not isinstance(frame, av.AudioFrame):
                    continue
                for mono in resampler.resample(frame):
                    pcm = mono.to_ndarray().reshape(-1).astype(np.int16, copy=False)
                    self._on_heard(ReceivedFrame(participant_id, self._clock(), pcm))
