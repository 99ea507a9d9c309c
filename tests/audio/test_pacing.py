from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.audio.pacing import Pacer


def test_slots_are_20_ms_apart() -> None:
    pacer = Pacer(100.0)
    pacer.resume(103.0)
    slots = []
    for _ in range(3):
        slots.append((pacer.due, pacer.pts))
        pacer.sent()
    assert [due for due, _ in slots] == pytest.approx([103.0, 103.02, 103.04])
    assert [pts for _, pts in slots] == [144_000, 144_960, 145_920]


def test_a_small_delay_is_caught_up_and_a_stall_is_skipped() -> None:
    pacer = Pacer(0.0)
    assert pacer.catch_up(0.03) == 0
    assert pacer.due == 0.0
    assert pacer.catch_up(3.01) == 150
    assert pacer.due == pytest.approx(3.0)
    assert pacer.late == 150


@given(st.lists(st.floats(0, 2), min_size=1, max_size=50))
def test_however_long_the_stalls_there_is_no_burst(stalls: list[float]) -> None:
    pacer, now, sent = Pacer(0.0), 0.0, []
    for stall in stalls:
        now = max(now, pacer.due) + stall
        pacer.catch_up(now)
        assert pacer.due <= now + 1e-9
        assert now - pacer.due <= 0.04 + 1e-9  # at most three packets leave at once
        sent.append(pacer.pts)
        pacer.sent()
    assert all(b - a >= 960 for a, b in pairwise(sent))


def test_resuming_never_precedes_the_next_slot() -> None:
    pacer = Pacer(0.0)
    pacer.sent()
    pacer.resume(0.005)
    assert pacer.due == pytest.approx(0.02)
