"""Inbound audio packets as they leave SRTP. This is the only file that uses internals of aiortc's receiver.

aiortc itself holds each packet for 80 ms and decodes it in a thread. The tap replaces
`RTCRtpReceiver._handle_rtp_packet` of one receiver. Receiver reports keep working, because it updates
the same statistics. test_tap.py fails on a release of aiortc with other internals.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from aiortc import RTCRtpReceiver
from aiortc.rtcrtpreceiver import StreamStatistics

from voicebot.audio.frames import OPUS_RATE
from voicebot.clock import Clock
from voicebot.rtc.reorder import AudioPacket, ReorderBuffer
from voicebot.rtc.shortcut import Inbound

if TYPE_CHECKING:
    from aiortc.rtp import RtpPacket

log = logging.getLogger(__name__)

_HANDLER = "_handle_rtp_packet"
_STREAMS = "_RTCRtpReceiver__remote_streams"


OnAudio = Callable[[AudioPacket], None]


class Tap:
    """Hands on the packets of one receiver, in order."""

    def __init__(self, receiver: RTCRtpReceiver, on_audio: OnAudio, clock: Clock) -> None:
        """Give each audio packet of the receiver to `on_audio` from now on."""
        self._receiver: Any = receiver
        self._on_audio = on_audio
        self._clock = clock
        self._buffer = ReorderBuffer()
        self._streams: dict[int, StreamStatistics] = getattr(receiver, _STREAMS)
        self._ssrc: int | None = None
        self._closed = False
        self._short: Inbound | None = None
        self.last_arrival = clock()
        setattr(receiver, _HANDLER, self._handle)

    @property
    def lost(self) -> int:
        """Number of packets that never arrived."""
        return self._buffer.lost

    async def _handle(self, packet: Any, arrival_time_ms: int) -> None:
        if not packet.payload:
            return
        self.receive(packet.ssrc, packet.sequence_number, packet.timestamp, packet.payload)
        self._shorten(packet.ssrc, packet.payload_type)

    def _shorten(self, ssrc: int, payload_type: int) -> None:
        """Bypass aiortc for a stream that it has routed here once."""
        if self._short is None:
            self._short = Inbound(self._receiver.transport)
        self._short.register(ssrc, payload_type, self.receive)

    def receive(self, ssrc: int, sequence_number: int, timestamp: int, payload: bytes) -> None:
        """Take a packet of this receiver, in any order."""
        if self._closed or not self._receiver._enabled:
            return
        statistics = self._streams.get(ssrc)
        if statistics is None:
            statistics = self._streams[ssrc] = StreamStatistics(OPUS_RATE)
        self.last_arrival = now = self._clock()
        packet = AudioPacket(sequence_number, timestamp, payload, now)
        statistics.add(cast("RtpPacket", packet))  # it reads the sequence number and the timestamp
        if ssrc != self._ssrc:  # another stream has other sequence numbers and timestamps
            self.flush()
            self._ssrc = ssrc
            lost, self._buffer = self._buffer.lost, ReorderBuffer()
            self._buffer.lost = lost
        self._deliver(self._buffer.push(packet))

    def flush(self) -> None:
        """Hand on the packets held for a gap; called when no packet has come for a while."""
        if self._buffer.held:
            self._deliver(self._buffer.flush())

    def close(self) -> None:
        """Ignore further packets."""
        self._closed = True

    def _deliver(self, packets: list[AudioPacket]) -> None:
        for p in packets:
            try:
                self._on_audio(p)
            except Exception:  # an error in the handler must not end aiortc's receive loop
                log.exception("an audio packet could not be handled")
