from __future__ import annotations

import asyncio

import numpy as np
import pytest

from tests.support.sound import loudest_hz, tone
from tests.support.waiting import GUARD
from voicebot.rtc.caller import Caller, Microphone, ReceivedFrame

pytestmark = pytest.mark.live


async def test_two_people_hear_each_other_over_real_webrtc():
    heard: dict[str, list[np.ndarray]] = {"ada": [], "bo": []}
    hears = {"ada": asyncio.Event(), "bo": asyncio.Event()}

    def listen(frame: ReceivedFrame) -> None:
        if np.abs(frame.pcm).max() > 2000:
            heard[frame.participant_id].append(frame.pcm)
            hears[frame.participant_id].set()

    mouth, other_mouth = Microphone(), Microphone()
    ada, bo = Caller(mouth, on_heard=listen), Caller(other_mouth, on_heard=listen)
    try:
        sdp, tracks = await ada.call("ada", "bo")
        assert list(tracks.values()) == ["ada"]
        answer, answered = await bo.answer(sdp, "ada", "bo")
        assert set(answered.values()) == {"bo"}
        await ada.accept(answer)
        async with asyncio.timeout(GUARD):
            await asyncio.gather(ada.connected.wait(), bo.connected.wait())
            await asyncio.gather(mouth.say(tone(440, 1.0)), other_mouth.say(tone(660, 1.0)))
            await asyncio.gather(*(event.wait() for event in hears.values()))
        assert abs(loudest_hz(np.concatenate(heard["ada"])) - 440) < 10
        assert abs(loudest_hz(np.concatenate(heard["bo"])) - 660) < 10
    finally:
        await ada.close()
        await bo.close()
        await bo.close()


async def test_speech_ends_with_its_connection_and_does_not_wait_for_another():
    bo_hears, mouth = asyncio.Event(), Microphone()

    def bo_heard(frame: ReceivedFrame) -> None:
        if np.abs(frame.pcm).max() > 2000:
            bo_hears.set()

    ada, bo = Caller(mouth), Caller(Microphone(), on_heard=bo_heard)
    nobody = Caller(mouth)
    try:
        await nobody.offer("ada", ["carol"])  # it is never answered
        async with asyncio.timeout(GUARD):
            await mouth.say(tone(440, 0.1))
            sdp, _ = await ada.offer("ada", ["bo"])
            answer, _ = await bo.answer(sdp, "ada", "bo")
            await ada.accept(answer)
            await ada.connected.wait()
            await mouth.say(tone(440, 0.5))
            await bo_hears.wait()
            saying = asyncio.create_task(mouth.say(tone(440, 600)))
            await bo.close()
            await saying
    finally:
        for caller in (ada, bo, nobody):
            await caller.close()


async def test_saying_something_without_a_connection_returns():
    await Microphone().say(tone(440, 0.1))
