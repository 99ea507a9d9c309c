"""Speeches that are held, prepared and resumed, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from tests.media.outbound_rig import RATE, Rig, tone
from voicebot.audio.opus import OpusDecoder, silence_packet
from voicebot.media import base
from voicebot.media.base import HOLD_LIMIT, PlayoutAudible, PlayoutHeld, PlayoutMark, PlayoutResumed

pytestmark = pytest.mark.virtual_time


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    yield rig
    rig.voice.close()


def chirp(seconds: float) -> np.ndarray:
    """Audio without repetition, so that every packet is different."""
    t = np.arange(round(seconds * RATE)) / RATE
    return (9000 * np.sin(2 * np.pi * (200 + 300 * t) * t)).astype(np.int16)


def spoken(rig: Rig) -> list[bytes]:
    """The sent packets without the silence after a break."""
    return [payload for payload, _, _ in rig.sent if payload != silence_packet()]


async def uninterrupted(*parts: np.ndarray) -> Rig:
    rig = Rig()
    for index, pcm in enumerate(parts):
        rig.say("s", index, pcm)
    rig.voice.end("s")
    await asyncio.sleep(sum(map(len, parts)) / RATE + 1)
    rig.voice.close()
    return rig


@pytest.mark.parametrize("at", [0.021, 0.5, 0.999, 1.0101])
async def test_a_held_speech_continues_with_the_next_sample(rig: Rig, at: float) -> None:
    pcm = chirp(2)
    rig.say("s", 0, pcm)
    rig.voice.end("s")
    await asyncio.sleep(at)
    rig.voice.hold_all("ada")
    count = len(spoken(rig))
    await asyncio.sleep(3)
    assert len(spoken(rig)) == count  # no more frames
    assert rig.sent[-1][0] == silence_packet()
    rig.voice.resume("s")
    await asyncio.sleep(3)
    whole = await uninterrupted(pcm)
    assert spoken(rig) == spoken(whole)
    decoder = OpusDecoder()
    heard = np.concatenate([decoder.decode(payload) for payload in spoken(rig)])
    assert np.array_equal(heard, whole.pcm())
    (ended,) = rig.ended()
    assert ended.complete
    assert ended.played == pytest.approx(2, abs=1e-4)
    assert ended.pieces[0] == pytest.approx((2, 2), abs=1e-4)
    assert len([n for n in rig.notices if isinstance(n, PlayoutResumed)]) == 1


async def test_a_hold_reports_what_was_played(rig: Rig) -> None:
    rig.say("s", 0, tone(0.3))
    rig.say("s", 1, tone(2))
    await asyncio.sleep(0.51)
    rig.voice.hold_all("ada")
    (held,) = [n for n in rig.notices if isinstance(n, PlayoutHeld)]
    assert (held.by, held.speech_id, held.time) == ("ada", "s", rig.now())
    assert held.played == pytest.approx(0.52)
    assert held.pieces == {0: pytest.approx((0.3, 0.3)), 1: pytest.approx((0.22, 2))}
    assert not rig.voice.talking
    rig.voice.hold_all("bo")  # a silent agent cannot be interrupted
    rig.voice.hold("s", "ada")
    await asyncio.sleep(2)
    at = rig.now()
    rig.voice.resume("s")
    rig.voice.resume("s")
    (resumed,) = [n for n in rig.notices if isinstance(n, PlayoutResumed)]
    assert resumed.time == at
    assert rig.voice.talking
    await asyncio.sleep(0.11)
    rig.voice.hold_all("bo")
    rig.voice.stop("s")
    (ended,) = rig.ended()
    assert ended.played == pytest.approx(0.64)
    assert ended.pieces[1] == pytest.approx((0.34, 2))
    assert len([n for n in rig.notices if isinstance(n, PlayoutAudible)]) == 1
    assert len([n for n in rig.notices if isinstance(n, PlayoutMark)]) == 2


async def test_an_unanswered_hold_ends_the_speech(rig: Rig) -> None:
    rig.say("s", 0, tone(5))
    await asyncio.sleep(1)
    rig.voice.hold_all("ada")
    await asyncio.sleep(HOLD_LIMIT - 0.01)
    assert not rig.ended()
    await asyncio.sleep(0.02)
    (ended,) = rig.ended()
    assert not ended.complete
    rig.voice.resume("s")
    await asyncio.sleep(1)
    assert rig.sent[-1][0] == silence_packet()


async def test_a_resumed_speech_has_no_hold_limit(rig: Rig) -> None:
    rig.say("s", 0, tone(1))
    await asyncio.sleep(0.5)
    rig.voice.hold_all("ada")
    rig.voice.resume("s")
    await asyncio.sleep(2 * HOLD_LIMIT)
    assert not rig.ended()
    rig.voice.end("s")
    await asyncio.sleep(1)
    assert rig.ended()[0].complete


async def test_audio_for_a_held_speech_queues_up(rig: Rig) -> None:
    rig.say("s", 0, tone(0.3))
    await asyncio.sleep(0.1)
    rig.voice.hold("s", "ada")
    rig.say("s", 1, tone(0.3))
    rig.voice.end("s")
    await asyncio.sleep(1)
    count = len(spoken(rig))
    rig.voice.resume("s")
    await asyncio.sleep(1)
    assert len(spoken(rig)) == 31  # 0.6 s and the encoder's delay
    assert count == 5 or count == 6
    assert rig.ended()[0].played == pytest.approx(0.6)


async def test_a_prepared_speech_is_heard_after_resume(rig: Rig) -> None:
    rig.say("s", 0, tone(0.2), held=True)
    rig.say("s", 0, tone(0.2))
    rig.voice.end("s")
    rig.voice.hold_all("ada")  # nobody hears it, so it is not held
    await asyncio.sleep(1)
    assert rig.sent == []
    assert rig.notices == []
    at = rig.now()
    rig.voice.resume("s")
    assert rig.left == [at]
    await asyncio.sleep(1)
    (started,) = [n for n in rig.notices if isinstance(n, PlayoutAudible)]
    assert at <= started.time < at + 0.01
    assert rig.ended()[0].played == pytest.approx(0.4)
    assert not [n for n in rig.notices if isinstance(n, PlayoutResumed)]
    assert len(spoken(rig)) == 21


async def test_a_stopped_prepared_speech_is_never_heard(rig: Rig) -> None:
    rig.say("s", 0, tone(0.2), held=True)
    rig.voice.stop("s")
    rig.voice.resume("s")
    await asyncio.sleep(1)
    assert rig.sent == []
    (ended,) = rig.ended()
    assert (ended.complete, ended.played, ended.pieces) == (False, 0.0, {})


async def test_preparing_a_speech_does_not_change_the_one_being_heard(rig: Rig) -> None:
    pcm = chirp(1)
    rig.say("a", 0, pcm[: RATE // 2])
    await asyncio.sleep(0.1)
    rig.say("b", 0, tone(0.1), held=True)
    rig.say("a", 1, pcm[RATE // 2 :])  # it has not ended
    await asyncio.sleep(0.5)
    rig.voice.resume("b")  # like the beginning of a speech, this ends it
    rig.voice.end("b")
    await asyncio.sleep(2)
    assert [(e.speech_id, e.complete) for e in rig.ended()] == [("a", True), ("b", True)]
    whole = await uninterrupted(pcm[: RATE // 2], pcm[RATE // 2 :])
    assert spoken(rig)[:50] == spoken(whole)[:50]


async def test_another_speech_can_be_heard_while_one_is_held(rig: Rig) -> None:
    rig.say("a", 0, chirp(2))
    await asyncio.sleep(0.5)
    rig.voice.hold_all("ada")
    rig.say("b", 0, tone(0.1), held=True)
    rig.voice.resume("b")
    rig.voice.end("b")
    await asyncio.sleep(1)
    assert [(e.speech_id, e.complete) for e in rig.ended()] == [("b", True)]
    rig.voice.resume("a")
    rig.voice.end("a")
    await asyncio.sleep(3)
    assert [(e.speech_id, e.complete) for e in rig.ended()] == [("b", True), ("a", True)]
    assert rig.ended()[1].played == pytest.approx(2)


async def test_every_open_speech_is_held_and_later_ones_are_heard(rig: Rig) -> None:
    rig.say("a", 0, tone(1))
    rig.say("b", 0, tone(1))
    rig.voice.end("b")
    await asyncio.sleep(0.2)
    rig.voice.hold_all("ada")
    rig.say("c", 0, tone(0.1))
    rig.voice.end("c")
    await asyncio.sleep(1)
    assert [n.speech_id for n in rig.notices if isinstance(n, PlayoutHeld)] == ["a", "b"]
    assert [e.speech_id for e in rig.ended()] == ["c"]
    for speech in ("a", "b"):
        rig.voice.resume(speech)
    await asyncio.sleep(3)
    assert [(e.speech_id, e.complete) for e in rig.ended()] == [("c", True), ("a", True), ("b", True)]


async def test_closing_ends_held_and_prepared_speeches(rig: Rig) -> None:
    rig.say("a", 0, tone(1))
    await asyncio.sleep(0.1)
    rig.voice.hold_all("ada")
    rig.say("b", 0, tone(1), held=True)
    rig.voice.close()
    assert [(e.speech_id, e.complete) for e in rig.ended()] == [("a", False), ("b", False)]
    await asyncio.sleep(2 * base.HOLD_LIMIT)
    assert len(rig.ended()) == 2


async def test_holding_an_ended_or_unknown_speech_changes_nothing(rig: Rig) -> None:
    rig.say("s", 0, tone(0.1))
    rig.voice.end("s")
    await asyncio.sleep(0.09)
    rig.voice.hold("s", "ada")  # all of it has been sent
    rig.voice.hold_all("ada")
    rig.voice.hold("never", "ada")
    rig.voice.resume("never")
    await asyncio.sleep(1)
    (ended,) = rig.ended()
    assert ended.complete
    assert not [n for n in rig.notices if isinstance(n, PlayoutHeld)]
