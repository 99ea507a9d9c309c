"""One agent's voice, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import numpy as np
import pytest

from tests.media.outbound_rig import RATE, Rig, tone
from voicebot.media.base import PlayoutAudible, PlayoutMark
from voicebot.media.outbound_audio import FORGET_AFTER

pytestmark = pytest.mark.virtual_time


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    yield rig
    rig.voice.close()


async def test_the_first_packet_leaves_at_once_and_the_others_every_20_ms(rig: Rig) -> None:
    await asyncio.sleep(1.234)
    begun = rig.now()
    rig.say("s", 0, tone(0.1))
    rig.voice.end("s")
    assert rig.left == [begun]
    await asyncio.sleep(1)
    assert len(rig.sent) == 6  # five frames and a silent one
    assert rig.left == pytest.approx([begun + n * 0.02 for n in range(6)])
    assert rig.sent[0][1] == pytest.approx(1.234 * 48_000, abs=1)
    assert {b - a for a, b in pairwise(pts for _, pts, _ in rig.sent)} == {960}
    (ended,) = rig.ended()
    assert ended.complete
    assert ended.time == pytest.approx(begun + 0.1, abs=0.001)
    assert ended.played == pytest.approx(0.1, abs=0.0001)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 24_000, 48_000])
async def test_played_pieces_are_exact_at_every_sample_rate(rig: Rig, rate: int) -> None:
    seconds = [0.333, 0.05, 0.71]
    for index, length in enumerate(seconds):
        for part in np.array_split(tone(length, rate), 3):
            rig.say("s", index, part, rate)
    rig.voice.end("s")
    await asyncio.sleep(3)
    (ended,) = rig.ended()
    assert ended.played == pytest.approx(sum(seconds), abs=0.001)
    for index, length in enumerate(seconds):
        assert ended.pieces[index] == pytest.approx((length, length), abs=0.001)
    marks = [n for n in rig.notices if isinstance(n, PlayoutMark)]
    began = marks[0].time
    assert [m.time - began for m in marks] == pytest.approx([0, 0.333, 0.383], abs=0.001)


async def test_leading_silence_is_not_the_start_of_speech(rig: Rig) -> None:
    rig.say("s", 0, np.concatenate([np.zeros(RATE // 4, np.int16), tone(0.2)]))
    rig.voice.end("s")
    await asyncio.sleep(1)
    (started,) = [n for n in rig.notices if isinstance(n, PlayoutAudible)]
    assert started.time == pytest.approx(rig.sent[0][2] + 0.25, abs=0.005)


async def test_a_slow_synthesiser_makes_a_pause_and_loses_nothing(rig: Rig) -> None:
    rig.say("s", 0, tone(0.11))
    await asyncio.sleep(1)
    assert len(rig.sent) < 6
    assert rig.ended() == []
    again = rig.now()
    rig.say("s", 1, tone(0.11))
    rig.voice.end("s")
    await asyncio.sleep(1)
    assert any(t == pytest.approx(again) for t in rig.left)  # immediately
    (ended,) = rig.ended()
    assert ended.played == pytest.approx(0.22, abs=0.001)
    assert all(b - a >= 0.0199 for a, b in pairwise(rig.left))


async def test_stopping_drops_the_rest_within_a_frame(rig: Rig) -> None:
    rig.say("s", 0, tone(0.5))
    rig.say("s", 1, tone(5))
    await asyncio.sleep(0.61)
    count = len(rig.sent)
    rig.voice.stop("s")
    (ended,) = rig.ended()
    assert not ended.complete
    assert ended.played == pytest.approx(0.62, abs=0.001)
    assert ended.pieces[0] == pytest.approx((0.5, 0.5), abs=0.001)
    assert ended.pieces[1] == pytest.approx((0.12, 5), abs=0.001)
    await asyncio.sleep(1)
    assert len(rig.sent) == count + 1
    assert np.sqrt(np.mean(np.square(rig.pcm()[-480:], dtype=float))) < 100


async def test_pieces_that_were_not_begun_are_not_reported(rig: Rig) -> None:
    rig.say("s", 0, tone(1))
    rig.say("s", 1, tone(1))
    await asyncio.sleep(0.3)
    rig.voice.hold_all("ada")
    rig.voice.stop("s")
    (ended,) = rig.ended()
    assert set(ended.pieces) == {0}


async def test_speeches_follow_one_another_without_a_gap(rig: Rig) -> None:
    rig.say("a", 0, tone(0.1))
    rig.say("b", 0, tone(0.1))  # it ends speech a
    rig.voice.end("b")
    await asyncio.sleep(1)
    assert [(e.speech_id, e.complete) for e in rig.ended()] == [("a", True), ("b", True)]
    assert len(rig.sent) == 11
    assert rig.left[-1] - rig.left[0] == pytest.approx(0.2)


async def test_a_speech_that_is_held_lets_the_next_one_be_heard(rig: Rig) -> None:
    rig.say("a", 0, tone(1))
    rig.say("b", 0, tone(0.1))
    rig.voice.end("b")
    await asyncio.sleep(0.1)
    assert rig.voice.talking
    rig.voice.hold("a", "ada")
    assert not rig.voice.talking
    await asyncio.sleep(1)
    rig.voice.stop("a")
    assert [(e.speech_id, e.complete) for e in rig.ended()] == [
        ("b", True),
        ("a", False),
    ]


async def test_late_audio_is_ignored_and_every_speech_ends_once(rig: Rig) -> None:
    rig.say("s", 0, tone(1))
    rig.voice.stop("s")
    rig.say("s", 1, tone(1))
    rig.voice.end("s")
    rig.voice.stop("s")
    rig.voice.end("never said")
    rig.voice.stop("never said either")
    await asyncio.sleep(3)
    assert [(e.speech_id, e.complete) for e in rig.ended()] == [
        ("s", False),
        ("never said", True),
        ("never said either", False),
    ]
    assert len(rig.sent) <= 2


async def test_closing_ends_queued_speeches_and_sends_nothing_more(rig: Rig) -> None:
    rig.say("a", 0, tone(1))
    rig.say("b", 0, tone(1))
    await asyncio.sleep(0.1)
    count = len(rig.sent)
    rig.voice.close()
    rig.say("c", 0, tone(1))
    await asyncio.sleep(1)
    assert [e.speech_id for e in rig.ended()] == ["a", "b"]
    assert len(rig.sent) == count


async def test_a_flood_of_audio_is_bounded(rig: Rig) -> None:
    minute = np.zeros(60 * RATE, np.int16)
    for _ in range(15):
        rig.say("s", 0, minute)
    rig.voice.stop("s")
    for n in range(FORGET_AFTER + 10):
        rig.voice.stop(f"x{n}")
    (ended,) = [e for e in rig.ended() if e.speech_id == "s"]
    assert ended.pieces[0] == pytest.approx((0.02, 600))
