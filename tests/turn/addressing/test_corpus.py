"""How much of the corpus is understood; `python -m tests.turn.addressing.corpus` prints the figures."""

from __future__ import annotations

import pytest

from tests.turn.addressing.corpus.lines import PARTS, false_calls, load, score
from voicebot.persona.create import NAMES

FLOORS = {"development": 0.97, "heldout": 0.91, "recognised": 0.48}
"""Minimum accuracy by part, slightly below the current one. The last is low: pocketsphinx garbles names."""
NEVER_BELOW = 0.6
"""Minimum accuracy of each category in the written parts."""


@pytest.mark.parametrize("part", PARTS)
def test_accuracy(part: str) -> None:
    scored = score(load(part))
    report = f"\n{scored.table()}\n\n{scored.confusions()}\n\n{scored.mistakes()}"
    assert scored.accuracy >= FLOORS[part], report
    if part != "recognised":
        assert all(scored.right[c] >= NEVER_BELOW * scored.total[c] for c in scored.total), report


@pytest.mark.parametrize(("part", "at_most"), [("development", 0.0), ("heldout", 0.006)])
def test_everyday_lines_call_nobody(part: str, at_most: float) -> None:
    calls, tried = false_calls(part, [*NAMES, "Grace", "Otto", "Soren", "Kim", "Max", "Leo", "Eva", "Jack"])
    assert len(calls) <= at_most * tried, "\n".join(calls)


def test_a_misheard_mention_of_an_agent_never_calls_it() -> None:
    scored = score([line for line in load("recognised") if line.category == "about"])
    assert not scored.wrong, scored.mistakes()


def test_the_parts_share_no_line_and_cover_every_category() -> None:
    parts = {part: load(part) for part in ("development", "heldout")}
    said = {part: {(line.text, line.context.speaker_id) for line in lines} for part, lines in parts.items()}
    assert not said["development"] & said["heldout"]
    categories = [{line.category for line in lines} for lines in parts.values()]
    assert categories[0] == categories[1]
    assert sum(map(len, parts.values())) >= 200
