from __future__ import annotations

import numpy as np
import pytest

from voicebot.audio.levels import SILENCE_DBFS, dbfs, first_audible


def test_levels_are_rms_of_full_scale() -> None:
    assert dbfs(np.full(100, 32767, np.int16)) == pytest.approx(0, abs=0.001)
    assert dbfs(np.full(100, 3277, np.int16)) == pytest.approx(-20, abs=0.01)
    assert dbfs(np.zeros(100, np.int16)) == SILENCE_DBFS
    assert dbfs(np.zeros(0, np.int16)) == SILENCE_DBFS


def test_the_first_audible_sample_is_found_in_either_direction() -> None:
    pcm = np.zeros(100, np.int16)
    assert first_audible(pcm) is None
    assert first_audible(pcm[:0]) is None
    pcm[40] = -32768
    assert first_audible(pcm) == 40
    pcm[7] = 500
    assert first_audible(pcm) == 7
    pcm[3] = 20  # noise
    assert first_audible(pcm) == 7
