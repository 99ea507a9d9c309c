from __future__ import annotations

import numpy as np
import pytest

from tests.support.sound import tone
from voicebot.audio.resampling import Resampler


@pytest.mark.parametrize("rate_in", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_resampling_in_chunks_keeps_the_sound(rate_in: int) -> None:
    resampler = Resampler(rate_in, 48_000)
    pcm = tone(1000, 1, rate_in)
    parts = [resampler.feed(chunk) for chunk in np.array_split(pcm, 37)]
    out = np.concatenate([*parts, resampler.flush()])
    assert len(out) == pytest.approx(48_000, abs=2)
    middle = slice(4_000, 44_000)  # the filter rings at both ends
    expected = tone(1000, 1)
    assert np.abs(out[middle].astype(int) - expected[middle]).max() < 300


def test_a_flush_starts_a_new_stream() -> None:
    resampler = Resampler(24_000, 48_000)
    for _ in range(2):
        out = np.concatenate([resampler.feed(tone(500, 0.1, 24_000)), resampler.flush()])
        assert len(out) == pytest.approx(4_800, abs=2)


def test_a_rate_must_be_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        Resampler(0, 48_000)
