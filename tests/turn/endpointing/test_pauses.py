"""How a person pauses: robust, bounded, starting from an average speaker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicebot.turn.endpointing.pauses import PRIOR_PAUSES, PRIOR_TURNS, REMEMBERED, PauseStatistics

seconds = st.floats(0, 10)


def known(*seen: float | None) -> PauseStatistics:
    statistics = PauseStatistics()
    for pause in seen:
        if pause is None:
            statistics.ended()
        else:
            statistics.went_on(pause)
    return statistics


def test_an_unknown_speaker_counts_as_average() -> None:
    assert known().pace() == 1.0
    assert known().threshold() == sorted(PRIOR_PAUSES)[-3] == 0.45  # 2 of 20 turns may be cut into


def test_one_odd_pause_changes_little() -> None:
    assert known(30.0).pace() == known(1.0).pace() < 1.4


def test_turns_without_pauses_shorten_the_threshold() -> None:
    assert known(*[None] * 20).pace() < 1


def test_long_pauses_in_every_turn_raise_the_threshold_to_their_length() -> None:
    assert known(*[1.5, None] * 40).threshold() == 1.5


def test_a_wrong_end_becomes_a_pause() -> None:
    statistics = known(0.2, None)
    statistics.cut_in(0.7)
    assert statistics.pauses == (0.2, 0.7)
    assert statistics.turns == 0


def test_a_wrong_end_that_is_forgotten_still_becomes_a_pause() -> None:
    statistics = known()
    statistics.cut_in(0.7)
    assert (statistics.pauses, statistics.turns) == ((0.7,), 0)


@given(st.lists(st.none() | seconds, max_size=300))
def test_memory_is_bounded(seen: list[float | None]) -> None:
    statistics = known(*seen)
    newest = seen[-REMEMBERED:]
    assert statistics.pauses == tuple(pause for pause in newest if pause is not None)
    assert statistics.turns == newest.count(None)


@given(st.lists(st.none() | seconds, max_size=REMEMBERED - 1), seconds)
def test_a_pause_never_lowers_the_threshold_and_an_end_never_raises_it(
    seen: list[float | None], more: float
) -> None:
    before = known(*seen).threshold()
    assert known(*seen, more).threshold() >= before
    assert known(*seen, None).threshold() <= before


@given(st.lists(st.none() | seconds, max_size=60), st.floats(0.05, 0.5))
def test_the_threshold_cuts_into_no_more_turns_than_allowed(seen: list[float | None], rate: float) -> None:
    statistics = known(*seen)
    threshold = statistics.threshold(rate)
    longer = [pause for pause in (*PRIOR_PAUSES, *statistics.pauses) if pause > threshold]
    assert len(longer) <= rate * (PRIOR_TURNS + statistics.turns) + 1e-9


def test_a_negative_silence_counts_as_none() -> None:
    assert known(-1.0).pauses == (pytest.approx(0.0),)
