from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voicebot.stt.base import STT_RATE
from voicebot.stt.loudness import HOP, Loudness


def noise(seconds: float, rms: float) -> NDArray[np.int16]:
    return np.random.default_rng(4).normal(0, rms, int(seconds * STT_RATE)).astype(np.int16)


def measured(*pieces: NDArray[np.int16], chunk: int = 317) -> Loudness:
    loudness = Loudness()
    pcm = np.concatenate(pieces)
    for start in range(0, len(pcm), chunk):
        loudness.add(pcm[start : start + chunk])
    return loudness


def test_speech_is_found_between_silence_and_in_a_noisy_room() -> None:
    for room in (0, 8, 150):
        loudness = measured(noise(0.5, room), noise(1.0, 2000), noise(0.4, room))
        assert loudness.speech() == (STT_RATE // 2, STT_RATE * 3 // 2)
        assert loudness.speech(STT_RATE) == (STT_RATE, STT_RATE * 3 // 2)
        assert loudness.speech(STT_RATE * 8 // 5) is None
        assert loudness.quiet_since(STT_RATE * 3 // 2)
        assert not loudness.quiet_since(STT_RATE * 3 // 2 - HOP)
        assert not loudness.faint


def test_empty_and_very_short_audio() -> None:
    assert Loudness().speech() is None
    assert Loudness().quiet_since(0)
    assert measured(noise(1.0, 5)).speech() is None
    faint = measured(noise(1.0, 60))
    assert faint.faint
    assert faint.speech() is not None  # the model decides


def test_audio_that_is_loud_throughout_is_all_speech() -> None:
    assert measured(noise(1.0, 3000)).speech() == (0, STT_RATE)


def test_the_quietest_place_is_where_to_cut() -> None:
    loudness = measured(noise(1.0, 2000), noise(0.2, 10), noise(1.0, 2000))
    assert abs(loudness.quietest(0, 2 * STT_RATE) - round(1.1 * STT_RATE)) <= STT_RATE // 20
    assert loudness.quietest(0, 5 * HOP) == 5 * HOP
