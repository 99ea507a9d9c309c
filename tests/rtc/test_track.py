from __future__ import annotations

import asyncio

import pytest
from aiortc.mediastreams import MediaStreamError

from voicebot.rtc.track import MAX_WAITING, OutboundTrack, opus_packet


async def test_a_packet_wakes_the_sender_and_silence_keeps_it_waiting() -> None:
    track = OutboundTrack()
    fetching = asyncio.create_task(track.recv())
    await asyncio.sleep(0)
    assert not fetching.done()
    track.push(opus_packet(b"abc", 960))
    packet = await fetching
    assert bytes(packet) == b"abc"
    assert packet.pts == 960


async def test_a_sender_that_does_not_fetch_never_gets_a_burst() -> None:
    track = OutboundTrack()
    for n in range(50):
        track.push(opus_packet(b"x", n))
    got = [(await track.recv()).pts for _ in range(MAX_WAITING)]
    assert got == [47, 48, 49]


async def test_a_stopped_track_ends_its_sender() -> None:
    track = OutboundTrack()
    fetching = asyncio.create_task(track.recv())
    await asyncio.sleep(0)
    track.stop()
    with pytest.raises(MediaStreamError):
        await fetching
