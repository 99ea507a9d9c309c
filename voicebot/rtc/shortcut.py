"""RTP that bypasses aiortc's tasks. This is the only file that uses internals of aiortc's transports.

aiortc takes a received packet through a failed STUN parse, a queue, a task, an object with seven
optional extensions and a router, and a sent packet through a track, a task and the same object. Here,
a packet of a known stream is decrypted and handed over where the socket is read, and a packet to send
is built, encrypted and written to the socket at once. That takes a quarter of the time. Everything else
(STUN, DTLS, RTCP, unknown streams) still goes through aiortc, and RTCP reports count these packets,
because the same counters are updated.

test_shortcut.py fails on a release of aiortc with other internals.
"""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable
from typing import Any

from aiortc.rtp import HeaderExtensions
from pylibsrtp import Error as SrtpError

LARGEST_DATAGRAM = 4096
"""Bytes. Without a limit, asyncio allocates 256 KiB for each datagram that it reads."""
_NTP_EPOCH = 2_208_988_800
"""Seconds from 1900 to 1970."""
_HEADER = struct.Struct("!BBHLL")
_SEQUENCE_TIMESTAMP = struct.Struct("!HL")
_LENGTH = struct.Struct("!H")
_SENDER = "_RTCRtpSender__"
_SENT = tuple(_SENDER + name for name in ("packet_count", "octet_count", "ntp_timestamp", "rtp_timestamp"))


Receive = Callable[[int, int, int, bytes], None]
"""Takes SSRC, sequence number, timestamp and payload of a packet."""


class Inbound:
    """Sends packets of registered streams of one transport from the socket straight to their receivers."""

    def __init__(self, transport: Any) -> None:
        self._srtp: Any = transport._rx_srtp
        self._receivers: dict[bytes, tuple[int, int, Receive]] = {}
        for protocol in transport.transport._connection._protocols:
            protocol.datagram_received = self._hook(protocol.datagram_received)
            if hasattr(protocol.transport, "max_size"):
                protocol.transport.max_size = LARGEST_DATAGRAM

    def register(self, ssrc: int, payload_type: int, receive: Receive) -> None:
        """Give the packets of this stream to `receive` from now on."""
        self._receivers[ssrc.to_bytes(4)] = ssrc, payload_type, receive

    def _hook(self, long_way: Callable[[bytes, Any], None]) -> Callable[[bytes, Any], None]:
        receivers, unprotect = self._receivers, self._srtp.unprotect

        def datagram_received(data: bytes, addr: Any) -> None:
            known = receivers.get(data[8:12])
            # it must be RTP version 2 (RFC 7983) of this payload type; RTCP looks like another one
            if known is None or not 127 < data[0] < 192 or data[1] & 0x7F != known[1]:
                if data:  # an empty datagram would end aiortc's transport
                    long_way(data, addr)
                return
            try:
                packet = unprotect(data)
            except (SrtpError, ValueError, TypeError):
                return
            payload = rtp_payload(packet)
            if payload:
                sequence_number, timestamp = _SEQUENCE_TIMESTAMP.unpack_from(packet, 2)
                known[2](known[0], sequence_number, timestamp, payload)

        return datagram_received


def rtp_payload(packet: bytes) -> bytes:
    """The payload of an RTP packet (RFC 3550, 5.1 and 5.3.1); empty if the packet is truncated."""
    first = packet[0]
    at = 12 + 4 * (first & 0x0F)
    end = len(packet)
    if first & 0x10:
        if end < at + 4:
            return b""
        at += 4 + 4 * int(_LENGTH.unpack_from(packet, at + 2)[0])
    if first & 0x20:
        end -= packet[-1]
    return packet[at:end]


class Outbound:
    """Sends payloads in place of one aiortc sender."""

    def __init__(self, sender: Any, payload_type: int) -> None:
        self._sender = sender
        self._payload_type = payload_type
        self._transport = sender.transport
        self._ice = sender.transport.transport._connection
        self._ssrc: int = sender._ssrc
        self._sequence = random.getrandbits(15)
        self._origin = random.getrandbits(32)
        self._extensions: bytes | None = None

    @property
    def ready(self) -> bool:
        """Whether the sender is negotiated and connected."""
        return bool(getattr(self._sender, _SENDER + "started")) and self._transport.state == "connected"

    def send(self, payload: bytes, pts: int) -> None:
        """Send a packet now; `pts` in 48 kHz ticks. It is lost if the connection has just ended."""
        pair = self._ice._nominated.get(1)
        if pair is None:
            return
        sender = self._sender
        timestamp = (self._origin + pts) & 0xFFFFFFFF
        extensions = self._extension_bytes()
        header = _HEADER.pack(
            0x90 if extensions else 0x80,
            0x80 | self._payload_type,
            self._sequence,
            timestamp,
            self._ssrc,
        )
        self._sequence = (self._sequence + 1) & 0xFFFF
        packet = self._transport._tx_srtp.protect(header + extensions + payload)
        pair.protocol.transport.sendto(packet, pair.remote_addr)
        count, octets, ntp, rtp = _SENT  # for the sender reports
        setattr(sender, count, getattr(sender, count) + 1)
        setattr(sender, octets, getattr(sender, octets) + len(payload))
        setattr(sender, ntp, int((time.time() + _NTP_EPOCH) * (1 << 32)))
        setattr(sender, rtp, timestamp)

    def _extension_bytes(self) -> bytes:
        """The header extensions, which are the same for every packet unless the send time was negotiated."""
        if self._extensions is not None:
            return self._extensions
        mapping = getattr(self._sender, _SENDER + "rtp_header_extensions_map")
        mid = getattr(self._sender, _SENDER + "mid")
        varying = mapping.set(HeaderExtensions(abs_send_time=1))[1]
        now = int((time.time() + _NTP_EPOCH) * (1 << 18)) & 0x00FFFFFF  # 6.18 fixed point
        profile, value = mapping.set(HeaderExtensions(mid=mid, abs_send_time=now if varying else None))
        packed = struct.pack("!HH", profile, len(value) >> 2) + value if value else b""
        if not varying:
            self._extensions = packed
        return packed
