from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.audio.frames import SampleQueue, as_mono, first_audible


@given(st.lists(st.integers(0, 50), max_size=20), st.lists(st.integers(0, 70), max_size=20))
def test_a_sample_queue_returns_all_samples_in_order(puts: list[int], takes: list[int]) -> None:
    queue, at = SampleQueue(), 0
    for size in puts:
        queue.put(np.arange(at, at + size, dtype=np.int16))
        at += size
    out = [queue.take(size) for size in takes]
    rest = queue.take(10**6)
    assert len(queue) == 0
    assert np.concatenate([*out, rest, []]).tolist() == list(range(at))
    expected = at
    for size, got in zip(takes, out, strict=True):
        assert len(got) == min(size, expected)
        expected -= len(got)


def test_a_cleared_queue_is_empty() -> None:
    queue = SampleQueue()
    queue.put(np.ones(10, np.int16))
    queue.take(3)
    queue.clear()
    assert len(queue) == 0
    assert len(queue.take(5)) == 0


def test_stereo_keeps_its_first_channel_and_other_types_are_refused() -> None:
    stereo = np.array([[1, 9], [2, 9]], np.int16)
    assert as_mono(stereo).tolist() == [1, 2]
    with pytest.raises(ValueError, match="int16"):
        as_mono(np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="mono"):
        as_mono(np.zeros((1, 1, 1), np.int16))


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
