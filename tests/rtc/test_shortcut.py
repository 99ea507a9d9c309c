"""These tests fail on a release of aiortc with other internals than the shortcuts need."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.rtp import HeaderExtensionsMap, RtpPacket

from tests.support.waiting import GUARD
from voicebot.audio.opus import silence_packet
from voicebot.clock import monotonic
from voicebot.rtc.reorder import AudioPacket
from voicebot.rtc.shortcut import Outbound, rtp_payload
from voicebot.rtc.tap import Tap
from voicebot.rtc.track import OutboundTrack


class Pair:
    """Two connections: one sends a track, and the other taps it."""

    def __init__(self, sender: RTCPeerConnection, receiver: RTCPeerConnection) -> None:
        self.sender, self.receiver = sender, receiver
        self.track = OutboundTrack()
        self.got: list[AudioPacket] = []
        self._news, self._changed = asyncio.Event(), asyncio.Event()
        for pc in (sender, receiver):
            pc.on("connectionstatechange", self._changed.set)

    async def connect(self) -> None:
        self.transceiver = self.sender.addTransceiver(self.track, direction="sendonly")
        await self.sender.setLocalDescription(await self.sender.createOffer())
        await self.receiver.setRemoteDescription(self.sender.localDescription)
        await self.receiver.setLocalDescription(await self.receiver.createAnswer())
        self.tap = Tap(self.receiver.getTransceivers()[0].receiver, self._heard, monotonic)
        await self.sender.setRemoteDescription(self.receiver.localDescription)
        async with asyncio.timeout(GUARD):
            while not self._connected():
                self._changed.clear()
                await self._changed.wait()

    def _connected(self) -> bool:
        return {self.sender.connectionState, self.receiver.connectionState} == {"connected"}

    def _heard(self, packet: AudioPacket) -> None:
        self.got.append(packet)
        self._news.set()

    async def send(self, count: int) -> None:
        """Send until `count` packets were heard in all."""
        async with asyncio.timeout(GUARD):
            while len(self.got) < count:
                self._news.clear()
                self.track.push(silence_packet(), 960 * len(self.got))
                await self._news.wait()


@pytest.fixture
async def pair(pc: RTCPeerConnection) -> Any:
    sender = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pair = Pair(sender, pc)
    await pair.connect()
    yield pair
    await sender.close()


@pytest.mark.parametrize("direct", [True, False])
async def test_packets_arrive_as_they_were_sent_and_are_reported(pair: Pair, direct: bool) -> None:
    if direct:
        pair.track.direct = Outbound(pair.transceiver.sender, 96)
    await pair.send(60)
    assert {packet.payload for packet in pair.got} == {silence_packet()}
    assert {b.timestamp - a.timestamp & 0xFFFFFFFF for a, b in zip(pair.got, pair.got[1:], strict=False)} == {
        960
    }
    assert {
        b.sequence_number - a.sequence_number & 0xFFFF for a, b in zip(pair.got, pair.got[1:], strict=False)
    } == {1}
    stats = (await pair.transceiver.sender.getStats()).values()
    [sent] = [s for s in stats if s.type == "outbound-rtp"]
    assert sent.packetsSent == 60
    assert sent.bytesSent == 60 * len(silence_packet())
    stats = (await pair.receiver.getTransceivers()[0].receiver.getStats()).values()
    [received] = [s for s in stats if s.type == "inbound-rtp"]
    assert received.packetsReceived == 60


async def test_only_the_first_packet_of_a_stream_goes_through_aiortc(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[bytes] = []
    parse = RtpPacket.parse

    def watch(data: bytes, *rest: Any) -> RtpPacket:
        parsed.append(data)
        return parse(data, *rest)

    monkeypatch.setattr(RtpPacket, "parse", watch)
    await pair.send(30)
    assert len(parsed) == 1


async def test_other_packets_go_through_aiortc_and_forged_ones_are_dropped(pair: Pair) -> None:
    await pair.send(5)
    connection: Any = pair.receiver.getTransceivers()[0].receiver.transport.transport._connection
    hook = connection._protocols[0].datagram_received
    ssrc = struct.pack("!L", pair.tap._ssrc)  # type: ignore[attr-defined]
    for forged in (
        b"\x80\x60" + bytes(6) + ssrc + bytes(30),
        b"\x80\x60" + bytes(6) + ssrc,
        b"\x80\xc8\x00\x06" + bytes(4) + ssrc + bytes(20),
        b"",
        b"\x00" * 5,
    ):
        hook(forged, ("127.0.0.1", 9))
    count = len(pair.got)
    assert count == 5
    await pair.send(8)


def test_the_payload_is_found_between_csrcs_extensions_and_padding() -> None:
    packet = RtpPacket(payload_type=96, sequence_number=7, timestamp=9, ssrc=3, payload=b"payload")
    assert rtp_payload(packet.serialize()) == b"payload"
    packet.csrc = [1, 2]
    packet.padding_size = 5
    packet.extensions.mid = "0"
    extensions: Any = HeaderExtensionsMap()
    extensions._HeaderExtensionsMap__ids.mid = 1
    assert rtp_payload(packet.serialize(extensions)) == b"payload"
    assert rtp_payload(bytes([0x90]) + bytes(11)) == b""
