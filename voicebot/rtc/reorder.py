"""A small adaptive buffer that puts RTP packets back in order.

Packets in order pass at once. After a gap, at most `depth` packets are held. A packet that comes after
its gap was given up raises the depth, and a time without reordering lowers it again. (aiortc's own
buffer holds every packet for 80 ms.)
"""

from __future__ import annotations

from typing import NamedTuple

MAX_DEPTH = 8
"""The most packets that are held: 160 ms of 20 ms packets."""
MIN_DEPTH = 2
CALM = 500
"""Packets without reordering after which the depth is lowered by one."""
RESTART = 100
"""A jump of this many sequence numbers in either direction means a new stream."""


class AudioPacket(NamedTuple):
    """One Opus packet of a remote track."""

    sequence_number: int
    """RTP sequence number (16 bits)."""
    timestamp: int
    """RTP timestamp (48 kHz, 32 bits)."""
    payload: bytes
    arrival: float
    """Clock time of arrival."""


class ReorderBuffer:
    """Returns packets in sequence; drops duplicates and packets that come too late."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._held: dict[int, AudioPacket] = {}
        self._calm = 0
        self.depth = MIN_DEPTH
        self.lost = 0
        """Number of packets that were given up and have not arrived since."""

    def push(self, packet: AudioPacket) -> list[AudioPacket]:
        """Add a packet; returns the packets that can be used now, in order."""
        sequence = packet.sequence_number
        if self._next is None:
            self._next = sequence
        ahead = (sequence - self._next) & 0xFFFF
        if ahead == 0 and not self._held:
            self._next = (sequence + 1) & 0xFFFF
            self._settle()
            return [packet]
        if ahead >= 0x8000:  # it is old
            if 0x10000 - ahead < RESTART:
                self._straggler()
                return []
            return self._restart(packet)
        if ahead >= RESTART:
            return self._restart(packet)
        self._held[sequence] = packet
        out = self._ready()
        while len(self._held) > self.depth:
            self._skip_gap()
            out += self._ready()
        return out

    def flush(self) -> list[AudioPacket]:
        """Everything that is held, in order, because no more packets seem to come."""
        out: list[AudioPacket] = []
        while self._held:
            self._skip_gap()
            out += self._ready()
        return out

    @property
    def held(self) -> int:
        """Number of packets that are held."""
        return len(self._held)

    def _ready(self) -> list[AudioPacket]:
        assert self._next is not None
        out = []
        while (packet := self._held.pop(self._next, None)) is not None:
            out.append(packet)
            self._next = (self._next + 1) & 0xFFFF
        return out

    def _skip_gap(self) -> None:
        assert self._next is not None
        start = self._next
        nearest = min(((sequence - start) & 0xFFFF for sequence in self._held), default=0)
        self.lost += nearest
        self._next = (start + nearest) & 0xFFFF

    def _straggler(self) -> None:
        self.lost = max(0, self.lost - 1)
        self._calm = 0
        self.depth = min(MAX_DEPTH, self.depth + 1)

    def _settle(self) -> None:
        self._calm += 1
        if self._calm >= CALM:
            self._calm = 0
            self.depth = max(MIN_DEPTH, self.depth - 1)

    def _restart(self, packet: AudioPacket) -> list[AudioPacket]:
        out = self.flush()
        self._next = (packet.sequence_number + 1) & 0xFFFF
        out.append(packet)
        return out
