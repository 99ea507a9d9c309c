from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.audio.rtp_clock import RtpClock, TimestampUnwrapper


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(-5000, 100_000), max_size=50))
def test_timestamps_are_unwrapped_in_both_directions(start: int, steps: list[int]) -> None:
    unwrapper = TimestampUnwrapper()
    value = unwrapper.unwrap(start)
    assert value == start
    for step in steps:
        value += step
        assert unwrapper.unwrap(value & 0xFFFFFFFF) == value


def test_jitter_does_not_move_the_clock() -> None:
    rng, clock = random.Random(1), RtpClock()
    for n in range(3000):
        clock.observe((n + 1) * 960, 50 + n * 0.02 + 0.02 + rng.expovariate(1 / 0.02))
        if n > 100:
            assert clock.time(n * 960) == pytest.approx(50 + n * 0.02, abs=0.005)


@pytest.mark.parametrize("drift", [-100e-6, 100e-6])
def test_a_sender_with_an_inaccurate_clock_does_not_drift(drift: float) -> None:
    clock = RtpClock()
    for n in range(50 * 1200):  # twenty minutes, which is 120 ms without correction
        arrival = n * 0.02 * (1 + drift)
        clock.observe(n * 960, arrival)
        assert clock.time(n * 960) == pytest.approx(arrival, abs=0.004)
