"""An outbound audio track that sends ready Opus packets and is silent when there are none."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any, Protocol, TypeAlias

import av
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from voicebot.audio.frames import TIME_BASE

log = logging.getLogger(__name__)

OpusPacket: TypeAlias = "av.Packet[Any]"
MAX_WAITING = 3
"""Packets kept for a sender that does not fetch them; more would be a burst later."""


def opus_packet(payload: bytes, pts: int) -> OpusPacket:
    """A packet as aiortc's sender takes it; `pts` in 48 kHz ticks."""
    packet = av.Packet(payload)
    packet.pts = pts
    packet.time_base = TIME_BASE
    return packet


class Direct(Protocol):
    """A way to the network that does not go through aiortc's sender."""

    @property
    def ready(self) -> bool: ...
    def send(self, payload: bytes, pts: int) -> None: ...


class OutboundTrack(MediaStreamTrack):
    """What one transceiver sends; whose voice that is may change over its life.

    It must not end while its connection lives: aiortc ends a sender for good with its
    track, and then the transceiver could not be used again. With a `direct` way aiortc's
    sender gets nothing to send and waits.
    """

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.direct: Direct | None = None
        """Chosen before the first packet: two ways would be two streams."""
        self._packets: deque[tuple[bytes, int]] = deque()
        self._fetch: asyncio.Future[None] | None = None

    def push(self, payload: bytes, pts: int) -> None:
        """Send this packet now; it leaves in the same turn of the loop. `pts` in 48 kHz ticks."""
        if len(self._packets) >= MAX_WAITING:
            self._packets.popleft()
        self._packets.append((payload, pts))
        if self.direct is not None:
            self._send(self.direct)
        if self.direct is None and self._fetch is not None and not self._fetch.done():
            self._fetch.set_result(None)

    def _send(self, direct: Direct) -> None:
        try:
            while self._packets and direct.ready:
                direct.send(*self._packets[0])
                self._packets.popleft()
        except Exception:  # a glitch is better than an agent that nobody hears any more
            log.exception("a packet could not be sent the short way: aiortc's sender goes on")
            self.direct = None

    async def recv(self) -> OpusPacket:
        """The next packet; waits, for as long as it takes, while there is none."""
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
