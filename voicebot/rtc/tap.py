"""Inbound audio packets as they leave SRTP. THE ONLY FILE that knows aiortc's receiver inside.

aiortc's own path holds each packet 80 ms, then decodes it in a thread. The tap replaces
`RTCRtpReceiver._handle_rtp_packet` of one receiver; receiver reports keep working,
because the same statistics are fed. When a release of aiortc has no such method,
`tap_receiver` makes a `PublicTap`, which reads `track.recv()` instead; test_tap.py fails
on such a release, so that the loss of speed is noticed.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from aiortc import RTCRtpReceiver
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.rtcrtpreceiver import StreamStatistics

from voicebot.audio.frames import FRAME_SAMPLES, OPUS_RATE, SampleQueue, as_mono
from voicebot.audio.opus import OpusEncoder
from voicebot.clock import Clock
from voicebot.rtc.reorder import ReorderBuffer
from voicebot.rtc.shortcut import Inbound, inbound

if TYPE_CHECKING:
    from aiortc.rtp import RtpPacket

log = logging.getLogger(__name__)

_HANDLER = "_handle_rtp_packet"
_STREAMS = "_RTCRtpReceiver__remote_streams"


class AudioPacket(NamedTuple):
    """One Opus packet of a remote track, in sequence."""

    sequence_number: int
    timestamp: int
    """RTP timestamp, 48 kHz, 32 bits."""
    payload: bytes
    """The Opus packet; encoded again on the public path, where aiortc decodes."""
    arrival: float
    """Clock time at which it was received."""


OnAudio = Callable[[AudioPacket], None]


class Tap(Protocol):
    """A running inbound tap."""

    @property
    def lost(self) -> int: ...
    @property
    def last_arrival(self) -> float: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...


def can_tap(receiver: RTCRtpReceiver) -> bool:
    """Whether this aiortc has what the packet tap hooks into."""
    handler = getattr(receiver, _HANDLER, None)
    return (
        inspect.iscoroutinefunction(handler)
        and list(inspect.signature(handler).parameters) == ["packet", "arrival_time_ms"]
        and isinstance(getattr(receiver, _STREAMS, None), dict)
    )


def tap_receiver(receiver: RTCRtpReceiver, on_audio: OnAudio, clock: Clock) -> Tap:
    """Hand each audio packet of this receiver to `on_audio`; falls back to `track.recv()`."""
    if can_tap(receiver):
        return PacketTap(receiver, on_audio, clock)
    log.warning("this aiortc release cannot be tapped; hearing takes about 80 ms longer")
    return PublicTap(receiver.track, on_audio, clock)


class PacketTap:
    """Packets straight from SRTP, put in order."""

    def __init__(self, receiver: RTCRtpReceiver, on_audio: OnAudio, clock: Clock) -> None:
        self._receiver: Any = receiver
        self._on_audio = on_audio
        self._clock = clock
        self._buffer: ReorderBuffer[AudioPacket] = ReorderBuffer()
        self._streams: dict[int, StreamStatistics] = getattr(receiver, _STREAMS)
        self._ssrc: int | None = None
        self._closed = False
        self._looked = False
        self._short: Inbound | None = None
        self.last_arrival = clock()
        setattr(receiver, _HANDLER, self._handle)

    @property
    def lost(self) -> int:
        return self._buffer.lost

    async def _handle(self, packet: Any, arrival_time_ms: int) -> None:
        if not packet.payload:
            return
        self.receive(packet.ssrc, packet.sequence_number, packet.timestamp, packet.payload)
        self._shorten(packet.ssrc, packet.payload_type)

    def _shorten(self, ssrc: int, payload_type: int) -> None:
        """A stream that aiortc has routed here needs no routing any more."""
        if not self._looked:
            self._looked = True
            self._short = inbound(self._receiver.transport)
            if self._short is None:
                log.warning("this aiortc release has no shortcut; hearing costs more")
        if self._short is not None:
            self._short.register(ssrc, payload_type, self)

    def receive(self, ssrc: int, sequence_number: int, timestamp: int, payload: bytes) -> None:
        """One packet of this receiver, in whatever order."""
        if self._closed or not self._receiver._enabled:
            return
        statistics = self._streams.get(ssrc)
        if statistics is None:
            statistics = self._streams[ssrc] = StreamStatistics(OPUS_RATE)
        self.last_arrival = now = self._clock()
        packet = AudioPacket(sequence_number, timestamp, payload, now)
        statistics.add(cast("RtpPacket", packet))  # it reads these two fields
        if ssrc != self._ssrc:  # another stream: other sequence numbers and timestamps
            self.flush()
            self._ssrc = ssrc
            lost, self._buffer = self._buffer.lost, ReorderBuffer()
            self._buffer.lost = lost
        self._deliver(self._buffer.push(packet))

    def flush(self) -> None:
        """Give out what is held back for a gap; called when no packet has come for a while."""
        if self._buffer.held:
            self._deliver(self._buffer.flush())

    def close(self) -> None:
        self._closed = True

    def _deliver(self, packets: list[AudioPacket]) -> None:
        for p in packets:
            try:
                self._on_audio(p)
            except Exception:  # a bug behind us must not end aiortc's receive loop
                log.exception("an audio packet could not be handled")


class PublicTap:
    """The same through aiortc's public API: 80 ms later, decoded and encoded again."""

    def __init__(self, track: MediaStreamTrack, on_audio: OnAudio, clock: Clock) -> None:
        self._on_audio = on_audio
        self._clock = clock
        self.lost = 0
        self.last_arrival = clock()
        self._encoder = OpusEncoder()
        self._task = asyncio.create_task(self._read(track), name=f"tap {track.id}")

    async def _read(self, track: MediaStreamTrack) -> None:
        queue, count = SampleQueue(), 0
        with contextlib.suppress(MediaStreamError):
            while True:
                frame: Any = await track.recv()
                channels = len(frame.layout.channels)
                pcm = as_mono(frame.to_ndarray().reshape(-1, channels))
                self.last_arrival = now = self._clock()
                queue.put(pcm)
                at = frame.pts + len(pcm) - len(queue)
                while len(queue) >= FRAME_SAMPLES:
                    payload = self._encoder.encode(queue.take(FRAME_SAMPLES))
                    self._on_audio(AudioPacket(count & 0xFFFF, at & 0xFFFFFFFF, payload, now))
                    count, at = count + 1, at + FRAME_SAMPLES

    def flush(self) -> None:
        """Nothing is held back here."""

    def close(self) -> None:
        self._task.cancel()
