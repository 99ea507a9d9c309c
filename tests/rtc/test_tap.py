"""These tests fail on a release of aiortc with other internals than the tap needs."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver

from tests.support.waiting import GUARD
from voicebot.audio.opus import OpusDecoder, silence_packet
from voicebot.clock import monotonic
from voicebot.rtc import tap
from voicebot.rtc.reorder import AudioPacket
from voicebot.rtc.tap import Tap
from voicebot.rtc.track import OutboundTrack


async def test_this_aiortc_can_be_tapped(pc: RTCPeerConnection) -> None:
    receiver = pc.addTransceiver("audio", direction="recvonly").receiver
    handler = getattr(receiver, tap._HANDLER)
    assert inspect.iscoroutinefunction(handler)
    assert list(inspect.signature(handler).parameters) == ["packet", "arrival_time_ms"]
    assert isinstance(getattr(receiver, tap._STREAMS), dict)


async def connected(sender: RTCPeerConnection, receiver: RTCPeerConnection, track: OutboundTrack) -> Any:
    sender.addTransceiver(track, direction="sendonly")
    await sender.setLocalDescription(await sender.createOffer())
    await receiver.setRemoteDescription(sender.localDescription)
    await receiver.setLocalDescription(await receiver.createAnswer())
    await sender.setRemoteDescription(receiver.localDescription)
    return receiver.getTransceivers()[0].receiver


async def test_the_packets_arrive_as_they_were_sent(pc: RTCPeerConnection) -> None:
    sender = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    track, got, enough = OutboundTrack(), [], asyncio.Event()

    def on_audio(packet: AudioPacket) -> None:
        got.append(packet)
        if len(got) == 10:
            enough.set()

    receiver = await connected(sender, pc, track)
    used = Tap(receiver, on_audio, monotonic)

    async def talk() -> None:
        n = 0
        while True:
            track.push(silence_packet(), n * 960)
            n += 1
            await asyncio.sleep(0.02)

    talking = asyncio.create_task(talk())
    async with asyncio.timeout(GUARD):
        await enough.wait()
        report = await receiver.getStats()
        while not (inbound := [s for s in report.values() if s.type == "inbound-rtp"]):
            report = await receiver.getStats()
    talking.cancel()
    used.close()
    await sender.close()
    steps = np.diff([p.timestamp for p in got[:10]])
    assert set(steps.tolist()) == {960}
    assert all(len(OpusDecoder().decode(p.payload)) == 960 for p in got)
    assert inbound[0].packetsReceived >= 10  # receiver reports still work
    assert used.lost == 0


async def test_an_error_behind_the_tap_does_not_end_the_stream(pc: RTCPeerConnection) -> None:
    sender = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    track, calls, twice = OutboundTrack(), [], asyncio.Event()

    def on_audio(packet: AudioPacket) -> None:
        calls.append(packet)
        if len(calls) >= 2:
            twice.set()
        raise RuntimeError("a bug")

    receiver: RTCRtpReceiver = await connected(sender, pc, track)
    Tap(receiver, on_audio, monotonic)
    async with asyncio.timeout(GUARD):
        n = 0
        while not twice.is_set():
            track.push(silence_packet(), n * 960)
            n += 1
            await asyncio.sleep(0.02)
    await sender.close()
