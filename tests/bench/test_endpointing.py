"""What makes dynamic endpointing worth having, on the benchmark's synthetic conversations (seeded)."""

from __future__ import annotations

import pytest

from tests.bench.endpointing import compared, rows, simulate
from voicebot.turn.endpointing.policies import DynamicEndpointing, FixedEndpointing


@pytest.mark.parametrize("punctuated", [False, True])
def test_dynamic_endpointing_cuts_into_fewer_turns_than_a_fixed_delay_as_long(punctuated: bool) -> None:
    dynamic = simulate(DynamicEndpointing(), punctuated=punctuated, turns=800)
    fixed = simulate(FixedEndpointing(dynamic.mean_s), punctuated=punctuated, turns=800)
    assert dynamic.cut_in < 0.6 * fixed.cut_in


@pytest.mark.parametrize("punctuated", [False, True])
def test_a_fixed_delay_half_as_long_again_still_cuts_into_more_turns(punctuated: bool) -> None:
    dynamic = simulate(DynamicEndpointing(), punctuated=punctuated, turns=800)
    fixed = simulate(FixedEndpointing(1.5 * dynamic.mean_s), punctuated=punctuated, turns=800)
    assert fixed.cut_in > dynamic.cut_in


def test_the_table_has_a_line_for_each_endpointing() -> None:
    results = compared(80)
    assert len(rows(results)) == 2 + len(results)
    assert simulate(FixedEndpointing(10), punctuated=False, turns=80).cut_in == 0
