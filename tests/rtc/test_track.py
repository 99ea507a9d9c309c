from __future__ import annotations

import asyncio

import pytest
from aiortc.mediastreams import MediaStreamError

from voicebot.rtc.track import MAX_WAITING, OutboundTrack


async def test_a_packet_wakes_the_sender_and_silence_keeps_it_waiting() -> None:
    track = OutboundTrack()
    fetching = asyncio.create_task(track.recv())
    await asyncio.sleep(0)
    assert not fetching.done()
    track.push(b"abc", 960)
    packet = await fetching
    assert bytes(packet) == b"abc"
    assert packet.pts == 960


async def test_a_sender_that_does_not_fetch_never_gets_a_burst() -> None:
    track = OutboundTrack()
    for n in range(50):
        track.push(b"x", n)
    got = [(await track.recv()).pts for _ in range(MAX_WAITING)]
    assert got == [47, 48, 49]


async def test_a_stopped_track_ends_its_sender() -> None:
    track = OutboundTrack()
    fetching = asyncio.create_task(track.recv())
    await asyncio.sleep(0)
    track.stop()
    with pytest.raises(MediaStreamError):
        await fetching


async def test_the_shortcut_is_used_once_it_is_ready_and_aiortc_gets_no_packet() -> None:
    class Way:
        ready = False

        def __init__(self) -> None:
            self.sent: list[tuple[bytes, int]] = []

        def send(self, payload: bytes, pts: int) -> None:
            self.sent.append((payload, pts))

    track, way = OutboundTrack(), Way()
    track.direct = way
    fetching = asyncio.create_task(track.recv())
    for n in range(5):
        track.push(b"x", n)
    assert way.sent == []
    way.ready = True
    track.push(b"x", 5)
    assert way.sent == [(b"x", 3), (b"x", 4), (b"x", 5)]  # no burst
    await asyncio.sleep(0)
    assert not fetching.done()
    track.stop()
    with pytest.raises(MediaStreamError):
        await fetching


async def test_aiortcs_sender_takes_over_when_the_shortcut_fails(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        ready = True

        def send(self, payload: bytes, pts: int) -> None:
            raise AttributeError("aiortc has changed")

    track = OutboundTrack()
    track.direct = Broken()
    fetching = asyncio.create_task(track.recv())
    await asyncio.sleep(0)
    track.push(b"abc", 960)
    assert bytes(await fetching) == b"abc"
    track.push(b"def", 1920)
    assert bytes(await track.recv()) == b"def"
    assert "sent directly" in caplog.text
