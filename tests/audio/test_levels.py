from __future__ import annotations

import numpy as np

from voicebot.audio.levels import first_audible


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
