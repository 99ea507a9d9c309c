"""An outbound audio track that sends encoded Opus packets, and nothing during silence."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any, TypeAlias

import av
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from voicebot.audio.frames import TIME_BASE
from voicebot.rtc.shortcut import Outbound

log = logging.getLogger(__name__)

OpusPacket: TypeAlias = "av.Packet[Any]"
MAX_WAITING = 3
"""The most packets kept for a sender that does not fetch them. More would become a burst."""


def opus_packet(payload: bytes, pts: int) -> OpusPacket:
    """A packet for aiortc's sender; `pts` in 48 kHz ticks."""
    packet = av.Packet(payload)
    packet.pts = pts
    packet.time_base = TIME_BASE
    return packet


class OutboundTrack(MediaStreamTrack):
    """The track of one transceiver, which may carry different agents over time.

    It must not end before its connection, because aiortc would end the sender for good and the transceiver
    could not be used again. With a `direct` way, aiortc's sender gets nothing and waits.
    """

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.direct: Outbound | None = None
        """Set before the first packet, because each way is a stream of its own."""
        self._packets: deque[tuple[bytes, int]] = deque()
        self._fetch: asyncio.Future[None] | None = None

    def push(self, payload: bytes, pts: int) -> None:
        """Send a packet in this iteration of the loop; `pts` in 48 kHz ticks."""
        if len(self._packets) >= MAX_WAITING:
            self._packets.popleft()
        self._packets.append((payload, pts))
        if self.direct is not None:
            self._send(self.direct)
        if self.direct is None and self._fetch is not None and not self._fetch.done():
            self._fetch.set_result(None)

    def _send(self, direct: Outbound) -> None:
        try:
            while self._packets and direct.ready:
                direct.send(*self._packets[0])
                self._packets.popleft()
        except Exception:  # a glitch is better than a silent agent
            log.exception("a packet could not be sent directly: aiortc's sender takes over")
            self.direct = None

    async def recv(self) -> OpusPacket:
        """Wait for the next packet. Raises MediaStreamError when the track has ended."""
        while not self._packets or self.direct is not None:
            if self.readyState != "live":
                raise MediaStreamError
            self._fetch = asyncio.get_running_loop().create_future()
            await self._fetch
        return opus_packet(*self._packets.popleft())

    def stop(self) -> None:
        super().stop()
        if self._fetch is not None and not self._fetch.done():
            self._fetch.set_result(None)
