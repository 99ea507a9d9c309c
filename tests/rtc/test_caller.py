from __future__ import annotations

import asyncio

import numpy as np

from voicebot.rtc.caller import RATE, Caller, Heard, Microphone


def tone(hz: float, seconds: float) -> np.ndarray:
    t = np.arange(int(RATE * seconds)) / RATE
    return (8000 * np.sin(2 * np.pi * hz * t)).astype(np.int16)


def loudest_hz(pcm: np.ndarray) -> float:
    return float(np.fft.rfftfreq(len(pcm), 1 / RATE)[np.argmax(np.abs(np.fft.rfft(pcm)))])


async def test_two_people_hear_each_other_over_real_webrtc():
    heard: dict[str, list[Heard]] = {"ada": [], "bo": []}
    bo_hears = asyncio.Event()

    def ada_heard(frame: Heard) -> None:
        heard["bo"].append(frame)

    def bo_heard(frame: Heard) -> None:
        heard["ada"].append(frame)
        if np.abs(frame.pcm).max() > 2000:
            bo_hears.set()

    mouth, other_mouth = Microphone(), Microphone()
    ada = Caller(mouth, on_heard=ada_heard)
    bo = Caller(other_mouth, on_heard=bo_heard)
    try:
        sdp, tracks = await ada.offer("ada", ["bo"])
        assert sorted(tracks.values()) == ["ada", "bo"]
        answer, answered = await bo.answer(sdp, "ada", "bo")
        assert set(answered.values()) == {"bo"}
        await ada.accept(answer)
        async with asyncio.timeout(20):
            await asyncio.gather(ada.connected.wait(), bo.connected.wait())
            await mouth.say(tone(440, 1.0))
            await bo_hears.wait()
        loud = [f.pcm for f in heard["ada"] if np.abs(f.pcm).max() > 2000]
        assert abs(loudest_hz(np.concatenate(loud)) - 440) < 10
    finally:
        await ada.close()
        await bo.close()
        await bo.close()


async def test_saying_something_without_a_connection_returns():
    await Microphone().say(tone(440, 0.1))
